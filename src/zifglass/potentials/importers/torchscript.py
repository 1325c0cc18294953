"""Deployed models of nequip 0.5 and 0.6 (``nequip-deploy build``), read without torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError
from zifglass.potentials.network import Activation, Dense, Layer, Network, RadialBasis, Readout

from .archive import Archive, Record, read_archive
from .config import training_facts
from .e3nn import blocks_of, build_layer, gate_layout, linear_weights
from .species import atomic_numbers

Array = NDArray[np.float64]

_WRAPPERS = {
    "RescaleOutput": "model",
    "GraphModel": "model",
    "StressOutput": "func",
    "GradientOutput": "func",
    "PartialForceOutput": "func",
}


def read_torchscript(path: str | Path, *, species: Sequence[str] | None = None) -> Network:
    """The network of a deployed model. species: element symbols in the order of the model's
    types, needed only where its type names are not element symbols.

    Raises InputError naming what cannot be represented exactly.
    """
    archive = read_archive(path)
    try:
        return _Reader(archive).network(species)
    except InputError as error:
        raise InputError(error.message, path) from error
    except (
        KeyError, IndexError, ValueError, TypeError, AttributeError, OverflowError, MemoryError,
    ) as error:  # fmt: skip
        raise InputError(
            f"this model is damaged or of an unknown kind ({type(error).__name__}: {error})", path
        ) from error


class _Reader:
    def __init__(self, archive: Archive) -> None:
        self.archive = archive
        self.factor = 1.0
        self.modules = self._unwrap(archive.root)

    def _unwrap(self, module: Record) -> dict[str, Record]:
        while module.short != "SequentialGraphNetwork":
            if module.short not in _WRAPPERS:
                raise InputError(
                    f"this model holds a {module.name}, which is no part of a NequIP energy model "
                    "of nequip 0.5 or 0.6"
                )
            if module.short == "RescaleOutput":
                self._rescale(module)
            module = module[_WRAPPERS[module.short]]
        return {k: v for k, v in module.attributes.items() if isinstance(v, Record)}

    def _rescale(self, module: Record) -> None:
        if module["has_shift"] and np.any(module["shift_by"] != 0.0):
            raise InputError(
                "this model adds a constant to the total energy (global_rescale_shift); only "
                "energies that are sums over atoms can be represented"
            )
        if module["has_scale"]:
            if "total_energy" not in module["scale_keys"]:
                raise InputError("this model rescales something else than the total energy")
            self.factor *= float(module["scale_by"])

    def network(self, species: Sequence[str] | None) -> Network:
        """Walk the sequence; a module of an unknown kind is refused by name."""
        layers: list[Layer] = []
        readout: list[Record] = []
        found: dict[str, Record] = {}
        for name, module in self.modules.items():
            kind = module.short
            if kind == "ConvNetLayer":
                layers.append(self._layer(module, found))
            elif kind == "AtomwiseLinear" and "AtomwiseLinear" in found:
                readout.append(module["linear"])
            elif kind in _KNOWN and kind not in found:
                found[kind] = module
            else:
                raise InputError(
                    f"this model holds {name}, a {module.name}, which cannot be represented"
                )
        missing = [kind for kind in _KNOWN if kind not in found and kind not in _OPTIONAL]
        if missing or not layers or not readout:
            raise InputError(f"this model has no {', '.join(missing or ['layers and readout'])}")
        names = self._type_names(found)
        scales, shifts = self._scale_shift(found.get("PerSpeciesScaleShift"), len(names))
        self._check_sum(found["AtomwiseReduce"])
        basis, cutoff = self._basis(found["RadialBasisEdgeEncoding"])
        return Network(
            species=atomic_numbers(names, species),
            cutoff=cutoff,
            basis=basis,
            embedding=self._embedding(found),
            layers=tuple(layers),
            readout=self._readout(readout, layers[-1]),
            scales=scales,
            shifts=shifts,
            facts={
                "source": {
                    "kind": "TorchScript deployed by nequip",
                    "nequip": self.archive.extra.get("nequip_version", ""),
                    "e3nn": self.archive.extra.get("e3nn_version", ""),
                    "torch": self.archive.extra.get("torch_version", ""),
                    "dtype": self._dtype(),
                },
                "training": training_facts(self.archive.extra.get("config", "")),
            },
        )

    def _dtype(self) -> str:
        weight = next(m for m in self.modules.values() if m.short == "AtomwiseLinear")
        return str(weight["linear"]["weight"].dtype)

    def _type_names(self, found: dict[str, Record]) -> list[str]:
        names = self.archive.extra.get("type_names", "").split()
        count = found["OneHotAtomEncoding"]["num_types"]
        if len(names) != count:
            raise InputError(f"this model has {count} species but names {len(names)}: {names}")
        inside = found.get("PerSpeciesScaleShift")
        if inside is not None and inside.get("type_names", names) != names:
            raise InputError(
                f"this model names its species twice, and differently: {names} and "
                f"{inside['type_names']}"
            )
        return names

    def _basis(self, module: Record) -> tuple[RadialBasis, float]:
        basis, cutoff = module["basis"], module["cutoff"]
        if basis.short != "BesselBasis" or cutoff.short != "PolynomialCutoff":
            raise InputError(
                f"this model expands distances in {basis.short} with {cutoff.short}; Bessel "
                "functions with a polynomial cutoff can be represented"
            )
        r_max = float(basis["r_max"])
        if abs(float(cutoff["_factor"]) * r_max - 1.0) > 1e-12:
            raise InputError("the radial basis and the cutoff function of this model end apart")
        return (
            RadialBasis(basis["bessel_weights"], float(basis["prefactor"]), float(cutoff["p"])),
            r_max,
        )

    def _embedding(self, found: dict[str, Record]) -> Array:
        harmonics = found["SphericalHarmonicEdgeAttrs"]["sh"]
        if harmonics["normalization"] != "component" or not harmonics["normalize"]:
            raise InputError(
                "the edge harmonics of this model are not normalised by 'component', which cannot "
                "be represented"
            )
        if not found["OneHotAtomEncoding"]["set_features"]:
            raise InputError("the features of this model do not start from its species")
        linear = found["AtomwiseLinear"]["linear"]
        out = blocks_of(linear["irreps_out"], "the species embedding")
        weights = linear_weights(linear)
        species = found["OneHotAtomEncoding"]["num_types"]
        # One-hot rows pick rows of W; blocks that no weight reaches (odd scalars) stay zero.
        return np.concatenate(
            [weights.get((0, i), np.zeros((species, block.mul))) for i, block in enumerate(out)],
            axis=1,
        )

    def _layer(self, module: Record, found: dict[str, Record]) -> Layer:
        gate, interaction = module["equivariant_nonlin"], module["conv"]
        if gate.short != "Gate":
            raise InputError(
                f"the nonlinearity of this model is {gate.short}, not the gate, and cannot be "
                "represented"
            )
        species = found["OneHotAtomEncoding"]["num_types"]
        product = gate["mul"]
        gated, gates = product["irreps_in1"], product["irreps_in2"]
        scalars = gate["_irreps_out"][: len(gate["_irreps_out"]) - len(product["irreps_out"])]
        layout = gate_layout(
            _same_muls(scalars, gate["irreps_scalars"]),
            _same_muls(gates, gate["irreps_gates"]),
            gated,
            interaction["linear_2"]["irreps_out"],
        )
        neighbors = interaction.get("avg_num_neighbors")
        return build_layer(
            interaction,
            layout=layout,
            scalar_activations=self._activations(gate["act_scalars"]),
            gate_activations=_for_each(self._activations(gate["act_gates"]), len(gates)),
            radial=self._radial(interaction["fc"]),
            attributes=np.eye(species),
            source_scale=np.ones(species),
            down_scale=1.0 if neighbors is None else float(neighbors) ** -0.5,
            residual=bool(module["resnet"]),
        )

    def _radial(self, module: Record) -> Dense:
        matrices: list[Array] = []
        activations: list[Activation] = []
        for index in range(len(module["hs"]) - 1):
            layer = module[f"layer{index}"]
            scale = (layer["h_in"] * layer["var_in"]) ** -0.5 * layer["var_out"] ** 0.5
            act = layer["act"]
            if act is not None:
                if layer["var_out"] != 1.0:
                    raise InputError("a radial network of this model rescales its variance")
                activations.append(self._activation(act))
            matrices.append(np.asarray(layer["weight"], dtype=np.float64) * scale)
        if len(activations) != len(matrices) - 1 or len(set(activations)) > 1:
            raise InputError(
                "a radial network of this model has no one activation between its layers"
            )
        return Dense(tuple(matrices), activations[0] if activations else Activation("identity"))

    def _activations(self, module: Record) -> list[Activation]:
        acts = module["acts"].attributes
        return [
            self._activation(acts[key]) for key in sorted((k for k in acts if k.isdigit()), key=int)
        ]

    def _activation(self, module: Record) -> Activation:
        """A traced ``normalize2mom``: the function and its constant stand in its source."""
        if module.short != "normalize2mom":
            raise InputError(f"this model uses {module.name} where an activation was expected")
        source = self.archive.code.get(module.kind.rpartition(".")[0].replace(".", "/") + ".py", "")
        body = re.search(
            r"class normalize2mom\(Module\):.*?def forward\(.*?-> Tensor:\n(.*?)(?=\nclass |\Z)",
            source,
            re.DOTALL,
        )
        text = " ".join(body.group(1).split()) if body else ""
        for kind, pattern in _ACTIVATIONS.items():
            match = re.fullmatch(pattern, text)
            if match:
                return Activation(kind, self._constant(match.groupdict().get("c")))
        raise InputError(f"an activation of this model cannot be represented: {text!r}")

    def _constant(self, text: str | None) -> float:
        if text is None:
            return 1.0
        if text.startswith("CONSTANTS.c"):
            return float(self.archive.constants[int(text.removeprefix("CONSTANTS.c"))])
        return float(text)

    def _readout(self, linears: list[Record], last: Layer) -> Readout:
        """Linear maps one after another; only even scalars reach an energy."""
        sources: tuple[int, ...] | None = None
        matrices: list[Array] = []
        kept: list[int] | None = None
        for linear in linears:
            before = blocks_of(linear["irreps_in"], "the readout")
            after = blocks_of(linear["irreps_out"], "the readout")
            weights = linear_weights(linear)
            rows = [
                i for i, b in enumerate(before) if (b.l, b.parity) == (0, 1)
                and (kept is None or i in kept)
            ]  # fmt: skip
            columns = [i for i, b in enumerate(after) if (b.l, b.parity) == (0, 1)]
            sources = tuple(rows) if sources is None else sources
            matrices.append(
                np.block(
                    [
                        [
                            weights.get((r, c), np.zeros((before[r].mul, after[c].mul)))
                            for c in columns
                        ]
                        for r in rows
                    ]
                )
            )
            kept = columns
        return Readout(sources or (), Dense(tuple(matrices), Activation("identity")))

    def _scale_shift(self, module: Record | None, species: int) -> tuple[Array, Array]:
        scales, shifts = np.ones(species), np.zeros(species)
        if module is not None:
            if module["has_scales"]:
                scales = np.asarray(module["scales"], dtype=np.float64).ravel()
            if module["has_shifts"]:
                shifts = np.asarray(module["shifts"], dtype=np.float64).ravel()
        return scales * self.factor, shifts * self.factor

    @staticmethod
    def _check_sum(module: Record) -> None:
        if module["reduce"] != "sum" or module["constant"] != 1.0:
            raise InputError(
                "the total energy of this model is not the plain sum over its atoms "
                f"({module['reduce']}, factor {module['constant']}), which cannot be represented"
            )


_KNOWN = (
    "OneHotAtomEncoding", "SphericalHarmonicEdgeAttrs", "RadialBasisEdgeEncoding",
    "AtomwiseLinear", "PerSpeciesScaleShift", "AtomwiseReduce",
)  # fmt: skip
_OPTIONAL = ("PerSpeciesScaleShift",)

_NUMBER = r"(?P<c>CONSTANTS\.c\d+|[-+0-9.e]+)"
_RETURN = r"(?:_\d+ = )?{}(?: return _\d+)?"
_ACTIVATIONS = {
    kind: _RETURN.format(rf"(?:return )?torch\.mul\(torch\.{function}\(x\), {_NUMBER}\)")
    for kind, function in (("silu", "silu"), ("tanh", "tanh"), ("abs", "abs"))
} | {
    "ssp": r"(_\d+) = __torch__\.nequip\.nn\.nonlinearities\.ShiftedSoftPlus "
    + rf"(?:return |_\d+ = )torch\.mul\(\1\(x, \), {_NUMBER}\)(?: return _\d+)?"
}


def _for_each(activations: list[Activation], blocks: int) -> list[Activation]:
    """One activation for each gate block; e3nn merges equal neighbours, and nequip gives all
    gates of a layer the same function."""
    if blocks and len(activations) != blocks and len(set(activations)) == 1:
        return activations[:1] * blocks
    return activations if blocks else []


def _same_muls(irreps: Any, before: Any) -> list[tuple[int, tuple[int, int]]]:
    """`irreps` (after an activation, which may turn parities) with the parities of `before`,
    the same channels merged."""
    parities = [p for mul, (_, p) in before for _ in range(mul)]
    result, start = [], 0
    for mul, (order, _) in irreps:
        inside = set(parities[start : start + mul])
        if len(inside) != 1:
            raise InputError("the gate of this model mixes parities in one activation")
        result.append((mul, (order, inside.pop())))
        start += mul
    return result
