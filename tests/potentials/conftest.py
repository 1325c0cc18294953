"""Networks and structures that the tests of this room share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from zifglass.core import Structure
from zifglass.potentials.engine import EnginePotential
from zifglass.potentials.network import (
    Activation,
    Block,
    Dense,
    Layer,
    Linear,
    Network,
    RadialBasis,
    Readout,
)
from zifglass.potentials.network import (
    Path as PathOf,
)

SILU = Activation("silu", 1.6791767923989418)
TANH = Activation("tanh", 1.5925374197228312)


def make_layer(
    rng: np.random.Generator,
    irreps_in: list[Block],
    hidden: list[Block],
    *,
    edges: list[tuple[int, int]],
    bessels: int,
    width: int,
    species: int,
    residual: bool = False,
) -> Layer:
    """All paths that couple, weights of the size that keeps features of order one."""
    scalars = [b for b in hidden if b.l == 0]
    gated = [b for b in hidden if b.l > 0]
    gates = [Block(b.mul, 0, 1) for b in gated]
    pre = scalars + gates + gated
    wanted = {(b.l, b.parity) for b in pre}
    paths, slot = [], 0
    for index, block in enumerate(irreps_in):
        for edge, parity in edges:
            for order in range(abs(block.l - edge), block.l + edge + 1):
                if (order, block.parity * parity) in wanted:
                    paths.append(PathOf(index, edge, order, block.parity * parity, slot))
                    slot += block.mul

    def linear(
        before: list[Block], after: list[Block], leading: tuple[int, ...], size: float
    ) -> list[Linear]:
        return [
            Linear(i, j, size / np.sqrt(a.mul) * rng.normal(size=(*leading, a.mul, b.mul)))
            for i, a in enumerate(before)
            for j, b in enumerate(after)
            if (a.l, a.parity) == (b.l, b.parity)
        ]

    made = [Block(irreps_in[p.source].mul, p.l, p.parity) for p in paths]
    return Layer(
        irreps_in=tuple(irreps_in),
        irreps_mid=tuple(irreps_in),
        up=tuple(linear(irreps_in, irreps_in, (), 1.0)),
        source_scale=rng.uniform(0.8, 1.2, species),
        paths=tuple(paths),
        radial=Dense(
            (
                rng.normal(size=(bessels, width)) / np.sqrt(bessels),
                rng.normal(size=(width, width)) / np.sqrt(width),
                rng.normal(size=(width, max(slot, 1))) / np.sqrt(width),
            ),
            SILU,
        ),
        down=tuple(linear(made, pre, (), 0.3)),
        self_connection=tuple(linear(irreps_in, pre, (species,), 1.0)),
        scalars=tuple(scalars),
        scalar_activations=tuple(SILU if b.parity == 1 else TANH for b in scalars),
        gates=tuple(gates),
        gate_activations=tuple(SILU for _ in gates),
        gated=tuple(gated),
        residual=residual,
    )


def make_network(
    rng: np.random.Generator,
    *,
    hidden: str = "8x0e+8x1e+8x2e",
    edges: str = "0e+1e+2e",
    layers: int = 2,
    species: tuple[int, ...] = (1, 6, 7, 30),
    cutoff: float = 4.0,
    residual: bool = False,
) -> Network:
    """A network of random weights. `hidden` and `edges` in the usual notation: 8x0e+4x1o."""
    wanted = [
        Block(int(mul), int(kind[0]), 1 if kind[1] == "e" else -1)
        for mul, kind in (item.split("x") for item in hidden.split("+"))
    ]
    harmonics = [(int(e[0]), 1 if e[1] == "e" else -1) for e in edges.split("+")]
    current = [Block(wanted[0].mul, 0, 1)]
    made: list[Layer] = []
    for index in range(layers):
        reachable = {
            (order, b.parity * parity)
            for b in current
            for edge, parity in harmonics
            for order in range(abs(b.l - edge), b.l + edge + 1)
        }
        blocks = [b for b in wanted if (b.l, b.parity) in reachable]
        layer = make_layer(
            rng,
            current,
            blocks,
            edges=harmonics,
            bessels=8,
            width=16,
            species=len(species),
            residual=residual and index > 0 and [(b.mul, b.l, b.parity) for b in blocks]
            == [(b.mul, b.l, b.parity) for b in current],
        )  # fmt: skip
        made.append(layer)
        current = list(layer.irreps_out)
    sources = [i for i, b in enumerate(current) if (b.l, b.parity) == (0, 1)]
    inputs = sum(current[i].mul for i in sources)
    return Network(
        species=species,
        cutoff=cutoff,
        basis=RadialBasis(np.pi * np.arange(1, 9), 2 / cutoff, 6.0),
        embedding=rng.normal(size=(len(species), wanted[0].mul)),
        layers=tuple(made),
        readout=Readout(
            tuple(sources),
            Dense(
                (rng.normal(size=(inputs, 4)) / np.sqrt(inputs), rng.normal(size=(4, 1)) / 2),
                Activation("identity"),
            ),
        ),
        scales=rng.uniform(0.5, 1.5, len(species)),
        shifts=rng.normal(size=len(species)) * 10,
        facts={"origin": "random numbers"},
    )


@pytest.fixture(scope="session")
def random_network() -> Callable[..., Network]:
    """`make_network`: a network of random weights with chosen irreps."""
    return make_network


@pytest.fixture(scope="session")
def random_structure() -> Callable[..., Structure]:
    """A function (rng, atoms, species, density in atoms/Å³) → a skewed cell of atoms, none
    closer than 0.9 Å."""

    def make(
        rng: np.random.Generator,
        *,
        atoms: int = 12,
        species: tuple[int, ...] = (1, 6, 7, 30),
        density: float = 0.08,
    ) -> Structure:
        length = (atoms / density) ** (1 / 3)
        cell = length * (np.eye(3) + 0.15 * rng.uniform(-1, 1, (3, 3)))
        points: list[np.ndarray] = []
        images = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3, indexing="ij"), -1).reshape(-1, 3) @ cell
        while len(points) < atoms:
            trial = rng.uniform(size=3) @ cell
            near = [np.linalg.norm(trial - p + images, axis=1).min() for p in points]
            if not near or min(near) > 0.9:
                points.append(trial)
        numbers = np.concatenate([species, rng.choice(species, max(atoms - len(species), 0))])
        return Structure(numbers[:atoms], np.array(points), cell)

    return make


@pytest.fixture(scope="session")
def crystal(published: Path) -> Structure:
    """The 272-atom ZIF-4 crystal of the published training."""
    from ase.io import read

    return Structure.from_ase(read(published / "mlp" / "crystal.lmp", format="lammps-data"))


@pytest.fixture(scope="session")
def castel(published: Path) -> Network:
    """The published NequIP network, imported from its deployed file."""
    from zifglass.potentials.importers import read_torchscript

    return read_torchscript(published / "mlp" / "nequip_l2r6stress0.pth")


@pytest.fixture(scope="session")
def engine_on() -> Callable[..., EnginePotential]:
    """A function (network, isa, **options) → the engine with its instruction set pinned as a
    user would pin it; on one thread, for the tests share the cores, unless told otherwise."""

    def make(network: Network, isa: str = "auto", **options: Any) -> EnginePotential:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("ZIFGLASS_ISA", isa)
            return EnginePotential(network, **({"threads": 1} | options))

    return make
