"""A `Network` with weights that can be learned, evaluated in float32 as `noun` defines it.

Radial networks are evaluated on a grid of distances once per step and interpolated along edges.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from zifglass.potentials.guard import CLOSEST
from zifglass.potentials.network import Dense, Layer, Linear, Network, harmonics
from zifglass.potentials.reference import gate, perceptron

from .product import Grid, ProductPlan, plan_of, tensor_product

_step = 1 / 50  # Å between knots; the cubic through four of them errs by 1e-6 of the weights
_beyond = 8  # knots after the cutoff, where all is zero
_fixed = ("basis.frequencies", "scales", "shifts")


@dataclass(frozen=True)
class Batch:
    """Frames as one graph, their edges one after another. positions (atoms, 3) Å; kinds (atoms,
    species): 1 at the species of an atom; owner (atoms,): its frame; edges (2, edges) int32:
    centre, neighbour; offsets (edges, 3) Å: the lattice vectors between them; edge_counts: edges
    of each frame."""

    positions: Tensor
    kinds: Tensor
    owner: Tensor
    edges: Tensor
    offsets: Tensor
    edge_counts: tuple[int, ...]

    @property
    def frames(self) -> int:
        return len(self.edge_counts)


class TrainableNetwork(torch.nn.Module):
    """Parameters are the network's arrays, each divided by its root mean square at the start, so
    that one learning rate suits all. Species, cutoff, basis, scales and shifts stay."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        start = min(CLOSEST, 0.4)
        knots = int(np.ceil((network.cutoff - start) / _step)) + _beyond
        self._grid = Grid(start, _step, knots)
        self._plans = [plan_of(layer, self._grid) for layer in network.layers]
        self.raw = torch.nn.ParameterDict()
        self._size: dict[str, float] = {}
        self._names: dict[int, str] = {}
        for name, array in network.arrays():
            if name in _fixed or name.endswith("source_scale"):
                continue
            size = float(np.sqrt(np.mean(array**2))) or 1.0
            key = name.replace(".", "-")
            self._size[key], self._names[id(array)] = size, key
            self.raw[key] = torch.nn.Parameter(torch.tensor(array / size, dtype=torch.float32))
        self._basis = _basis_on_grid(network, self._grid)
        self._constants: dict[int, Tensor] = {}

    def trained(self) -> Network:
        """The network with the weights as they are now."""

        def now(array: Any) -> Any:
            key = self._names[id(array)]
            return self.raw[key].detach().double().numpy() * self._size[key]

        def maps(items: Sequence[Linear]) -> tuple[Linear, ...]:
            return tuple(replace(item, weight=now(item.weight)) for item in items)

        def dense(item: Dense) -> Dense:
            return replace(item, matrices=tuple(now(m) for m in item.matrices))

        return replace(
            self.network,
            embedding=now(self.network.embedding),
            layers=tuple(
                replace(
                    layer,
                    up=maps(layer.up),
                    down=maps(layer.down),
                    self_connection=maps(layer.self_connection),
                    radial=dense(layer.radial),
                )
                for layer in self.network.layers
            ),
            readout=replace(self.network.readout, dense=dense(self.network.readout.dense)),
        )

    def forward(self, batch: Batch, strain: Tensor | None = None) -> Tensor:
        """Energies (frames,), eV, float64. strain (frames, 3, 3): symmetric, applied to positions
        and cells."""
        centre, neighbor = batch.edges.long()
        vectors = batch.positions[neighbor] - batch.positions[centre] + batch.offsets
        if strain is not None:
            parts = torch.split(vectors, list(batch.edge_counts))
            vectors = torch.cat([part + part @ e for part, e in zip(parts, strain, strict=True)])
        lengths = vectors.norm(dim=1)
        x, y, z = (vectors / lengths[:, None]).float().unbind(1)
        flat = [item for order in harmonics(x, y, z, self.network.l_max) for item in order]
        edge_harmonics = torch.stack(flat, dim=1)
        lengths = lengths.float()
        rows = batch.kinds @ self._value(self.network.embedding)
        blocks = self.network.layers[0].irreps_in
        features = [part[:, None, :] for part in torch.split(rows, [b.mul for b in blocks], dim=1)]
        for layer, plan in zip(self.network.layers, self._plans, strict=True):
            features = self._layer(layer, plan, batch, features, edge_harmonics, lengths)
        read = torch.cat([features[s][:, 0] for s in self.network.readout.sources], dim=1)
        value = self._dense(self.network.readout.dense, read)[:, 0].double()
        kinds = batch.kinds.double()
        scales = kinds @ self._constant(self.network.scales)
        shifts = kinds @ self._constant(self.network.shifts)
        energies = scales * value + shifts
        return energies.new_zeros(batch.frames).index_add(0, batch.owner, energies)

    def _layer(
        self,
        layer: Layer,
        plan: ProductPlan,
        batch: Batch,
        features: list[Tensor],
        edge_harmonics: Tensor,
        lengths: Tensor,
    ) -> list[Tensor]:
        scale = (batch.kinds @ self._constant(layer.source_scale).float())[:, None, None]
        mid: list[Any] = [None] * len(layer.irreps_mid)
        for item in layer.up:
            mid[item.target] = _plus(mid[item.target], features[item.source] @ self._weight(item))
        x = torch.cat([(scale * h).flatten(1) for h in mid], dim=1)
        table = self._dense(layer.radial, self._basis)
        message = tensor_product(plan, x, edge_harmonics, lengths, table, batch.edges)
        pre = self._mixed(layer, plan, message)
        # Each species' channels in a place of their own: one product of matrices for all species.
        apart = [(x[:, :, None, :] * batch.kinds[:, None, :, None]).flatten(2) for x in features]
        for item in layer.self_connection:
            weight = self._weight(item).flatten(0, 1)
            pre[item.target] = _plus(pre[item.target], apart[item.source] @ weight)
        result = gate(layer, pre)
        if layer.residual:
            result = [new + old for new, old in zip(result, features, strict=True)]
        return result

    def _mixed(self, layer: Layer, plan: ProductPlan, message: Tensor) -> list[Any]:
        """The linear map down, one product of matrices per order."""
        pre: list[Any] = [None] * len(layer.irreps_pre)
        for order, (start, channels) in plan.orders.items():
            size = (2 * order + 1) * channels
            block = message[:, start : start + size].view(len(message), 2 * order + 1, channels)
            sources = [p for p, path in enumerate(layer.paths) if path.l == order]
            for target in range(len(pre)):
                maps = {item.source: item for item in layer.down if item.target == target}
                if not any(source in maps for source in sources):
                    continue
                out = layer.irreps_pre[target].mul
                rows = []
                for source in sources:
                    if source in maps:
                        rows.append(self._weight(maps[source]))
                    else:
                        rows.append(message.new_zeros((layer.irreps_path[source].mul, out)))
                pre[target] = _plus(pre[target], block @ torch.cat(rows))
        return pre

    def _dense(self, dense: Dense, x: Tensor) -> Tensor:
        return perceptron(dense, x, [self._value(matrix) for matrix in dense.matrices])

    def _weight(self, item: Linear) -> Tensor:
        return self._value(item.weight)

    def _value(self, array: Any) -> Tensor:
        key = self._names[id(array)]
        return self.raw[key] * self._size[key]

    def _constant(self, array: Any) -> Tensor:
        if id(array) not in self._constants:
            self._constants[id(array)] = torch.tensor(array)
        return self._constants[id(array)]


def _plus(old: Tensor | None, new: Tensor) -> Tensor:
    return new if old is None else old + new


def _basis_on_grid(network: Network, grid: Grid) -> Tensor:
    """B_k at the knots (knots, bessels), float32."""
    r = grid.start + grid.step * np.arange(grid.knots)
    x, p = (r / network.cutoff)[:, None], network.basis.p
    a, b, c = (p + 1) * (p + 2) / 2, p * (p + 2), p * (p + 1) / 2
    envelope = (1 - a * x**p + b * x ** (p + 1) - c * x ** (p + 2)) * (x < 1)
    waves = np.sin(network.basis.frequencies * x) / r[:, None]
    return torch.tensor(network.basis.prefactor * waves * envelope, dtype=torch.float32)
