"""Each defect planted in a liquid whose forces and virial are exact; and none, with no alarm."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.signal import lfilter

from zifglass.core import ArrayTrajectory, Frame, Structure
from zifglass.core.kinetics import kinetic_stress
from zifglass.core.units import GPa, bar, bohr, hartree, kB
from zifglass.datasets import corrected, kinetic_share, labelled_set, lint
from zifglass.datasets.kinetic import DEUTERIUM_MASS, hydrogen_mass_of
from zifglass.datasets.lint_split import correlation_time

from .conftest import Water, changed


def codes(trajectory: Any, **options: Any) -> list[str]:
    return lint(trajectory, **options).codes()


def masses(trajectory: ArrayTrajectory) -> np.ndarray:
    return np.where(trajectory.numbers == 1, DEUTERIUM_MASS, 15.999)


def total(trajectory: ArrayTrajectory) -> ArrayTrajectory:
    """Labels as an MD stress file has them."""
    m = masses(trajectory)
    return changed(
        trajectory,
        lambda f: {"stress": f.stress + kinetic_stress(m, f.velocities, f.structure.volume)},
    )


def test_a_good_set_raises_no_alarm(liquid: ArrayTrajectory, consecutive: ArrayTrajectory) -> None:
    assert codes(liquid) == []
    assert codes(consecutive) == []
    bare = changed(liquid, lambda f: {"velocities": None, "temperature": None, "time": None})
    assert codes(bare) == []


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("units.forces", lambda f: {"forces": f.forces * bohr / hartree}),
        ("units.forces", lambda f: {"forces": f.forces / hartree}),
        ("units.forces", lambda f: {"forces": f.forces * 1e3}),
        ("sign.forces", lambda f: {"forces": -f.forces}),
        ("units.stress", lambda f: {"stress": f.stress / GPa}),
        ("units.stress", lambda f: {"stress": f.stress / bar}),
        ("units.stress", lambda f: {"stress": f.stress / (hartree / bohr**3)}),
        ("sign.stress", lambda f: {"stress": -f.stress}),
        ("stress.no-shear", lambda f: {"stress": np.where(np.eye(3) > 0, f.stress, np.nan)}),
        ("stress.zero-shear", lambda f: {"stress": f.stress * np.eye(3)}),
        ("labels.missing", lambda f: {"forces": None} if f.index == 3 else {}),
        ("forces.net", lambda f: {"forces": f.forces + 2.0}),
    ],
)
def test_a_planted_defect_is_found_alone(liquid: ArrayTrajectory, code: str, change: Any) -> None:
    assert codes(changed(liquid, change)) == [code]


def test_the_unit_is_named_and_its_factor_mends(liquid: ArrayTrajectory) -> None:
    in_bar = changed(liquid, lambda f: {"stress": -f.stress / bar})
    found = {item.code: item for item in lint(in_bar).findings}
    assert set(found) == {"units.stress", "sign.stress"}
    assert found["units.stress"].values["unit"] == "bar"
    assert f"{bar:.6g}" in found["units.stress"].mend
    in_hartree = changed(liquid, lambda f: {"forces": f.forces * bohr / hartree})
    assert lint(in_hartree).findings[0].values["unit"] == "Hartree/Bohr"


def test_lengths_in_bohr(liquid: ArrayTrajectory) -> None:
    def in_bohr(f: Frame) -> dict[str, Any]:
        s = f.structure
        return {"structure": Structure(s.numbers, s.positions / bohr, s.cell / bohr)}

    report = lint(changed(liquid[:20], in_bohr))
    assert report.codes()[0] == "units.length"
    assert report.findings[0].values["unit"] == "Bohr"


@pytest.mark.parametrize("unit", [hartree, hartree / 2])
def test_energies_in_hartree_against_the_work_of_the_forces(
    consecutive: ArrayTrajectory, unit: float
) -> None:
    """ΔE = −∫F·dr over 0.5 fs holds to a few per cent by the trapezoidal rule."""
    report = lint(changed(consecutive, lambda f: {"energy": f.energy / unit}))
    assert report.codes() == ["units.energy"]
    assert report.findings[0].values["slope"] == pytest.approx(1 / unit, rel=0.05)


def test_energies_in_hartree_against_their_fluctuation(liquid: ArrayTrajectory) -> None:
    shifted = changed(liquid, lambda f: {"energy": (f.energy - 1e4) / hartree})
    assert codes(shifted) == ["units.energy"]


def test_absolute_energies_of_cp2k(data: Any) -> None:
    from zifglass.abinitio import read_single_point

    result = read_single_point(data / "dft" / "zif4_crystal.out")
    frame = Frame(
        result.structure, energy=result.energy, forces=result.forces, stress=result.stress
    )
    assert codes([frame]) == []
    assert codes([replace(frame, energy=result.energy / hartree)]) == ["units.energy"]


@pytest.mark.parametrize(
    ("code", "change"),
    [
        ("units.forces", lambda f: {"forces": f.forces * bohr / hartree}),
        ("units.stress", lambda f: {"stress": f.stress / GPa}),
        ("sign.stress", lambda f: {"stress": -f.stress}),
    ],
)
def test_three_labels_of_cp2k_are_enough_for_units_and_sign(
    data: Any, code: str, change: Any
) -> None:
    """The ZIF-4 crystal at three volumes: 272 atoms tell by themselves."""
    from zifglass.abinitio import read_single_point

    names = ("zif4_crystal", "zif4_crystal_volume_plus1", "zif4_crystal_volume_minus1")
    results = [read_single_point(data / "dft" / f"{name}.out") for name in names]
    frames = ArrayTrajectory(
        Frame(r.structure, energy=r.energy, forces=r.forces, stress=r.stress) for r in results
    )
    assert codes(frames) == []
    assert codes(changed(frames, change)) == [code]


def test_the_kinetic_part_is_found_by_velocities(
    liquid: ArrayTrajectory, consecutive: ArrayTrajectory
) -> None:
    """share = 0 and 1 within four of its own standard errors, on frames apart and on 30 fs."""
    for trajectory in (liquid, consecutive):
        clean, dirty = labelled_set(trajectory), labelled_set(total(trajectory))
        none = kinetic_share(clean, frames=clean.sample(5))
        all_of_it = kinetic_share(dirty, frames=dirty.sample(5))
        assert none is not None and all_of_it is not None
        assert none.evidence == "velocities" and none.decided and not none.present
        assert abs(none.share) < 4 * none.std
        assert all_of_it.decided and all_of_it.present
        assert all_of_it.share - none.share == pytest.approx(1.0, abs=1e-9)
        assert all_of_it.pressure == pytest.approx(1.4, abs=0.2)
    assert codes(total(liquid)) == ["stress.kinetic"]


def test_the_kinetic_part_is_found_by_a_potential(liquid: ArrayTrajectory, water: Water) -> None:
    """Without velocities; a constant offset of the potential (0.15 GPa) changes no verdict."""
    hidden = changed(liquid, lambda f: {"velocities": None})
    dirty = changed(total(liquid), lambda f: {"velocities": None})
    assert codes(hidden, potential=water) == []
    assert codes(dirty, potential=water) == ["stress.kinetic"]

    class Offset(Water):
        def __call__(self, structure: Structure) -> Any:
            right = super().__call__(structure)
            return replace(right, stress=right.stress - 0.15 * GPa * np.eye(3))

    assert codes(hidden, potential=Offset()) == []
    assert codes(dirty, potential=Offset()) == ["stress.kinetic"]


def test_the_mean_pressure_alone_only_suspects(liquid: ArrayTrajectory) -> None:
    dirty = changed(total(liquid), lambda f: {"velocities": None})
    report = lint(dirty)
    assert report.codes() == ["stress.kinetic-suspected"] and not report.errors


def test_the_correction_gives_the_virial_back(liquid: ArrayTrajectory) -> None:
    """Exactly with velocities; with temperatures only, the trace."""
    dirty = total(liquid)
    for frame, right in zip(corrected(dirty, hydrogen_mass=DEUTERIUM_MASS), liquid, strict=True):
        assert np.allclose(frame.stress, right.stress, atol=1e-15)
    slow = changed(dirty, lambda f: {"velocities": None})
    for frame, right in zip(corrected(slow), liquid, strict=True):
        assert frame.stress is not None and right.stress is not None
        assert np.trace(frame.stress) == pytest.approx(np.trace(right.stress), abs=1e-12)


def test_deuterium_is_told_from_hydrogen(liquid: ArrayTrajectory) -> None:
    assert hydrogen_mass_of(labelled_set(liquid)) == DEUTERIUM_MASS
    light = liquid.numbers == 1
    faster = changed(
        liquid,
        lambda f: {"velocities": np.where(light[:, None], np.sqrt(2) * f.velocities, f.velocities)},
    )
    assert hydrogen_mass_of(labelled_set(faster)) == pytest.approx(1.008)


def test_the_forces_know_the_temperature(liquid: ArrayTrajectory) -> None:
    """Equipartition along the O–H bonds: 1500 K to 10 %, whatever the unit of force."""
    from zifglass.datasets.lint_units import springs

    data = labelled_set(liquid)
    found = springs(data, data.sample(60), scale=1.0)
    assert found is not None
    assert found.thermal / kB == pytest.approx(1500, rel=0.1)


def test_duplicates_within_and_across_files(liquid: ArrayTrajectory) -> None:
    frames = list(liquid[:30])
    moved = frames[4].structure.positions + frames[4].structure.cell[1]  # another image
    copy = replace(frames[4], structure=frames[4].structure.with_positions(moved), time=1e6)
    twice = ArrayTrajectory([*frames, copy])
    assert codes(twice) == ["frames.duplicate"]
    other = ArrayTrajectory([replace(copy, energy=copy.energy + 1.0)])
    assert "frames.contradiction" in codes([ArrayTrajectory(frames), other])


def test_outliers_and_overlaps(liquid: ArrayTrajectory) -> None:
    far = changed(liquid, lambda f: {"energy": f.energy + 60.0} if f.index == 7 else {})
    report = lint(far)
    assert report.codes() == ["frames.outlier"]
    assert report.findings[0].values["frames"] == [7]

    def squeeze(f: Frame) -> dict[str, Any]:
        if f.index != 2:
            return {}
        x = f.structure.positions.copy()
        x[3] = x[0] + 0.3
        return {"structure": f.structure.with_positions(x)}

    assert "frames.overlap" in codes(changed(liquid, squeeze))


def test_broken_linkers_of_the_crystal(data: Any) -> None:
    from zifglass.abinitio import read_single_point

    result = read_single_point(data / "dft" / "zif4_crystal.out")
    whole = Frame(
        result.structure, energy=result.energy, forces=result.forces, stress=result.stress
    )
    x = result.structure.positions.copy()
    carbon = int(np.flatnonzero(result.structure.numbers == 6)[0])
    x[carbon] += [0.0, 0.0, 1.6]
    broken = replace(whole, structure=result.structure.with_positions(x))
    assert "frames.broken-linkers" in codes([whole, broken])
    assert "frames.broken-linkers" not in codes([whole])


def test_leakage_between_the_parts(consecutive: ArrayTrajectory, liquid: ArrayTrajectory) -> None:
    """A random split of frames 0.5 fs apart leaks; blocks with a gap do not."""
    order = np.random.default_rng(4).permutation(60)
    pick = lambda t, ids: ArrayTrajectory([t[int(i)] for i in sorted(ids)])  # noqa: E731
    shuffled = {"train": pick(consecutive, order[:48]), "test": pick(consecutive, order[48:])}
    report = lint(shuffled)
    assert report.codes() == ["split.leak"] and report.errors
    apart = {"train": liquid[:110], "test": liquid[125:]}
    assert codes(apart) == []


def test_correlation_time_of_a_known_process() -> None:
    """AR(1) with memory a: the integrated correlation time is a/(1 − a) steps, here 9.

    The estimate sums the correlation over M ≈ 60 lags: relative error √(2(2M + 1)/n) = 2.5 %.
    """
    noise = np.random.default_rng(0).normal(size=400_000)
    series = lfilter([1.0], [1.0, -0.9], noise)
    found = correlation_time(np.arange(len(series)) * 2.0, series)
    assert found == pytest.approx(9 * 2.0, rel=0.1)
