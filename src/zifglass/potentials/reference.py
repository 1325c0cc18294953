"""The definition: `Network` evaluated in torch, line by line as its module says.

In float64 on a CPU this is what the compiled engine is tested against. In float32 on a GPU
(`device="cuda"`), with several structures in one call, it is a way to run the same networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from zifglass.core import InputError, Prediction, Structure, as_structure

from .guard import check_distance, check_structure
from .network import Activation, Dense, Layer, Linear, Network, harmonics, wigner_3j

Precision = Literal["float64", "float32"]


@dataclass(frozen=True)
class _Graph:
    """Several structures as one: edges centre ← neighbour, both counted over all atoms."""

    positions: Tensor
    cells: Tensor
    kinds: Tensor
    owner: Tensor
    centre: Tensor
    neighbor: Tensor
    shift: Tensor


class ReferencePotential:
    """A `Network` as a Potential, in torch.

    dtype: of features and weights; positions, harmonics, sums over atoms, scales and shifts are
    float64 always. device: as torch names it. Forces are −∂E/∂r and the stress is
    (1/V) ∂E/∂ε at ε = 0 under r → r(1 + ε), cell → cell(1 + ε), ε symmetric; both by autograd.
    """

    def __init__(
        self,
        network: Network,
        *,
        dtype: Precision = "float64",
        device: str = "cpu",
        name: str = "network",
    ) -> None:
        if dtype not in ("float64", "float32"):
            raise InputError(f"the reference computes in float64 or float32; got {dtype!r}")
        if device.startswith("cuda") and not torch.cuda.is_available():
            raise InputError("this machine has no CUDA device that torch can use")
        self.network = network
        self._name = name
        self.dtype: torch.dtype = getattr(torch, dtype)
        self.device = torch.device(device)
        self._type_of = np.full(119, -1)
        self._type_of[list(network.species)] = np.arange(len(network.species))
        self._tensors: dict[int, Tensor] = {}

    @property
    def name(self) -> str:
        return self._name

    @property
    def species(self) -> tuple[int, ...]:
        return self.network.species

    @property
    def cutoff(self) -> float:
        return self.network.cutoff

    @property
    def sha256(self) -> str:
        return self.network.sha256

    def __call__(self, structure: Structure) -> Prediction:
        """Energy, forces, virial stress of one structure. Raises InputError on unknown species,
        atoms on top of each other, absurd density."""
        return self.evaluate([structure])[0]

    def evaluate(self, structures: Sequence[Structure]) -> list[Prediction]:
        """Predictions of several structures, computed together."""
        structures = [as_structure(structure) for structure in structures]
        for structure in structures:
            check_structure(structure, self.species, self.name)
        graph = self._graph(structures)
        strain = torch.zeros(
            (len(structures), 3, 3), dtype=torch.float64, device=self.device, requires_grad=True
        )
        positions = graph.positions.requires_grad_(True)
        energies = self._energies(graph, positions, 0.5 * (strain + strain.transpose(1, 2)))
        forces, virial = torch.autograd.grad(energies.sum(), (positions, strain))
        return self._predictions(structures, energies.detach(), -forces, virial)

    def _predictions(
        self, structures: Sequence[Structure], energies: Tensor, forces: Tensor, virial: Tensor
    ) -> list[Prediction]:
        each, turned, virials = (t.cpu().numpy() for t in (energies, forces, virial))
        result, start = [], 0
        for index, structure in enumerate(structures):
            part = slice(start, start + len(structure))
            start += len(structure)
            result.append(
                Prediction(
                    energy=float(each[part].sum()),
                    forces=turned[part].copy(),
                    stress=virials[index] / structure.volume,
                    energies=each[part].copy(),
                )
            )
        return result

    def _graph(self, structures: Sequence[Structure]) -> _Graph:
        parts: list[list[np.ndarray[Any, Any]]] = [[], [], [], [], []]
        start = 0
        for index, structure in enumerate(structures):
            centre, neighbor, shift = pairs(structure, self.cutoff)
            for store, array in zip(
                parts,
                (
                    centre + start,
                    neighbor + start,
                    shift,
                    self._type_of[structure.numbers],
                    np.full(len(structure), index),
                ),
                strict=True,
            ):
                store.append(array)
            start += len(structure)
        centre, neighbor, shift, kinds, owner = (np.concatenate(part) for part in parts)

        def put(array: Any) -> Tensor:
            return torch.as_tensor(array, device=self.device)

        return _Graph(
            positions=put(np.concatenate([s.positions for s in structures])),
            cells=put(np.stack([s.cell for s in structures])),
            kinds=put(kinds),
            owner=put(owner),
            centre=put(centre),
            neighbor=put(neighbor),
            shift=put(shift.astype(np.float64)),
        )

    def _energies(self, graph: _Graph, positions: Tensor, strain: Tensor) -> Tensor:
        """Per-atom energies (atoms,), eV."""
        edge_owner = graph.owner[graph.centre]
        vectors = positions[graph.neighbor] - positions[graph.centre]
        vectors = vectors + torch.einsum("ei,eij->ej", graph.shift, graph.cells[edge_owner])
        vectors = vectors + torch.einsum("ei,eij->ej", vectors, strain[edge_owner])
        lengths = vectors.norm(dim=1)
        x, y, z = (vectors / lengths[:, None]).unbind(1)
        edge_harmonics = [
            torch.stack(list(items), dim=1).to(self.dtype)
            for items in harmonics(x, y, z, self.network.l_max)
        ]
        basis = self._basis(lengths).to(self.dtype)
        features = self._embed(graph.kinds)
        for layer in self.network.layers:
            # Recomputing a layer's messages in the reverse pass keeps one layer's in memory.
            features = checkpoint(
                self._layer, layer, graph, features, edge_harmonics, basis, use_reentrant=False
            )
        read = torch.cat([features[s].squeeze(-1) for s in self.network.readout.sources], dim=1)
        value = self._dense(self.network.readout.dense, read).squeeze(1).double()
        scales, shifts = (
            torch.tensor(a, device=self.device) for a in (self.network.scales, self.network.shifts)
        )
        return scales[graph.kinds] * value + shifts[graph.kinds]

    def _basis(self, r: Tensor) -> Tensor:
        """B_k(r), (edges, bessels)."""
        basis, cutoff, p = self.network.basis, self.cutoff, self.network.basis.p
        x = r / cutoff
        envelope = (
            1
            - (p + 1) * (p + 2) / 2 * x**p
            + p * (p + 2) * x ** (p + 1)
            - p * (p + 1) / 2 * x ** (p + 2)
        ) * (x < 1)
        frequencies = torch.tensor(basis.frequencies, device=self.device)
        waves = torch.sin(frequencies * x[:, None]) / r[:, None]
        return basis.prefactor * waves * envelope[:, None]

    def _embed(self, kinds: Tensor) -> list[Tensor]:
        blocks = self.network.layers[0].irreps_in
        rows = self._tensor(self.network.embedding)[kinds]
        return [part[:, :, None] for part in torch.split(rows, [b.mul for b in blocks], dim=1)]

    def _layer(
        self,
        layer: Layer,
        graph: _Graph,
        features: list[Tensor],
        edge_harmonics: list[Tensor],
        basis: Tensor,
    ) -> list[Tensor]:
        atoms = len(graph.kinds)
        scale = self._tensor(layer.source_scale)[graph.kinds][:, None, None]
        mid = [scale * h for h in self._linear(layer.up, features, layer.irreps_mid)]
        weights = self._dense(layer.radial, basis)
        messages = []
        for path in layer.paths:
            mul = layer.irreps_mid[path.source].mul
            coupling = self._tensor(wigner_3j(layer.irreps_mid[path.source].l, path.edge, path.l))
            turned = torch.einsum("abc,eb->eac", coupling, edge_harmonics[path.edge])
            sent = torch.einsum(
                "eua,eac,eu->euc",
                mid[path.source][graph.neighbor],
                turned,
                weights[:, path.slot : path.slot + mul],
            )
            messages.append(
                sent.new_zeros((atoms, mul, 2 * path.l + 1)).index_add(0, graph.centre, sent)
            )
        pre = self._linear(layer.down, messages, layer.irreps_pre, atoms=atoms)
        for item in layer.self_connection:
            weight = self._tensor(item.weight)[graph.kinds]
            pre[item.target] = pre[item.target] + torch.einsum(
                "num,nuv->nvm", features[item.source], weight
            )
        result = gate(layer, pre)
        if layer.residual:
            result = [new + old for new, old in zip(result, features, strict=True)]
        return result

    def _linear(
        self,
        maps: tuple[Linear, ...],
        features: list[Tensor],
        blocks: Sequence[Any],
        *,
        atoms: int | None = None,
    ) -> list[Tensor]:
        count = len(features[0]) if atoms is None else atoms
        result = [
            torch.zeros((count, b.mul, 2 * b.l + 1), dtype=self.dtype, device=self.device)
            for b in blocks
        ]
        for item in maps:
            result[item.target] = result[item.target] + torch.einsum(
                "num,uv->nvm", features[item.source], self._tensor(item.weight)
            )
        return result

    def _dense(self, dense: Dense, x: Tensor) -> Tensor:
        return perceptron(dense, x, [self._tensor(matrix) for matrix in dense.matrices])

    def _tensor(self, array: Any) -> Tensor:
        """`array` on the device in the working precision; kept, for networks never change."""
        key = id(array)
        if key not in self._tensors:
            self._tensors[key] = torch.tensor(array, dtype=self.dtype, device=self.device)
        return self._tensors[key]


def gate(layer: Layer, pre: Sequence[Tensor]) -> list[Tensor]:
    """The blocks after a layer's gate, from those before it."""
    n_scalars, n_gates = len(layer.scalars), len(layer.gates)
    scalars = [
        activate(a, x) for a, x in zip(layer.scalar_activations, pre[:n_scalars], strict=True)
    ]
    gates = [
        activate(a, x)
        for a, x in zip(layer.gate_activations, pre[n_scalars : n_scalars + n_gates], strict=True)
    ]
    gated = pre[n_scalars + n_gates :]
    return [*scalars, *(g * x for g, x in zip(gates, gated, strict=True))]


