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

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from zifglass.core.structure import symbols_of

from .description import describe_dense, describe_layer
from .parts import Array, Layer, RadialBasis, Readout, freeze, require


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
        require(
            n >= 1 and len(set(self.species)) == n and all(1 <= z <= 118 for z in self.species),
            f"the species of a network are different atomic numbers; got {self.species}",
        )
        require(
            np.isfinite(self.cutoff) and self.cutoff > 0,
            f"the cutoff is a positive distance; got {self.cutoff}",
        )
        require(len(self.layers) >= 1, "a network has at least one layer")
        first = self.layers[0].irreps_in
        require(all(b.l == 0 for b in first), "the first layer starts from scalars")
        freeze(self, "embedding", self.embedding, (n, sum(b.mul for b in first)))
        freeze(self, "scales", self.scales, (n,))
        freeze(self, "shifts", self.shifts, (n,))
        for index, layer in enumerate(self.layers):
            require(
                len(layer.source_scale) == n,
                f"layer {index} knows {len(layer.source_scale)} species, the network {n}",
            )
            require(
                layer.radial.inputs == len(self.basis.frequencies),
                f"the radial network of layer {index} takes {layer.radial.inputs} numbers, the "
                f"basis has {len(self.basis.frequencies)}",
            )
            if index:
                before = [(b.mul, b.l) for b in self.layers[index - 1].irreps_out]
                require(
                    before == [(b.mul, b.l) for b in layer.irreps_in],
                    f"layer {index} does not take what layer {index - 1} gives",
                )
        last = self.layers[-1].irreps_out
        sources = self.readout.sources
        require(
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
        """The SHA-256 of all that is computed with, not `facts`: the description (JSON, sorted
        keys), then each array's name, shape, bytes."""
        result = hashlib.sha256(json.dumps(self.description(), sort_keys=True).encode())
        for name, array in self.arrays():
            result.update(f"{name}{array.shape}".encode())
            result.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
        return result.hexdigest()

    def description(self) -> dict[str, Any]:
        """Everything of it that is no array, as plain JSON."""
        return {
            "species": list(self.species),
            "cutoff": self.cutoff,
            "prefactor": self.basis.prefactor,
            "p": self.basis.p,
            "layers": [describe_layer(layer) for layer in self.layers],
            "readout": {
                "sources": list(self.readout.sources),
                **describe_dense(self.readout.dense),
            },
        }

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
