"""From e3nn's modules to plain matrices: every normalisation folded.

A module is a `Record` of what e3nn stores: irreps as ((mul, (l, p)), …), the instructions of a
product with the coefficient of each, the flat weights. Where two neighbouring blocks of the
same kind were merged (e3nn's ``simplify``), the columns of the merged block are told apart
again here, so that each path, each gate and each gated block has a matrix of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError
from zifglass.potentials.network import (
    L_MAX,
    Activation,
    Block,
    Dense,
    Layer,
    Linear,
    Path,
    wigner_3j,
)

from .archive import Record

Array = NDArray[np.float64]
Irreps = Sequence[tuple[int, tuple[int, int]]]


def blocks_of(irreps: Irreps, what: str) -> tuple[Block, ...]:
    """Irreps as blocks; refuses orders beyond 3 by name."""
    for mul, (order, _) in irreps:
        if order > L_MAX:
            raise InputError(
                f"{what} has {mul} channels of order l = {order}; networks up to l = {L_MAX} can "
                "be represented"
            )
    return tuple(Block(int(mul), int(order), int(p)) for mul, (order, p) in irreps)


def linear_weights(linear: Record) -> dict[tuple[int, int], Array]:
    """{(in block, out block): W (mul_in, mul_out)} of an ``o3.Linear``, path weights folded."""
    if linear["bias_numel"]:
        raise InputError("this model has linear maps with biases, which cannot be represented")
    flat = np.asarray(linear["weight"], dtype=np.float64).ravel()
    result: dict[tuple[int, int], Array] = {}
    offset = 0
    for source, target, shape, coefficient in linear["instructions"]:
        if source == -1:
            raise InputError("this model has linear maps with biases, which cannot be represented")
        matrix, offset = _take(flat, offset, tuple(shape))
        _add(result, (source, target), matrix * coefficient)
    _all_used(flat, offset, linear)
    return result


def self_weights(product: Record, attributes: Array) -> dict[tuple[int, int], Array]:
    """{(in block, out block): W (species, mul_in, mul_out)} of a ``FullyConnectedTensorProduct``
    of features with per-species scalars `attributes` (species, n)."""
    flat = np.asarray(product["weight"], dtype=np.float64).ravel()
    first = product["irreps_in1"]
    columns = np.cumsum([0] + [mul for mul, _ in product["irreps_in2"]])
    result: dict[tuple[int, int], Array] = {}
    offset = 0
    for one, two, out, mode, _, coefficient, shape in product["instructions"]:
        if mode != "uvw" or product["irreps_in2"][two][1][0] != 0:
            raise InputError("the self-connection of this model is not a product with scalars")
        tensor, offset = _take(flat, offset, tuple(shape))
        scalars = attributes[:, columns[two] : columns[two + 1]]
        # C of (l, 0, l) is the unit matrix over √(2l+1).
        order = first[one][1][0]
        matrix = np.einsum("sv,uvw->suw", scalars, tensor)
        _add(result, (one, out), matrix * coefficient / math.sqrt(2 * order + 1))
    _all_used(flat, offset, product)
    return result


@dataclass(frozen=True)
class Paths:
    """blocks: where in the merged output each path's channels start, (merged block, row)."""

    paths: tuple[Path, ...]
    coefficients: Array
    rows: tuple[tuple[int, int], ...]


def tensor_paths(product: Record, merged: Irreps) -> Paths:
    """The paths of a 'uvu' ``TensorProduct`` whose sorted output was merged into `merged`.

    coefficients (radial outputs,) belong into the columns of the last radial matrix.
    """
    out = product["irreps_out"]
    where = _merged_positions(out, merged)
    paths, rows, coefficients = [], [], []
    slot = 0
    for source, edge, target, mode, weighted, coefficient, _ in product["instructions"]:
        mul, (order_in, _) = product["irreps_in1"][source]
        edge_mul, (edge_order, _) = product["irreps_in2"][edge]
        if mode != "uvu" or not weighted or edge_mul != 1:
            raise InputError(
                f"a tensor product of this model works in mode {mode!r} on {edge_mul} edge "
                "channels; 'uvu' on one can be represented"
            )
        order, parity = out[target][1]
        if max(order_in, edge_order, order) > L_MAX:
            raise InputError(
                f"a tensor product of this model couples orders {order_in}, {edge_order}, {order}; "
                f"orders up to {L_MAX} can be represented"
            )
        paths.append(Path(int(source), int(edge_order), int(order), int(parity), slot))
        rows.append(where[target])
        coefficients.append(np.full(mul, float(coefficient)))
        slot += mul
    _check_wigner(product)
    return Paths(tuple(paths), np.concatenate([*coefficients, np.zeros(0)]), tuple(rows))


def _check_wigner(product: Record) -> None:
    """The tensors that the model carries must be ours: their signs are a convention."""
    compiled = product.get("_compiled_main_left_right")
    if not isinstance(compiled, Record):
        return
    for name, theirs in compiled.attributes.items():
        if name.startswith("_w3j_") and isinstance(theirs, np.ndarray):
            orders = [int(part) for part in name.removeprefix("_w3j_").split("_")]
            if np.abs(theirs - wigner_3j(*orders)).max() > 1e-5:
                raise InputError(
                    f"the Wigner 3j tensor {orders} of this model follows another sign convention"
                )