def perceptron(dense: Dense, x: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """x through `matrices`, which stand for those of `dense`, with its activation between."""
    for index, matrix in enumerate(matrices):
        if index:
            x = activate(dense.activation, x)
        x = x @ matrix
    return x


def activate(activation: Activation, x: Tensor) -> Tensor:
    """scale · f(x) of an `Activation`."""
    functions = torch.nn.functional
    match activation.kind:
        case "identity":
            y = x
        case "silu":
            y = functions.silu(x)
        case "tanh":
            y = torch.tanh(x)
        case "abs":
            y = x.abs()
        case "ssp":
            y = functions.softplus(x) - float(np.log(2.0))
        case "sigmoid":
            y = torch.sigmoid(x)
        case "softplus":
            y = functions.softplus(x)
        case "mish":
            y = functions.mish(x)
        case _:
            y = functions.gelu(x)
    return activation.scale * y


def pairs(
    structure: Structure, cutoff: float
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Directed pairs within `cutoff` Å: centre (edges,), neighbour (edges,), lattice shift
    (edges, 3) of the neighbour; exact for any cell, also one smaller than the cutoff.

    Raises InputError on atoms on top of each other.
    """
    from ase.neighborlist import primitive_neighbor_list

    centre, neighbor, shift, length = primitive_neighbor_list(
        "ijSd", structure.pbc, structure.cell, structure.positions, cutoff
    )
    if len(length):
        closest = int(length.argmin())
        check_distance(float(length[closest]), int(centre[closest]), int(neighbor[closest]))
    return centre, neighbor, shift
