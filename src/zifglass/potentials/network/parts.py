"""The parts of a NequIP network: blocks, paths, maps, layers; what they compute is in `noun`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError

Array = NDArray[np.float64]

L_MAX = 3
"""Highest order of a feature or an edge harmonic."""


@dataclass(frozen=True)
class Block:
    """`mul` channels of one irreducible representation: order `l`, parity +1 or −1."""

    mul: int
    l: int  # noqa: E741 - the field's name
    parity: int

    def __post_init__(self) -> None:
        if not (self.mul >= 1 and 0 <= self.l <= L_MAX and self.parity in (1, -1)):
            raise InputError(
                f"a block of features has at least one channel, an order of 0 to {L_MAX} and "
                f"parity 1 or -1; got {self.mul} channels, order {self.l}, parity {self.parity}"
            )

    def __str__(self) -> str:
        return f"{self.mul}x{self.l}{'e' if self.parity == 1 else 'o'}"


@dataclass(frozen=True)
class Activation:
    """y = scale · f(x), with f one of:

    identity x; silu x/(1+e^−x); tanh; abs |x|; ssp ln(1+e^x) − ln 2; sigmoid 1/(1+e^−x);
    softplus ln(1+e^x); mish x·tanh(softplus(x)); gelu x/2·(1+erf(x/√2)).
    """

    kind: str
    scale: float = 1.0

    KINDS = ("identity", "silu", "tanh", "abs", "ssp", "sigmoid", "softplus", "mish", "gelu")

    def __post_init__(self) -> None:
        if self.kind not in self.KINDS:
            raise InputError(f"unknown activation {self.kind!r}; known are {', '.join(self.KINDS)}")
        require(np.isfinite(self.scale), "the scale of an activation is a finite number")


@dataclass(frozen=True, eq=False)
class RadialBasis:
    """frequencies (bessels,): w_k (π k before training). prefactor: 1/Å⁰, see the module.

    p: of the polynomial cutoff u_p(x) = 1 − (p+1)(p+2)/2 x^p + p(p+2) x^{p+1} − p(p+1)/2 x^{p+2}
    (DOI 10.48550/arXiv.2003.03123, eq. 8), 0 beyond x = 1.
    """

    frequencies: Array
    prefactor: float
    p: float

    def __post_init__(self) -> None:
        freeze(self, "frequencies", self.frequencies, (None,))
        require(
            np.isfinite(self.prefactor) and np.isfinite(self.p) and self.p >= 2,
            "a radial basis has a finite prefactor and a cutoff exponent p of at least 2",
        )


@dataclass(frozen=True, eq=False)
class Dense:
    """A perceptron without biases: matrices (n_0, n_1), (n_1, n_2)…; `activation` follows every
    matrix but the last."""

    matrices: tuple[Array, ...]
    activation: Activation

    def __post_init__(self) -> None:
        object.__setattr__(self, "matrices", tuple(self.matrices))
        require(len(self.matrices) >= 1, "a perceptron has at least one matrix")
        frozen, width = [], None
        for matrix in self.matrices:
            frozen.append(_array("a matrix of a perceptron", matrix, (width, None)))
            width = frozen[-1].shape[1]
        object.__setattr__(self, "matrices", tuple(frozen))

    @property
    def inputs(self) -> int:
        return int(self.matrices[0].shape[0])

    @property
    def outputs(self) -> int:
        return int(self.matrices[-1].shape[1])


@dataclass(frozen=True, eq=False)
class Linear:
    """Block `source` to block `target` (indices). weight (mul_in, mul_out), or, in a
    self-connection, (species, mul_in, mul_out)."""

    source: int
    target: int
    weight: Array


@dataclass(frozen=True)
class Path:
    """One tensor-product path, 'uvu': block `source` of `irreps_mid` with the harmonics of order
    `edge` gives a block of the same `mul` channels, order `l` and `parity`. Its radial weights
    are columns `slot` … `slot` + mul of the radial network; they carry every coefficient
    (√(2l+1) of e3nn's 'component' normalisation included), C has norm 1."""

    source: int
    edge: int
    l: int  # noqa: E741 - the field's name
    parity: int
    slot: int


@dataclass(frozen=True, eq=False)
class Layer:
    """One interaction.

    irreps_in, irreps_mid: blocks before and after `up`. source_scale (species,): multiplies
    the mid features of an atom. radial: from the basis to the weights of all paths. down: from
    path p to block t of the pre-gate blocks, which are ``scalars + gates + gated`` in this
    order. self_connection: from `irreps_in` to the pre-gate blocks, per species. Gate g is one
    scalar block of as many channels as gated[g]. Output blocks (`irreps_out`): the scalars, then
    the gated. residual: the input is added, block by block (same mul and l).
    """

    irreps_in: tuple[Block, ...]
    irreps_mid: tuple[Block, ...]
    up: tuple[Linear, ...]
    source_scale: Array
    paths: tuple[Path, ...]
    radial: Dense
    down: tuple[Linear, ...]
    self_connection: tuple[Linear, ...]
    scalars: tuple[Block, ...]
    scalar_activations: tuple[Activation, ...]
    gates: tuple[Block, ...]
    gate_activations: tuple[Activation, ...]
    gated: tuple[Block, ...]
    residual: bool

    def __post_init__(self) -> None:
        for name in (
            "irreps_in", "irreps_mid", "up", "paths", "down", "self_connection", "scalars",
            "scalar_activations", "gates", "gate_activations", "gated",
        ):  # fmt: skip
            object.__setattr__(self, name, tuple(getattr(self, name)))
        freeze(self, "source_scale", self.source_scale, (None,))
        self._check_paths()
        self._check_gate()
        species = len(self.source_scale)
        pre = self.irreps_pre
        self._check_linear("up", self.irreps_in, self.irreps_mid, ())
        self._check_linear("down", self.irreps_path, pre, ())
        self._check_linear("self_connection", self.irreps_in, pre, (species,))
        if self.residual:
            same = [(b.mul, b.l) for b in self.irreps_in] == [(b.mul, b.l) for b in self.irreps_out]
            require(same, "a residual layer has the same blocks before and after")

    def _check_paths(self) -> None:
        for path in self.paths:
            require(0 <= path.source < len(self.irreps_mid), "a path starts at a mid block")
            source = self.irreps_mid[path.source]
            require(
                0 <= path.edge <= L_MAX
                and 0 <= path.l <= L_MAX
                and abs(source.l - path.edge) <= path.l <= source.l + path.edge
                and path.parity in (1, -1),
                f"no tensor-product path leads from order {source.l} and harmonics of order "
                f"{path.edge} to order {path.l}",
            )
            require(
                path.slot >= 0 and path.slot + source.mul <= self.radial.outputs,
                "the radial network has too few outputs for its paths",
            )

    def _check_gate(self) -> None:
        require(
            len(self.scalars) == len(self.scalar_activations)
            and len(self.gates) == len(self.gate_activations) == len(self.gated)
            and all(b.l == 0 for b in self.scalars + self.gates)
            and all(g.mul == b.mul for g, b in zip(self.gates, self.gated, strict=True)),
            "a gate pairs scalar blocks with activations and gated blocks of equal channels",
        )

    def _check_linear(
        self,
        name: str,
        before: tuple[Block, ...],
        after: tuple[Block, ...],
        leading: tuple[int, ...],
    ) -> None:
        for item in getattr(self, name):
            require(
                0 <= item.source < len(before) and 0 <= item.target < len(after),
                f"a linear map of {name} leads from a block to a block",
            )
            a, b = before[item.source], after[item.target]
            require(a.l == b.l, f"a linear map of {name} keeps the order: {a} is not {b}")
            freeze(item, "weight", item.weight, (*leading, a.mul, b.mul))

    @cached_property
    def irreps_path(self) -> tuple[Block, ...]:
        """The block that each path makes."""
        return tuple(Block(self.irreps_mid[p.source].mul, p.l, p.parity) for p in self.paths)

    @cached_property
    def irreps_pre(self) -> tuple[Block, ...]:
        """The blocks before the gate."""
        return self.scalars + self.gates + self.gated

    @cached_property
    def irreps_out(self) -> tuple[Block, ...]:
        """The blocks after the gate; an odd gate turns the parity of what it gates."""
        scalars = [
            Block(b.mul, 0, _parity_after(a, b.parity))
            for a, b in zip(self.scalar_activations, self.scalars, strict=True)
        ]
        gated = [
            Block(b.mul, b.l, b.parity * _parity_after(a, g.parity))
            for a, g, b in zip(self.gate_activations, self.gates, self.gated, strict=True)
        ]
        return (*scalars, *gated)


@dataclass(frozen=True, eq=False)
class Readout:
    """sources: scalar blocks of the last layer's output, one after another the input of
    `dense`, which ends in one number."""

    sources: tuple[int, ...]
    dense: Dense


def _parity_after(activation: Activation, parity: int) -> int:
    # An odd function keeps the sign of an odd scalar, an even one loses it.
    return 1 if activation.kind == "abs" else parity


def require(condition: Any, message: str) -> None:
    """Raise InputError with `message` unless `condition` holds."""
    if not condition:
        raise InputError(f"not a valid network: {message}")


def _array(what: str, value: Any, shape: tuple[int | None, ...]) -> Array:
    array = np.array(value, dtype=np.float64)
    fits = array.ndim == len(shape) and all(
        n is None or n == m for n, m in zip(shape, array.shape, strict=False)
    )
    if not fits:
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise InputError(f"not a valid network: {what} has shape {array.shape}, not ({wanted})")
    if not np.isfinite(array).all():
        raise InputError(f"not a valid network: {what} holds numbers that are not finite")
    array.flags.writeable = False
    return array


def freeze(owner: Any, name: str, value: Any, shape: tuple[int | None, ...]) -> None:
    """Set `owner.name`, of a frozen dataclass, to a read-only copy of `value`: finite numbers of
    that shape (None: any length), else InputError."""
    object.__setattr__(owner, name, _array(name, value, shape))
