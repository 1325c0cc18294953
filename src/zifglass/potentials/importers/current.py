"""Models of current nequip (0.7 and later): from its modules, as records, to a `Network`.

The records come from `worker.py`, which alone imports nequip and torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError
from zifglass.potentials.network import Activation, Dense, Layer, Network, RadialBasis, Readout

from .archive import Record
from .e3nn import build_layer, gate_layout
from .species import atomic_numbers

Array = NDArray[np.float64]

_MODULES = (
    "NodeTypeEmbed", "SphericalHarmonicEdgeAttrs", "EdgeLengthNormalizer",
    "BesselEdgeLengthEncoding", "ApplyFactor", "ScalarMLP", "PerTypeScaleShift", "AtomwiseReduce",
)  # fmt: skip

_FUNCTIONS = {
    "silu": "silu", "SiLU": "silu", "tanh": "tanh", "Tanh": "tanh", "abs": "abs",
    "shifted_softplus": "ssp", "ShiftedSoftplus": "ssp", "ShiftedSoftPlus": "ssp",
    "Sigmoid": "sigmoid", "Softplus": "softplus", "Mish": "mish", "GELU": "gelu",
    "Identity": "identity",
}  # fmt: skip


def network_of(
    root: Record, type_names: Sequence[str], *, species: Sequence[str] | None, facts: dict[str, Any]
) -> Network:
    """The network of a ``GraphModel``. Raises InputError naming what cannot be represented."""
    parts, layers_of = _sequence(root)
    embed = parts["NodeTypeEmbed"]
    if embed["do_categorical_graph_field_embed"]:
        raise InputError(
            "this model embeds a property of the whole structure (categorical_graph_field_embed), "
            "which cannot be represented"
        )
    attributes = _double(embed["embed_module"]["weight"])
    basis, cutoff = _basis(parts)
    layers = tuple(_layer(module, attributes) for module in layers_of)
    last = layers[-1].irreps_out
    if len(last) != 1 or (last[0].l, last[0].parity) != (0, 1):
        raise InputError("the last layer of this model does not end in one block of even scalars")
    scales, shifts = _scale_shift(parts["PerTypeScaleShift"], len(type_names))
    _check(parts)
    return Network(
        species=atomic_numbers(type_names, species),
        cutoff=cutoff,
        basis=basis,
        embedding=attributes,
        layers=layers,
        readout=Readout((0,), _dense(parts["ScalarMLP"]["mlp_module"])),
        scales=scales,
        shifts=shifts,
        facts=facts,
    )


def _sequence(root: Record) -> tuple[dict[str, Record], list[Record]]:
    model = root["model"]
    if model.short != "ForceStressOutput":
        raise InputError(f"this model is a {model.short}, not an energy model with forces")
    parts: dict[str, Record] = {}
    layers: list[Record] = []
    for name, module in model["func"].attributes.items():
        if not isinstance(module, Record):
            continue
        if module.short == "ConvNetLayer":
            layers.append(module)
        elif module.short in _MODULES and module.short not in parts:
            parts[module.short] = module
        else:
            raise InputError(
                f"this model holds {name}, a {module.short}, which cannot be represented (a pair "
                "potential, an Allegro layer…)"
            )
    missing = [kind for kind in _MODULES if kind not in parts]
    if missing or not layers:
        raise InputError(f"this is no NequIP energy model: it has no {', '.join(missing)}")
    return parts, layers


def _check(parts: dict[str, Record]) -> None:
    harmonics = parts["SphericalHarmonicEdgeAttrs"]["sh"]
    if harmonics["normalization"] != "component" or not harmonics["normalize"]:
        raise InputError("the edge harmonics of this model are not normalised by 'component'")
    total = parts["AtomwiseReduce"]
    if total["reduce"] != "sum" or total["constant"] != 1.0:
        raise InputError("the total energy of this model is not the plain sum over its atoms")


def _basis(parts: dict[str, Record]) -> tuple[RadialBasis, float]:
    lengths, bessel = parts["EdgeLengthNormalizer"], parts["BesselEdgeLengthEncoding"]
    if lengths["_per_edge_type"]:
        raise InputError(
            "this model has a cutoff for each pair of species (per_edge_type_cutoff), which cannot "
            "be represented"
        )
    if bessel["cutoff"].short != "PolynomialCutoff":
        raise InputError(f"this model cuts off by {bessel['cutoff'].short}, not by a polynomial")
    if parts["ApplyFactor"]["in_field"] != bessel["edge_invariant_field"]:
        raise InputError("this model scales something else than its radial basis")
    cutoff = float(lengths["r_max"])
    # nequip: factor · w sinc(w r/rc) = factor · rc/π · sin(π w r/rc)/r.
    return (
        RadialBasis(
            math.pi * _double(bessel["bessel_weights"]).ravel(),
            float(parts["ApplyFactor"]["factor"]) * cutoff / math.pi,
            float(bessel["cutoff"]["p"]),
        ),
        cutoff,
    )


def _layer(module: Record, attributes: Array) -> Layer:
    gate, conv = module["equivariant_nonlin"], module["conv"]
    if gate.short != "Gate":
        raise InputError(
            f"the nonlinearity of this model is {gate.short}, not the gate, and cannot be "
            "represented"
        )
    acts_of = {name: gate[name] for name in ("act_scalars", "act_gates")}
    norm = _double(conv["avg_num_neighbors_norm"]["norm_const"]).ravel()
    return build_layer(
        Record(
            "InteractionBlock",
            {
                "linear_1": conv["linear_1"],
                "linear_2": conv["linear_2"],
                "tp": conv["tp_scatter"]["tp"],
                "sc": conv.get("sc"),
            },
        ),
        layout=gate_layout(
            acts_of["act_scalars"]["irreps_in"],
            acts_of["act_gates"]["irreps_in"],
            gate["mul"]["irreps_in1"],
            conv["linear_2"]["irreps_out"],
        ),
        scalar_activations=_activations(acts_of["act_scalars"]),
        gate_activations=_activations(acts_of["act_gates"]),
        radial=_dense(conv["edge_mlp"]),
        attributes=attributes,
        source_scale=np.broadcast_to(norm, (len(attributes),)),
        down_scale=1.0,
        residual=bool(module["resnet"]),
    )


def _activations(module: Record) -> list[Activation]:
    result = []
    for _, act in _numbered(module["acts"]):
        if act.short != "normalize2mom":
            raise InputError(f"this model uses {act.short} where an activation was expected")
        result.append(_activation(act["f"], 1.0 if act["_is_id"] else float(act["cst"])))
    return result


def _activation(function: Any, scale: float = 1.0) -> Activation:
    name = function.short if isinstance(function, Record) else str(function)
    if name not in _FUNCTIONS:
        raise InputError(f"the activation {name} of this model cannot be represented")
    if name == "GELU" and isinstance(function, Record) and function["approximate"] != "none":
        raise InputError("the approximate GELU of this model cannot be represented")
    return Activation(_FUNCTIONS[name], scale)


def _dense(module: Record) -> Dense:
    """A ``ScalarMLPFunction``: each weight comes with its own factor alpha."""
    mlp = module["mlp"]
    if mlp.short == "DeepLinearMLP":
        matrices = [_double(item) for _, item in _numbered(mlp["weights"])]
        matrices[0] = matrices[0] * float(mlp["alpha"])
        return Dense(tuple(matrices), Activation("identity"))
    matrices, activations = [], []
    for _, item in _numbered(mlp):
        if item.short != "ScalarLinearLayer":
            activations.append(_activation(item))
            continue
        if item.get("bias") is not None or "parametrizations" in item.attributes:
            raise InputError(
                "this model has perceptrons with biases or parametrised weights, which cannot be "
                "represented"
            )
        matrices.append(_double(item["weight"]) * float(item["alpha"]))
    if len(set(activations)) > 1 or len(activations) not in (0, len(matrices) - 1):
        raise InputError("a perceptron of this model has no one activation between its layers")
    return Dense(tuple(matrices), activations[0] if activations else Activation("identity"))


def _numbered(module: Record) -> list[tuple[int, Any]]:
    """The items of a list of modules or weights, in order."""
    items = [(int(key), item) for key, item in module.attributes.items() if key.isdigit()]
    return sorted(items, key=lambda pair: pair[0])


def _scale_shift(module: Record, species: int) -> tuple[Array, Array]:
    scales, shifts = np.ones(species), np.zeros(species)
    if module["has_scales"]:
        scales = np.broadcast_to(_double(module["scales"]).ravel(), (species,))
    if module["has_shifts"]:
        shifts = np.broadcast_to(_double(module["shifts"]).ravel(), (species,))
    return scales, shifts


def _double(array: Any) -> Array:
    return np.asarray(array, dtype=np.float64)
