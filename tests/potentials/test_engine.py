"""The compiled engine with the published network: its numbers, its bits, what it refuses."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import InputError, Prediction, Structure, units
from zifglass.core.machine import usable_cores
from zifglass.potentials.engine import EnginePotential, instruction_sets
from zifglass.potentials.lowering import radial_splines, radial_weights
from zifglass.potentials.network import Network

meV, MPa, GPa = units.meV, units.MPa, units.GPa


def reference(network: Network, structure: Structure) -> Prediction:
    pytest.importorskip("torch", reason="the reference evaluator needs torch")
    from zifglass.potentials.reference import ReferencePotential

    return ReferencePotential(network)(structure)


def assert_close(
    got: Prediction, wanted: Prediction, *, mean: float, most: float, energy: float, stress: float
) -> None:
    """Bounds: forces eV/Å (mean and largest absolute error), energy eV/atom, stress eV/Å³."""
    error = np.abs(got.forces - wanted.forces)
    assert error.mean() <= mean
    assert error.max() <= most
    assert abs(got.energy - wanted.energy) <= energy * len(error)
    assert np.abs(got.stress - wanted.stress).max() <= stress


def assert_published_bounds(got: Prediction, wanted: Prediction) -> None:
    assert_close(got, wanted, mean=0.05 * meV, most=1 * meV, energy=0.01 * meV, stress=1 * MPa)


def assert_identical(a: Prediction, b: Prediction) -> None:
    assert a.energy == b.energy
    for name in ("forces", "stress", "energies"):
        assert getattr(a, name).tobytes() == getattr(b, name).tobytes()


def glass(published: Path, number: int) -> Structure:
    from ase.io import read

    return Structure.from_ase(read(published / "glasses" / f"ZIF4_15glass{number:02d}.cif"))


def rattled(structure: Structure, rng: np.random.Generator, width: float = 0.05) -> Structure:
    return structure.with_positions(
        structure.positions + width * rng.normal(size=structure.positions.shape)
    )


def strained(structure: Structure, rng: np.random.Generator) -> Structure:
    return structure.scaled_to(structure.cell @ (np.eye(3) + 0.04 * rng.uniform(-1, 1, (3, 3))))


@pytest.fixture(scope="module")
def castel_engine(castel: Network) -> EnginePotential:
    return EnginePotential(castel, threads=1)


# ---------------------------------------------------------------------------- the numbers


def test_published_network_on_its_crystal(
    castel_engine: EnginePotential, castel: Network, crystal: Structure
) -> None:
    prediction = castel_engine(crystal)
    assert prediction.energy == pytest.approx(-60083.207, abs=0.02)
    assert np.abs(prediction.forces).max() == pytest.approx(3.8453, abs=2e-3)
    np.testing.assert_allclose(
        np.diag(prediction.stress) / GPa, [-0.2754, 0.4812, -0.2652], atol=1e-3
    )
    assert castel_engine.times()["edges"] == 14920
    assert_published_bounds(prediction, reference(castel, crystal))


@pytest.mark.parametrize("isa", instruction_sets())
def test_published_network_far_from_its_crystal_on_every_instruction_set(
    isa: str,
    engine_on: Callable[..., EnginePotential],
    castel: Network,
    castel_far: tuple[Structure, Prediction],
) -> None:
    structure, wanted = castel_far
    assert_published_bounds(engine_on(castel, isa)(structure), wanted)


@pytest.fixture(scope="module")
def castel_far(castel: Network, crystal: Structure) -> tuple[Structure, Prediction]:
    structure = strained(rattled(crystal, np.random.default_rng(1)), np.random.default_rng(2))
    return structure, reference(castel, structure)


@pytest.mark.long
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_published_network_on_the_published_glasses(
    number: int, castel_engine: EnginePotential, castel: Network, published: Path
) -> None:
    structure = glass(published, number)
    assert_published_bounds(castel_engine(structure), reference(castel, structure))


@pytest.mark.long
def test_published_network_on_a_supercell(
    castel_engine: EnginePotential, castel: Network, crystal: Structure
) -> None:
    structure = rattled(crystal.repeat((2, 2, 2)), np.random.default_rng(5))
    assert_published_bounds(castel_engine(structure), reference(castel, structure))


@pytest.mark.long
@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated")
def test_agreement_with_torchscript_is_float32_noise(
    castel_engine: EnginePotential, crystal: Structure, published: Path
) -> None:
    """TorchScript sums 14,920 messages in float32: its forces scatter by about 1e-5 eV/Å."""
    torch = pytest.importorskip("torch")
    from zifglass.potentials.reference import pairs

    model = torch.jit.load(str(published / "mlp" / "nequip_l2r6stress0.pth"), map_location="cpu")
    centre, neighbor, shift = pairs(crystal, castel_engine.cutoff)
    types = [castel_engine.species.index(z) for z in crystal.numbers]
    out = model(
        {
            "pos": torch.tensor(crystal.positions, dtype=torch.float32),
            "edge_index": torch.tensor(np.stack([centre, neighbor]), dtype=torch.int64),
            "edge_cell_shift": torch.tensor(shift, dtype=torch.float32),
            "cell": torch.tensor(crystal.cell, dtype=torch.float32),
            "atom_types": torch.tensor(types, dtype=torch.int64),
        }
    )
    prediction = castel_engine(crystal)
    error = np.abs(prediction.forces - out["forces"].detach().double().numpy())
    assert error.mean() < 0.05 * meV
    assert error.max() < 1 * meV
    stress = out["stress"].detach().double().numpy().reshape(3, 3)
    assert np.abs(prediction.stress - stress).max() < 1 * MPa
    # The total of −60083 eV resolves 4 meV in float32.
    assert prediction.energy == pytest.approx(out["total_energy"].item(), abs=0.03)


# ------------------------------------------------------------------------ always the same bits


@pytest.mark.parametrize("isa", instruction_sets())
def test_bits_do_not_depend_on_threads_or_on_the_history_of_the_list(
    isa: str,
    engine_on: Callable[..., EnginePotential],
    castel: Network,
    crystal: Structure,
) -> None:
    rng = np.random.default_rng(12)
    fresh = engine_on(castel, isa, threads=1)
    aged = engine_on(castel, isa, threads=min(2, usable_cores()), skin=0.9)
    walk = crystal
    for _ in range(4):
        walk = rattled(walk, rng, 0.04)
        aged(walk)
    walk = strained(walk, rng).scaled_to(walk.cell * 1.003)
    aged(walk)
    walk = rattled(walk, rng, 0.02)
    assert_identical(fresh(walk), aged(walk))
    assert aged.times()["list_builds"] < aged.times()["calls"]
    assert_identical(fresh(walk), engine_on(castel, isa, threads=1, skin=0.0)(walk))


# ------------------------------------------------------------------------------ the parts


def test_splines_reproduce_the_radial_networks(castel: Network) -> None:
    """The documented error: weights to 2e-7 of the largest weight, slopes to 1e-5 of the largest
    slope, from 0.8 Å on (below, two nuclei repel by hundreds of eV)."""
    start, intervals = 0.4, 448
    step = (castel.cutoff - start) / intervals
    r = np.random.default_rng(0).uniform(0.8, castel.cutoff - 1e-9, 4000)
    u = (r - start) / step
    row = np.floor(u).astype(int)
    t = (u - row)[:, None]
    value = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    slope = [-3 * (1 - t) ** 2, 9 * t**2 - 12 * t, -9 * t**2 + 6 * t + 3, 3 * t**2]
    for layer in castel.layers:
        table = radial_splines(castel, layer.radial, start=start, intervals=intervals)
        exact, exact_slope = radial_weights(castel.basis, layer.radial, r, castel.cutoff)
        got = sum(v * table[row + k] for k, v in enumerate(value)) / 6
        got_slope = sum(v * table[row + k] for k, v in enumerate(slope)) / 6 / step
        assert np.abs(got - exact).max() < 2e-7 * np.abs(exact).max()
        assert np.abs(got_slope - exact_slope).max() < 1e-5 * np.abs(exact_slope).max()


# --------------------------------------------------------------------------- bad input


def test_bad_input_gets_one_sentence(castel_engine: EnginePotential, crystal: Structure) -> None:
    types = np.zeros(2, dtype=np.int32)
    apart = np.array([[0.0, 0, 0], [2, 0, 0]])
    cell = 10 * np.eye(3)
    cases = [
        ("types must have shape", ([[0, 0]], apart, cell)),
        ("types must hold int32", ([0.5, 1.0], apart, cell)),
        (r"positions must have shape \(2, 3\)", (types, apart[:, :2], cell)),
        ("not finite", (types, apart * np.nan, cell)),
        ("no volume", (types, apart, np.zeros((3, 3)))),
        ("no volume", (types, apart, np.full((3, 3), np.inf))),
        ("does not know", (types + 4, apart, cell)),
        ("does not know", (types - 1, apart, cell)),
        ("0.3 Å apart", (types, apart * 0.15, cell)),
        ("cells away", (types, apart * 1e9, cell)),
        ("denser than any matter", (types, apart, np.eye(3))),
        ("too flat", (types[:1], apart[:1], [[1e4, 0, 0], [0, 1e4, 0], [1e4, 0, 0.01]])),
    ]
    for message, arguments in cases:
        with pytest.raises(InputError, match=message):
            castel_engine.evaluate(*arguments)
    with pytest.raises(InputError, match="knows H C N Zn; atom 1 is Au"):
        castel_engine(Structure([1, 79], apart, cell))
    numbers = crystal.numbers
    with pytest.raises(InputError, match="nuclei closer than"):
        positions = crystal.positions.copy()
        positions[5] = positions[9] + 0.01
        castel_engine(Structure(numbers, positions, crystal.cell))
    with pytest.raises(InputError, match="density of diamond"):
        castel_engine(crystal.scaled_to(crystal.cell * 0.3))
    castel_engine(crystal)  # and it still works


def test_bad_settings_get_one_sentence(
    castel: Network, engine_on: Callable[..., EnginePotential]
) -> None:
    with pytest.raises(InputError, match="threads were asked for"):
        EnginePotential(castel, threads=usable_cores() + 1)
    with pytest.raises(InputError, match="threads were asked for"):
        EnginePotential(castel, threads=0)
    with pytest.raises(InputError, match="instruction set 'sse9' is not available"):
        engine_on(castel, "sse9")
    with pytest.raises(InputError, match="skin"):
        EnginePotential(castel, skin=-1.0)
    with pytest.raises(InputError, match="float32"):
        EnginePotential(castel, dtype="float16")  # type: ignore[arg-type]


def test_an_atom_alone_has_the_energy_of_its_species(castel_engine: EnginePotential) -> None:
    prediction = castel_engine(Structure([30], [[0.0, 0, 0]], 20 * np.eye(3)))
    assert np.isfinite(prediction.energy)
    np.testing.assert_array_equal(prediction.forces, 0)
    np.testing.assert_array_equal(prediction.stress, 0)


def test_instruction_set_is_named(castel_engine: EnginePotential) -> None:
    assert castel_engine.isa in instruction_sets()
    assert instruction_sets()[-1] == "baseline"
    if "ZIFGLASS_ISA" not in os.environ:
        assert castel_engine.isa == instruction_sets()[0]