@dataclass(frozen=True)
class GateLayout:
    """The pre-gate blocks (scalars, gates, gated) and where each starts in the merged input:
    (merged block, first column)."""

    scalars: tuple[Block, ...]
    gates: tuple[Block, ...]
    gated: tuple[Block, ...]
    columns: tuple[tuple[int, int], ...]


def gate_layout(scalars: Irreps, gates: Irreps, gated: Irreps, merged: Irreps) -> GateLayout:
    """Invert the sorting and merging of e3nn's ``Gate``: its parts as given to it, unmerged.

    `merged` are the gate's own sorted and merged input irreps.
    """
    parts = [item for part in (scalars, gates, gated) for item in _simplified(part)]
    order = sorted(range(len(parts)), key=lambda i: (parts[i][1], i))
    if _simplified([parts[i] for i in order]) != _simplified(merged):
        raise InputError("the gate of this model does not take the blocks that were expected")
    positions = _merged_positions([parts[i] for i in order], merged)
    start = {i: positions[rank] for rank, i in enumerate(order)}
    columns: list[tuple[int, int]] = []
    offset = 0
    for part in (scalars, gates, gated):
        simple = _simplified(part)
        for block, row in _merged_positions(part, simple):
            target, column = start[offset + block]
            columns.append((target, column + row))
        offset += len(simple)
    return GateLayout(
        blocks_of(scalars, "the gate"),
        blocks_of(gates, "the gate"),
        blocks_of(gated, "the gate"),
        tuple(columns),
    )


def build_layer(
    interaction: Record,
    *,
    layout: GateLayout,
    scalar_activations: Sequence[Activation],
    gate_activations: Sequence[Activation],
    radial: Dense,
    attributes: Array,
    source_scale: Array,
    down_scale: float,
    residual: bool,
) -> Layer:
    """One layer from ``linear_1``, ``tp``, ``linear_2`` and ``sc`` of `interaction`.

    attributes (species, n): what the self-connection multiplies with. source_scale
    (species,) and down_scale: the normalisation by the number of neighbours.
    """
    up, down = interaction["linear_1"], interaction["linear_2"]
    product = interaction["tp"]
    irreps_in = blocks_of(up["irreps_in"], "the features")
    paths = tensor_paths(product, down["irreps_in"])
    matrices = list(radial.matrices)
    matrices[-1] = matrices[-1] * paths.coefficients
    pre = layout.scalars + layout.gates + layout.gated
    down_weights = linear_weights(down)
    linear_down = []
    for index, ((block, row), path) in enumerate(zip(paths.rows, paths.paths, strict=True)):
        mul = irreps_in[path.source].mul
        for target, (out, column) in enumerate(layout.columns):
            if (block, out) in down_weights:
                whole = down_weights[block, out]
                part = whole[row : row + mul, column : column + pre[target].mul]
                linear_down.append(Linear(index, target, part * down_scale))
    connection = interaction.get("sc")
    self_connection = []
    if isinstance(connection, Record):
        for (source, out), whole in self_weights(connection, attributes).items():
            for target, (block, column) in enumerate(layout.columns):
                if block == out:
                    part = whole[:, :, column : column + pre[target].mul]
                    self_connection.append(Linear(source, target, part))
    return Layer(
        irreps_in=irreps_in,
        irreps_mid=blocks_of(up["irreps_out"], "the features"),
        up=tuple(Linear(a, b, w) for (a, b), w in linear_weights(up).items()),
        source_scale=source_scale,
        paths=paths.paths,
        radial=Dense(tuple(matrices), radial.activation),
        down=tuple(linear_down),
        self_connection=tuple(self_connection),
        scalars=layout.scalars,
        scalar_activations=tuple(scalar_activations),
        gates=layout.gates,
        gate_activations=tuple(gate_activations),
        gated=layout.gated,
        residual=residual,
    )


def _simplified(irreps: Irreps) -> list[tuple[int, tuple[int, int]]]:
    result: list[tuple[int, tuple[int, int]]] = []
    for mul, (order, parity) in irreps:
        if result and result[-1][1] == (order, parity):
            result[-1] = (result[-1][0] + mul, (order, parity))
        elif mul:
            result.append((mul, (order, parity)))
    return result


def _merged_positions(irreps: Irreps, merged: Irreps) -> list[tuple[int, int]]:
    """(merged block, first channel in it) of each of `irreps`, given in the same order."""
    if _simplified(irreps) != _simplified(merged):
        raise InputError("two parts of this model do not agree about the blocks between them")
    simple = _simplified(merged)
    positions, block, row = [], 0, 0
    for mul, _ in irreps:
        while block < len(simple) and row == simple[block][0]:
            block, row = block + 1, 0
        positions.append((block, row))
        row += mul
    return positions


def _take(flat: Array, offset: int, shape: tuple[int, ...]) -> tuple[Array, int]:
    end = offset + math.prod(shape)
    if end > len(flat):
        raise InputError("a weight of this model is shorter than its instructions say")
    return flat[offset:end].reshape(shape), end


def _add(result: dict[tuple[int, int], Array], key: tuple[int, int], matrix: Array) -> None:
    result[key] = result[key] + matrix if key in result else matrix


def _all_used(flat: Array, offset: int, module: Record) -> None:
    if offset != len(flat):
        raise InputError(
            f"{module.short} has {len(flat)} weights where its instructions use {offset}"
        )
