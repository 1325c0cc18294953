"""The NequIP network as data: plain numbers, no code.

Every normalisation of the package it was trained with is folded into the matrices, so that
what is written here is all that has to be computed. For each directed edge i←j with
r = r_j − r_i (the neighbour seen from the centre), r = |r| < cutoff:

    B_k(r)  = prefactor · sin(w_k r/cutoff)/r · u_p(r/cutoff)                 radial basis
    Y_l(r)  = real spherical harmonics of r/|r|, `harmonics.py`               edge harmonics
    R(r)    = W_n f(… f(W_1 B))                                               radial network

For each layer, from features x (one array (atoms, mul, 2l+1) per block of `irreps_in`):

    h_b     = source_scale[species] · Σ x_a W_up                              linear up
    m_p,i   = Σ_j R_p(r_ij) · Σ_{m1 m2} C_{m1 m2 m} h_{b(p),j,m1} Y_{l(p),m2}  messages, "uvu"
    y_t     = Σ_p m_p W_down + Σ_a x_a W_self[species]                        linear down
    out     = [f_s(scalar_s)…, f_g(gate_g) · gated_g…] (+ x if residual)      gate

and at the end E_i = scale[species] · readout(x_i) + shift[species], E = Σ_i E_i. C is the real
Wigner 3j tensor of `wigner.py` (Frobenius norm 1). Linear maps act on channels alone:
y[n, v, m] = Σ_u x[n, u, m] W[u, v].
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError
from zifglass.core.structure import symbols_of

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
        _require(np.isfinite(self.scale), "the scale of an activation is a finite number")


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
        _freeze(self, "frequencies", self.frequencies, (None,))
        _require(
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
        _require(len(self.matrices) >= 1, "a perceptron has at least one matrix")
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
        _freeze(self, "source_scale", self.source_scale, (None,))
        self._check_paths()
        self._check_gate()
        species = len(self.source_scale)
        pre = self.irreps_pre
        self._check_linear("up", self.irreps_in, self.irreps_mid, ())
        self._check_linear("down", self.irreps_path, pre, ())
        self._check_linear("self_connection", self.irreps_in, pre, (species,))
        if self.residual:
            same = [(b.mul, b.l) for b in self.irreps_in] == [(b.mul, b.l) for b in self.irreps_out]
            _require(same, "a residual layer has the same blocks before and after")

    def _check_paths(self) -> None:
        for path in self.paths:
            _require(0 <= path.source < len(self.irreps_mid), "a path starts at a mid block")
            source = self.irreps_mid[path.source]
            _require(
                0 <= path.edge <= L_MAX
                and 0 <= path.l <= L_MAX
                and abs(source.l - path.edge) <= path.l <= source.l + path.edge
                and path.parity in (1, -1),
                f"no tensor-product path leads from order {source.l} and harmonics of order "
                f"{path.edge} to order {path.l}",
            )
            _require(
                path.slot >= 0 and path.slot + source.mul <= self.radial.outputs,
                "the radial network has too few outputs for its paths",
            )

    def _check_gate(self) -> None:
        _require(
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
            _require(
                0 <= item.source < len(before) and 0 <= item.target < len(after),
                f"a linear map of {name} leads from a block to a block",
            )
            a, b = before[item.source], after[item.target]
            _require(a.l == b.l, f"a linear map of {name} keeps the order: {a} is not {b}")
            _freeze(item, "weight", item.weight, (*leading, a.mul, b.mul))

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


@dataclass(frozen=True, eq=False)
class Network:
    """A whole network; see the module for what it computes.

    species: atomic numbers in the order of every (species, …) array. cutoff: Å. embedding
    (species, Σ mul of layers[0].irreps_in). scales, shifts (species,): eV. facts: plain JSON
    about it (origin, licence, training, agreement measured at import); no part of `sha256`.
    Raises InputError where the parts do not fit together.
    """

    species: tuple[int, ...]
    cutoff: float
    basis: RadialBasis
    embedding: Array
    layers: tuple[Layer, ...]
    readout: Readout
    scales: Array
    shifts: Array
    facts: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "species", tuple(int(z) for z in self.species))
        object.__setattr__(self, "layers", tuple(self.layers))
        n = len(self.species)
        _require(
            n >= 1 and len(set(self.species)) == n and all(1 <= z <= 118 for z in self.species),
            f"the species of a network are different atomic numbers; got {self.species}",
        )
        _require(
            np.isfinite(self.cutoff) and self.cutoff > 0,
            f"the cutoff is a positive distance; got {self.cutoff}",
        )
        _require(len(self.layers) >= 1, "a network has at least one layer")
        first = self.layers[0].irreps_in
        _require(all(b.l == 0 for b in first), "the first layer starts from scalars")
        _freeze(self, "embedding", self.embedding, (n, sum(b.mul for b in first)))
        _freeze(self, "scales", self.scales, (n,))
        _freeze(self, "shifts", self.shifts, (n,))
        for index, layer in enumerate(self.layers):
            _require(
                len(layer.source_scale) == n,
                f"layer {index} knows {len(layer.source_scale)} species, the network {n}",
            )
            _require(
                layer.radial.inputs == len(self.basis.frequencies),
                f"the radial network of layer {index} takes {layer.radial.inputs} numbers, the "
                f"basis has {len(self.basis.frequencies)}",
            )
            if index:
                before = [(b.mul, b.l) for b in self.layers[index - 1].irreps_out]
                _require(
                    before == [(b.mul, b.l) for b in layer.irreps_in],
                    f"layer {index} does not take what layer {index - 1} gives",
                )
        last = self.layers[-1].irreps_out
        sources = self.readout.sources
        _require(
            all(0 <= s < len(last) and last[s].l == 0 for s in sources)
            and sum(last[s].mul for s in sources) == self.readout.dense.inputs
            and self.readout.dense.outputs == 1,
            "the readout takes scalar blocks of the last layer and gives one number",
        )

    def __repr__(self) -> str:
        hidden = " + ".join(str(b) for b in max((x.irreps_out for x in self.layers), key=len))
        return (
            f"Network({' '.join(symbols_of(self.species))}, cutoff {self.cutoff:g} Å, "
            f"{len(self.layers)} layers of {hidden}, {self.parameters} numbers)"
        )

    @cached_property
    def l_max(self) -> int:
        """Highest order of the edge harmonics used."""
        return max((path.edge for layer in self.layers for path in layer.paths), default=0)

    @cached_property
    def parameters(self) -> int:
        """How many numbers its arrays hold (more than were trained: self-connections repeat)."""
        return sum(array.size for _, array in self.arrays())

    @cached_property
    def sha256(self) -> str:
        """The SHA-256 of all that is computed with: structure and numbers, not `facts`."""
        from .file import digest

        return digest(self)

    def arrays(self) -> Iterator[tuple[str, Array]]:
        """Every array with its name in the file, in a fixed order."""
        yield "basis.frequencies", self.basis.frequencies
        yield "embedding", self.embedding
        for i, layer in enumerate(self.layers):
            yield f"layers.{i}.source_scale", layer.source_scale
            for name in ("up", "down", "self_connection"):
                for k, item in enumerate(getattr(layer, name)):
                    yield f"layers.{i}.{name}.{k}", item.weight
            for k, matrix in enumerate(layer.radial.matrices):
                yield f"layers.{i}.radial.{k}", matrix
        for k, matrix in enumerate(self.readout.dense.matrices):
            yield f"readout.{k}", matrix
        yield "scales", self.scales
        yield "shifts", self.shifts


def _parity_after(activation: Activation, parity: int) -> int:
    # An odd function keeps the sign of an odd scalar, an even one loses it.
    return 1 if activation.kind == "abs" else parity


def _require(condition: Any, message: str) -> None:
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


def _freeze(owner: Any, name: str, value: Any, shape: tuple[int | None, ...]) -> None:
    object.__setattr__(owner, name, _array(name, value, shape))
