"""The tensor products of one layer as an operation that torch differentiates once.

The kernels are the extension's (`cpp/product_kernels.cpp`); channels come in multiples of 16.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from zifglass import _native
from zifglass.core import InputError
from zifglass.potentials.network import Layer

LANES = 16
"""Channels of every block are a multiple of this: the widest vector of a processor."""


@dataclass(frozen=True)
class Grid:
    """Knots of the radial tables: knot k at start + k · step, Å."""

    start: float
    step: float
    knots: int


@dataclass(frozen=True)
class ProductPlan:
    """Where everything lies. paths: (l1, l2, l3, channels, x, x_stride, message, message_stride,
    weight), offsets in floats. orders: order → (offset, channels) of its messages, kept as
    (atoms, 2l+1, channels). width: floats of an atom's messages."""

    paths: tuple[tuple[int, ...], ...]
    orders: dict[int, tuple[int, int]]
    width: int
    grid: Grid


def plan_of(layer: Layer, grid: Grid) -> ProductPlan:
    """Messages of equal order side by side, so that one product of matrices mixes them.

    Raises InputError for orders above 2 and channels that are no multiple of LANES.
    """
    orders: dict[int, tuple[int, int]] = {}
    slots: list[int] = []
    for path in layer.paths:
        mul = layer.irreps_mid[path.source].mul
        if mul % LANES or max(path.l, path.edge, layer.irreps_mid[path.source].l) > 2:
            raise InputError(
                f"native training takes orders up to 2 and channels in multiples of {LANES}; got "
                f"{layer.irreps_mid[path.source]} with harmonics of order {path.edge}"
            )
        channels = orders.get(path.l, (0, 0))[1]
        slots.append(channels)
        orders[path.l] = (0, channels + mul)
    offset = 0
    for order, (_, channels) in sorted(orders.items()):
        orders[order] = (offset, channels)
        offset += (2 * order + 1) * channels
    starts = [0]
    for block in layer.irreps_mid:
        starts.append(starts[-1] + (2 * block.l + 1) * block.mul)
    paths = []
    for path, slot in zip(layer.paths, slots, strict=True):
        source = layer.irreps_mid[path.source]
        base, channels = orders[path.l]
        paths.append(
            (source.l, path.edge, path.l, source.mul, starts[path.source], source.mul,
             base + slot, channels, path.slot)
        )  # fmt: skip
    return ProductPlan(tuple(paths), orders, offset, grid)


def tensor_product(
    plan: ProductPlan, x: Tensor, harmonics: Tensor, lengths: Tensor, table: Tensor, edges: Tensor
) -> Tensor:
    """Messages (atoms, plan.width), float32.

    x (atoms, width of irreps_mid), blocks as (2l+1, channels); harmonics (edges, (l_max+1)²);
    lengths (edges,) Å; table (knots, weights); edges (2, edges) int32: centre, neighbour.
    """
    result = _TensorProduct.apply(  # type: ignore[no-untyped-call]
        plan, x, harmonics, lengths, table, edges
    )
    assert isinstance(result, Tensor)
    return result


class _TensorProduct(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, plan: ProductPlan, *tensors: Tensor) -> Tensor:
        ctx.plan = plan
        ctx.save_for_backward(*tensors)
        message = tensors[0].new_zeros((len(tensors[0]), plan.width))
        _native.product_forward(*_arguments(plan, tensors), message.numpy())
        return message

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        tensors = ctx.saved_tensors
        wanted = ctx.needs_input_grad[1:5]
        results = [
            torch.zeros_like(tensor) if want else None
            for tensor, want in zip(tensors[:4], wanted, strict=True)
        ]
        _native.product_backward(
            *_arguments(ctx.plan, tensors),
            gradient.contiguous().numpy(),
            *(None if result is None else result.numpy() for result in results),
        )
        return None, *results, None


def _arguments(plan: ProductPlan, tensors: Sequence[Tensor]) -> list[Any]:
    arrays = [tensor.detach().numpy() for tensor in tensors]
    isa = os.environ.get("ZIFGLASS_ISA") or "auto"
    return [isa, plan.paths, plan.grid.start, plan.grid.step, *arrays]
