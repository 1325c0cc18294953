from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.signal import lfilter

from zifglass import read
from zifglass.core import InputError, Structure, as_trajectory
from zifglass.core.units import GPa, g_per_cm3, kB, ps
from zifglass.mechanics import equation_of_state as eos
from zifglass.mechanics.holds import (
    Hold,
    StrainSweepSettings,
    hold_from_series,
    hold_from_thermo,
    structural_state,
    total_pressure_of,
)
from zifglass.mechanics.strain_sweep import (
    Step,
    analyse_sweep,
    next_steps,
    preparation_protocol,
    step_protocol,
)

mass = 16 * (65.38 + 2 * (3 * 12.011 + 3 * 1.008 + 2 * 14.007))
settings = StrainSweepSettings()
start_volume = mass / (1.2101 * g_per_cm3)  # 4380 Å³: the crystal of the paper


def series(
    volume: float, generator: np.random.Generator, *, v0: float = 4569.0, extra: float = 0.0
) -> np.ndarray:
    """10,000 total pressures of a hold: scatter 0.25 GPa, correlated over some 20 samples."""
    mean = eos.birch_murnaghan_pressure(volume, bulk_modulus=1.69 * GPa, volume0=v0) + extra * GPa
    noise = generator.normal(size=10_000) * np.sqrt(1 - 0.9**2)
    noise[0] = generator.normal()
    return float(mean) + 0.25 * GPa * lfilter([1.0], [1.0, -0.9], noise)


def made_hold(step: Step | None, generator: np.random.Generator, **options: float) -> Hold:
    if step is None:
        volume, where = start_volume, {}
    else:
        factor = 1 - settings.step if step.direction == "compression" else 1 + settings.step
        volume = start_volume * factor**step.number
        where = {"direction": step.direction, "number": step.number}
    return hold_from_series(
        series(volume, generator, **options), volume=volume, settings=settings, **where
    )


def run_sweep(generator: np.random.Generator, **options: float) -> list[Hold]:
    """What the driver does with what mechanics asks for."""
    holds = [made_hold(None, generator, **options)]
    while steps := next_steps(holds, settings):
        for step in steps:
            holds.append(made_hold(step, generator, **options))
            assert len(holds) < 20
    return holds


def test_protocols_ramp_and_hold() -> None:
    names = [s.name for s in preparation_protocol().segments]
    assert names == ["minimise", "prepare", "hold"]
    protocol = step_protocol("compression")
    ramp, hold = protocol.segments
    assert ramp.length_ramp is not None
    assert np.prod(ramp.length_ramp) == pytest.approx(0.985)
    assert ramp.duration == hold.duration == 100 * ps
    assert hold.length_ramp is None
    assert hold.temperature == (300.0, 300.0)
    assert protocol.masses == {}
    heavy = StrainSweepSettings(deuterium=2.0141, timestep=1.0)
    for one in (preparation_protocol(heavy), step_protocol("expansion", heavy)):
        assert one.masses == {"H": 2.0141}
    up = step_protocol("expansion", StrainSweepSettings(step=0.02)).segments[0].length_ramp
    assert up is not None
    assert np.prod(up) == pytest.approx(1.02)


def test_a_sweep_finds_its_way_and_its_moduli() -> None:
    """Nobody tells it how far to go: it brackets P = 0, fills its window and stops."""
    holds = run_sweep(np.random.default_rng(1))
    result = analyse_sweep(holds, mass=mass)
    assert result.bracketed
    assert len(result.window.chosen) == 5
    assert abs(result.bulk_modulus - 1.69 * GPa) < 3 * result.bulk_modulus_std
    assert abs(result.volume0 - 4569.0) < 3 * result.volume0_std
    assert result.density0 * result.volume0 == pytest.approx(mass)
    assert result.density0 / g_per_cm3 == pytest.approx(1.160, abs=0.02)
    # Scatter 0.25 GPa, g = (1 + 0.9)/(1 − 0.9) = 19, 10,000 samples: 0.011 GPa.
    for hold in holds:
        assert hold.pressure_std / GPa == pytest.approx(0.25 * np.sqrt(19 / 10_000), rel=0.3)
    third = result.third_order()
    assert abs(third.bulk_modulus - 1.69 * GPa) < 4 * third.bulk_modulus_std


@pytest.mark.parametrize("v0", [3950.0, 4910.0])
def test_a_sweep_walks_to_a_far_zero(v0: float) -> None:
    """Started at 11 % too large or too small a volume it goes on in that one direction."""
    holds = run_sweep(np.random.default_rng(2), v0=v0)
    result = analyse_sweep(holds, mass=mass)
    assert result.window.contains_zero
    assert abs(result.volume0 - v0) < 4 * result.volume0_std
    towards = "compression" if v0 < start_volume else "expansion"
    away = "expansion" if v0 < start_volume else "compression"
    assert max(h.number for h in holds if h.direction == towards) >= 7
    assert max(h.number for h in holds if h.direction == away) == settings.min_steps


def test_a_collapsing_branch_ends_and_stays_out() -> None:
    """The closed-pore phase at the second step of compression."""
    generator = np.random.default_rng(3)
    holds = [made_hold(None, generator)]
    while steps := next_steps(holds, settings):
        for step in steps:
            collapsed = step.direction == "compression" and step.number >= 2
            holds.append(made_hold(step, generator, extra=-0.5 if collapsed else 0.0))
    assert max(h.number for h in holds if h.direction == "compression") == 2
    result = analyse_sweep(holds, mass=mass)
    smallest = result.window.points[0]
    assert smallest.flags == ("phase change",)
    assert 0 not in result.window.chosen
    assert abs(result.bulk_modulus - 1.69 * GPa) < 3.5 * result.bulk_modulus_std


