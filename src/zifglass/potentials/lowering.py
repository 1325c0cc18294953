"""From a `Network` to what the compiled engine runs: blocks that reach the energy, nothing else,
and radial networks as spline tables."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_banded

from .guard import CLOSEST
from .network import Activation, Block, Dense, Layer, Network, RadialBasis

Array = NDArray[np.float64]

RADIAL_STEP = {"float32": 1 / 80, "float64": 1 / 640}
"""Å between the knots of the radial splines. The error of a weight falls with the fourth power
of the step, that of its slope with the third. For the published network in float32: 2e-7 of the
largest weight, 1e-5 of the largest slope."""


def lower(network: Network, *, dtype: Literal["float32", "float64"]) -> dict[str, Any]:
    """The description that ``_native.Engine`` takes."""
    intervals = math.ceil((network.cutoff - CLOSEST) / RADIAL_STEP[dtype])
    # Features that no energy depends on are never computed: from the readout backwards.
    live = set(network.readout.sources)
    layers: list[dict[str, Any]] = []
    outputs: list[int] = []
    for index in reversed(range(len(network.layers))):
        layer = network.layers[index]
        outputs = outputs or sorted(live)
        tables = radial_splines(network, layer.radial, start=CLOSEST, intervals=intervals)
        lowered, live = _lower_layer(layer, set(live), tables, keep_inputs=index == 0)
        layers.insert(0, lowered)
    readout = network.readout
    return {
        "n_species": len(network.species),
        "cutoff": network.cutoff,
        "grid_start": CLOSEST,
        "grid_step": (network.cutoff - CLOSEST) / intervals,
        "embedding": network.embedding,
        "layers": layers,
        "readout_sources": [outputs.index(s) for s in readout.sources],
        "readout": [np.ascontiguousarray(m) for m in readout.dense.matrices],
        "readout_kind": Activation.KINDS.index(readout.dense.activation.kind),
        "readout_scale": readout.dense.activation.scale,
        "scales": network.scales,
        "shifts": network.shifts,
    }


def _lower_layer(
    layer: Layer, live: set[int], tables: Array, *, keep_inputs: bool
) -> tuple[dict[str, Any], set[int]]:
    """The layer reduced to what its output blocks `live` need, and the inputs that takes."""
    n_scalars, n_gates = len(layer.scalars), len(layer.gates)
    scalars = [i for i in range(n_scalars) if i in live]
    gated = [i for i in range(n_gates) if n_scalars + i in live]
    pre = _Renumbered(
        [*scalars, *(n_scalars + i for i in gated), *(n_scalars + n_gates + i for i in gated)]
    )
    out = _Renumbered(sorted(live))
    paths = _Renumbered(sorted({m.source for m in layer.down if m.target in pre}))
    mid = _Renumbered(sorted({layer.paths[p].source for p in paths}))
    inputs = {m.source for m in layer.up if m.target in mid}
    inputs |= {m.source for m in layer.self_connection if m.target in pre}
    if layer.residual:
        inputs |= live
    if keep_inputs:
        inputs = set(range(len(layer.irreps_in)))
    into = _Renumbered(sorted(inputs))
    lowered = {
        "in": _shapes(layer.irreps_in, into),
        "mid": _shapes(layer.irreps_mid, mid),
        "message": _shapes(layer.irreps_path, paths),
        "pre": _shapes(layer.irreps_pre, pre),
        "out": _shapes(layer.irreps_out, out),
        "up": _maps(layer.up, into, mid),
        "down": _maps(layer.down, paths, pre),
        "self": _maps(layer.self_connection, into, pre),
        "source_scale": layer.source_scale,
        "paths": _paths(layer, paths, mid, tables),
        "gates": _gates(layer, scalars, gated, pre, out),
        "residuals": [(into[b], out[b]) for b in sorted(live)] if layer.residual else [],
    }
    return lowered, inputs


class _Renumbered:
    """Old numbers → 0, 1, 2… of those that are kept."""

    def __init__(self, kept: list[int]) -> None:
        self.kept = kept
        self._new = {old: new for new, old in enumerate(kept)}

    def __contains__(self, old: int) -> bool:
        return old in self._new

    def __getitem__(self, old: int) -> int:
        return self._new[old]

    def __iter__(self) -> Any:
        return iter(self.kept)


def _shapes(blocks: tuple[Block, ...], kept: _Renumbered) -> list[tuple[int, int]]:
    return [(blocks[i].mul, blocks[i].l) for i in kept]


def _maps(maps: Any, before: _Renumbered, after: _Renumbered) -> list[tuple[int, int, Array]]:
    return [
        (before[m.source], after[m.target], np.ascontiguousarray(m.weight))
        for m in maps
        if m.source in before and m.target in after
    ]


def _paths(
    layer: Layer, paths: _Renumbered, mid: _Renumbered, tables: Array
) -> list[tuple[int, int, int, Array]]:
    result = []
    for p in paths:
        path = layer.paths[p]
        channels = slice(path.slot, path.slot + layer.irreps_mid[path.source].mul)
        table = np.ascontiguousarray(tables[:, channels])
        result.append((mid[path.source], path.edge, paths[p], table))
    return result


def _gates(
    layer: Layer, scalars: list[int], gated: list[int], pre: _Renumbered, out: _Renumbered
) -> list[tuple[int, int, int, int, float]]:
    n_scalars, n_gates = len(layer.scalars), len(layer.gates)
    result = []
    for i in scalars:
        kind = layer.scalar_activations[i]
        result.append((pre[i], -1, out[i], Activation.KINDS.index(kind.kind), kind.scale))
    for i in gated:
        kind = layer.gate_activations[i]
        gate, feature = pre[n_scalars + i], pre[n_scalars + n_gates + i]
        target = out[n_scalars + i]
        result.append((gate, feature, target, Activation.KINDS.index(kind.kind), kind.scale))
    return result


def radial_splines(network: Network, radial: Dense, *, start: float, intervals: int) -> Array:
    """Coefficients (intervals + 3, weights) of the cubic B-splines on a uniform grid from `start`
    to the cutoff that interpolate the radial network, with its exact slopes at both ends."""
    r, step = np.linspace(start, network.cutoff, intervals + 1, retstep=True)
    values, slopes = radial_weights(network.basis, radial, r, network.cutoff)
    n = intervals + 3
    bands = np.zeros((5, n))  # solve_banded's layout: row 2 is the diagonal
    bands[3, :-2], bands[2, 1:-1], bands[1, 2:] = 1 / 6, 4 / 6, 1 / 6
    bands[2, 0], bands[0, 2] = -0.5 / step, 0.5 / step
    bands[4, -3], bands[2, -1] = -0.5 / step, 0.5 / step
    right = np.concatenate([slopes[:1], values, slopes[-1:]])
    return np.asarray(solve_banded((2, 2), bands, right))


def radial_weights(
    basis: RadialBasis, radial: Dense, r: Array, cutoff: float
) -> tuple[Array, Array]:
    """The radial network at distances r (n,), Å: weights (n, outputs) and their slopes d/dr."""
    x = (r / cutoff)[:, None]
    p = basis.p
    a, b, c = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
    envelope = 1 - a * x**p + b * x ** (p + 1) - c * x ** (p + 2)
    fall = (-a * p * x ** (p - 1) + b * (p + 1) * x**p - c * (p + 2) * x ** (p + 1)) / cutoff
    k = basis.frequencies / cutoff
    distance = r[:, None]
    wave = basis.prefactor * np.sin(k * distance) / distance
    turn = (basis.prefactor * k * np.cos(k * distance) - wave) / distance
    value, slope = wave * envelope, turn * envelope + wave * fall
    for index, matrix in enumerate(radial.matrices):
        if index:
            value, derivative = _activate(radial.activation, value)
            slope = derivative * slope
        value, slope = value @ matrix, slope @ matrix
    return value, slope


def _activate(activation: Activation, x: Array) -> tuple[Array, Array]:
    """scale · f(x) and its derivative."""
    sigmoid, soft = 0.5 * (1 + np.tanh(0.5 * x)), np.logaddexp(0.0, x)
    one = np.ones_like(x)
    match activation.kind:
        case "identity":
            y, d = x, one
        case "silu":
            y, d = x * sigmoid, sigmoid * (1 + x * (1 - sigmoid))
        case "tanh":
            y, d = np.tanh(x), 1 - np.tanh(x) ** 2
        case "abs":
            y, d = np.abs(x), np.sign(x)
        case "ssp":
            y, d = soft - np.log(2.0), sigmoid
        case "sigmoid":
            y, d = sigmoid, sigmoid * (1 - sigmoid)
        case "softplus":
            y, d = soft, sigmoid
        case "mish":
            t = np.tanh(soft)
            y, d = x * t, t + x * (1 - t**2) * sigmoid
        case _:
            from scipy.special import ndtr

            density = np.exp(-0.5 * x**2) / math.sqrt(2 * math.pi)
            y, d = x * ndtr(x), ndtr(x) + x * density
    return activation.scale * y, activation.scale * d