def test_holds_say_what_is_wrong_with_them() -> None:
    generator = np.random.default_rng(4)
    p = series(start_volume, generator)
    fine = {"volume": start_volume, "settings": settings}
    assert hold_from_series(p, **fine).flags == ()
    drifting = p + np.linspace(0, 0.3, len(p)) * GPa
    assert hold_from_series(drifting, **fine).flags == ("not stationary",)
    slow = 0.2 * GPa * np.sin(np.linspace(0, 6 * np.pi, 300))  # three periods: a few samples
    assert hold_from_series(slow, **fine).flags == ("too short",)
    broken = hold_from_series(
        p, **fine, coordination=3.7, coordination_at_start=4.0, broken_fraction=0.03
    )
    assert broken.flags == ("lost coordination", "broken linkers")
    good = hold_from_series(
        p, **fine, coordination=3.95, coordination_at_start=4.0, broken_fraction=0.0
    )
    assert good.flags == ()


def test_bad_series_are_refused() -> None:
    fine = {"volume": start_volume, "settings": settings}
    with pytest.raises(InputError, match="at least 10 pressures"):
        hold_from_series(np.ones(3), **fine)
    with pytest.raises(InputError, match="do not fluctuate"):
        hold_from_series(np.ones(100), **fine)
    p = series(start_volume, np.random.default_rng(5))
    with pytest.raises(InputError, match=r"stated at 300 K.*ran at 350\.0"):
        hold_from_series(p, **fine, temperature=350.0 + np.sin(np.arange(len(p))))
    with pytest.raises(InputError, match="first volume"):
        next_steps([], settings)
    with pytest.raises(InputError, match="first volume"):
        analyse_sweep([], mass=mass)


def test_the_kind_of_a_pressure_is_never_guessed() -> None:
    total = np.array([0.1, 0.2])
    assert total_pressure_of({"pressure_total_GPa": total}) == pytest.approx(total * GPa)
    virial = {
        "pressure_virial_GPa": total, "temperature_K": np.full(2, 300.0),
        "volume_A3": np.full(2, start_volume),
    }  # fmt: skip
    # 272 atoms in the ZIF-4 cell at 300 K: 0.26 GPa of kinetic pressure.
    found = total_pressure_of(virial, n_atoms=272)
    assert found == pytest.approx(total * GPa + 272 * kB * 300.0 / start_volume)
    assert (found[0] / GPa - 0.1) == pytest.approx(0.26, abs=0.005)
    with pytest.raises(InputError, match=r"kinetic part.*number of atoms"):
        total_pressure_of(virial)
    with pytest.raises(InputError, match=r"'Press' is a pressure of unknown kind"):
        total_pressure_of({"Press": total})
    with pytest.raises(InputError, match="no pressure column"):
        total_pressure_of({"energy": total})


def test_hold_from_a_thermo_table_takes_its_last_segment() -> None:
    generator = np.random.default_rng(6)
    p = series(start_volume, generator)
    ramp = np.linspace(start_volume * 1.015, start_volume, 500)
    columns = {
        "segment": np.repeat([0.0, 1.0], [500, len(p)]),
        "volume_A3": np.concatenate([ramp, np.full(len(p), start_volume)]),
        "temperature_K": 300.0 + 8.0 * generator.normal(size=500 + len(p)),
        "pressure_total_GPa": np.concatenate([np.full(500, 9.9), p / GPa]),
    }
    found = hold_from_thermo(columns, settings=settings, direction="compression", number=1)
    alone = hold_from_series(p, volume=start_volume, settings=settings)
    assert found.pressure_total == pytest.approx(alone.pressure_total)
    assert found.pressure_std == pytest.approx(alone.pressure_std)
    assert found.volume == pytest.approx(start_volume)
    assert found.temperature == pytest.approx(300.0, abs=0.5)
    with pytest.raises(InputError, match="volume changes during the hold"):
        hold_from_thermo({n: c[:500] for n, c in columns.items()}, settings=settings)
    with pytest.raises(InputError, match="lacks the column temperature_K"):
        hold_from_thermo({"volume_A3": ramp}, settings=settings)
    with pytest.raises(InputError, match="is empty"):
        hold_from_thermo({n: c[:0] for n, c in columns.items()}, settings=settings)


def test_structural_state_of_the_published_crystal(published: Path) -> None:
    """Coordination 4.00, no linker broken; with a linker torn apart both say so."""
    crystal = read(published / "mlp" / "crystal.lmp")[0].structure
    state = structural_state(as_trajectory(crystal))
    assert state.coordination == pytest.approx(4.0)
    assert state.broken_fraction == 0.0
    nitrogen = int(np.nonzero(crystal.numbers == 7)[0][0])
    positions = crystal.positions.copy()
    positions[nitrogen] += [3.0, 0.0, 0.0]
    torn = structural_state(as_trajectory(crystal.with_positions(positions)))
    assert torn.broken_fraction == pytest.approx(1 / 32)
    argon = as_trajectory(Structure([18], [[0.0, 0, 0]], np.eye(3) * 5))
    assert structural_state(argon).coordination is None
