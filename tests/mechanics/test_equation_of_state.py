from __future__ import annotations

import numpy as np
import pytest

from zifglass.core import InputError
from zifglass.core.units import GPa, g_per_cm3
from zifglass.mechanics import equation_of_state as eos
from zifglass.mechanics.window import Point, WindowSettings, fit_window

# ZIF-4, 16 Zn(C3H3N2)2 per cell, standard atomic weights.
mass = 16 * (65.38 + 2 * (3 * 12.011 + 3 * 1.008 + 2 * 14.007))
crystal_volume = mass / (1.2101 * g_per_cm3)


@pytest.mark.parametrize(
    ("k0", "rho0", "pressure"), [(1.69, 1.16, 0.08), (1.62, 1.06, 0.28), (0.80, 0.75, 1.00)]
)
def test_table_s4_implies_these_pressures_at_the_crystal_volume(
    k0: float, rho0: float, pressure: float
) -> None:
    curve = eos.curve_from_density(bulk_modulus=k0 * GPa, density0=rho0 * g_per_cm3, mass=mass)
    assert round(float(curve.pressure_total(crystal_volume)) / GPa, 2) == pressure


@pytest.mark.parametrize("derivative", [4.0, -3.0, 9.0])
def test_bulk_modulus_is_the_slope(derivative: float) -> None:
    options = {"bulk_modulus": 1.7, "volume0": 4000.0, "derivative": derivative}
    v = np.array([3600.0, 4000.0, 4300.0])
    slope = (
        eos.birch_murnaghan_pressure(v * (1 + 1e-6), **options)
        - eos.birch_murnaghan_pressure(v * (1 - 1e-6), **options)
    ) / 2e-6
    k = eos.birch_murnaghan_bulk_modulus(v, **options)
    assert k == pytest.approx(-slope, rel=1e-8)
    assert k[1] == pytest.approx(1.7)  # K₀ at V₀
    # K₀' = dK/dP at V₀.
    ends = np.array([4000.0 * (1 - 1e-5), 4000.0 * (1 + 1e-5)])
    dk = np.diff(eos.birch_murnaghan_bulk_modulus(ends, **options))
    assert dk / np.diff(eos.birch_murnaghan_pressure(ends, **options)) == pytest.approx(
        derivative, rel=1e-5
    )


@pytest.mark.parametrize("order", [2, 3])
def test_round_trip(order: int) -> None:
    truth = {"bulk_modulus": 1.69 * GPa, "volume0": 4270.0, "derivative": 4.0}
    fit = eos.fit_second_order
    if order == 3:
        truth["derivative"], fit = -2.5, eos.fit_third_order
    v = 4200.0 * 1.015 ** np.arange(-3, 4)
    result = fit(v, eos.birch_murnaghan_pressure(v, **truth), pressure_std=np.full(7, 0.01 * GPa))
    assert result.bulk_modulus == pytest.approx(truth["bulk_modulus"], rel=1e-9)
    assert result.volume0 == pytest.approx(truth["volume0"], rel=1e-10)
    assert result.derivative == pytest.approx(truth["derivative"], rel=1e-7)
    assert result.chi_squared < 1e-12
    assert result.degrees_of_freedom == 7 - order
    density, error = result.density0(mass)
    assert density * result.volume0 == pytest.approx(mass)
    assert error / density == pytest.approx(result.volume0_std / result.volume0)


def test_errors_are_those_of_repeated_measurements() -> None:
    """Weighted, with unequal errors: the standard errors are the spread over 2000 noisy copies,
    and the five points 1.5 % apart at 0.02 GPa leave the 0.4 GPa that the methods page states."""
    generator = np.random.default_rng(0)
    v = 4270.0 * 1.015 ** np.arange(-2, 3)
    p = eos.birch_murnaghan_pressure(v, bulk_modulus=1.69 * GPa, volume0=4270.0)
    # Small enough that V₀, a ratio of two noisy numbers, is linear in the noise.
    std = np.array([0.002, 0.001, 0.002, 0.004, 0.002]) * GPa
    fits = [
        eos.fit_second_order(v, generator.normal(p, std), pressure_std=std) for _ in range(2000)
    ]
    one = eos.fit_second_order(v, p, pressure_std=std)  # χ² = 0: not enlarged
    for name in ("bulk_modulus", "volume0"):
        spread = np.std([getattr(f, name) for f in fits])
        assert getattr(one, f"{name}_std") == pytest.approx(spread, rel=0.06)
    even = eos.fit_second_order(v, p, pressure_std=np.full(5, 0.02 * GPa))
    assert even.bulk_modulus_std / GPa == pytest.approx(0.4, abs=0.05)
    assert even.density0(mass)[1] / g_per_cm3 == pytest.approx(0.007, abs=0.001)


def test_a_curve_that_does_not_fit_looks_less_precise() -> None:
    v = 4270.0 * 1.015 ** np.arange(-2, 3)
    p = eos.birch_murnaghan_pressure(v, bulk_modulus=1.69 * GPa, volume0=4270.0)
    off = p + np.array([0.05, -0.05, 0.0, 0.05, -0.05]) * GPa
    std = np.full(5, 0.01 * GPa)
    good = eos.fit_second_order(v, p, pressure_std=std)
    bad = eos.fit_second_order(v, off, pressure_std=std)
    assert bad.bulk_modulus_std / good.bulk_modulus_std == pytest.approx(
        np.sqrt(bad.chi_squared / 3), rel=0.05
    )
    assert bad.probability < 1e-6


@pytest.mark.parametrize(
    ("v", "p", "s", "message"),
    [
        ([1.0, 2], [2.0, 1], [0.1, 0.1], "at least 3 different volumes; got 2"),
        ([1.0, 1.1, 1.2], [1.0, 2, 3], [0.1] * 3, "pressure rises with volume"),
        ([1.0, 1.1, 1.2], [3.0, 2, 1], [0.1, 0.0, 0.1], "pressure_std must be positive"),
        ([1.0, 1.1, 1.2], [3.0, np.nan, 1], [0.1] * 3, "pressure_total of point 1 is not finite"),
        ([1.0, 1.1], [3.0, 2, 1], [0.1] * 3, "one length"),
    ],
)
def test_bad_points_are_refused(v: list, p: list, s: list, message: str) -> None:
    with pytest.raises(InputError, match=message):
        eos.fit_second_order(np.array(v), np.array(p), pressure_std=np.array(s))


# ------------------------------------------------------------------------------------- window


def sweep(
    indices: range, *, noise: float = 0.0, sigma: float = 0.01, seed: int = 0, start: float = 4200.0
) -> list[Point]:
    generator = np.random.default_rng(seed)
    v = start * 1.015 ** np.array(indices)
    p = eos.birch_murnaghan_pressure(v, bulk_modulus=1.69 * GPa, volume0=4270.0)
    p = p + noise * GPa * generator.normal(size=len(v))
    return [Point(a, b, sigma * GPa) for a, b in zip(v, p, strict=True)]


def test_window_holds_zero_and_at_most_five_points() -> None:
    result = fit_window(sweep(range(-4, 6)), start_volume=4200.0)
    assert len(result.chosen) == 5
    assert result.contains_zero
    assert result.fits
    low, high = result.points[result.chosen[0]], result.points[result.chosen[-1]]
    assert low.pressure_total > 0 > high.pressure_total
    assert result.bulk_modulus == pytest.approx(1.69 * GPa, rel=1e-6)
    assert "holds P = 0" in result.reason
    three = fit_window(
        sweep(range(-4, 6)), start_volume=4200.0, settings=WindowSettings(max_points=3)
    )
    assert len(three.chosen) == 3


def test_order_of_the_points_does_not_matter() -> None:
    points = sweep(range(-4, 6), noise=0.01)
    one = fit_window(points, start_volume=4200.0)
    other = fit_window(points[::-1], start_volume=4200.0)
    assert one.bulk_modulus == other.bulk_modulus
    assert one.bulk_modulus_std == other.bulk_modulus_std


def test_closed_pore_phase_is_found_and_kept_out() -> None:
    """On compression the pressure falls at the fourth step: all points from there on are out."""
    points = sweep(range(-6, 4), sigma=0.005)
    collapsed = [
        Point(p.volume, p.pressure_total - 0.4 * GPa, p.pressure_std) if i < 3 else p
        for i, p in enumerate(points)
    ]
    result = fit_window(collapsed, start_volume=4200.0)
    flagged = [i for i, p in enumerate(result.points) if "phase change" in p.flags]
    assert flagged == [0, 1, 2]
    assert min(result.chosen) >= 3
    assert result.bulk_modulus == pytest.approx(1.69 * GPa, rel=1e-6)
    assert "phase change" in result.reason
    # Without the collapse no point is flagged.
    assert not any(p.flags for p in fit_window(points, start_volume=4200.0).points)


def test_tearing_on_expansion_is_found_too() -> None:
    points = sweep(range(-3, 6), sigma=0.005)
    torn = [
        Point(p.volume, p.pressure_total + 0.3 * GPa, p.pressure_std) if i >= 7 else p
        for i, p in enumerate(points)
    ]
    result = fit_window(torn, start_volume=4200.0)
    assert [i for i, p in enumerate(result.points) if p.flags] == [7, 8]


def test_flagged_points_split_the_curve() -> None:
    points = sweep(range(-4, 6))
    points[4] = Point(*(getattr(points[4], n) for n in ("volume", "pressure_total")), 0.01 * GPa,
                      ("not stationary",))  # fmt: skip
    result = fit_window(points, start_volume=4200.0)
    assert 4 not in result.chosen
    assert list(result.chosen) == list(range(result.chosen[0], result.chosen[-1] + 1))
    assert "not stationary" in result.reason


def test_without_zero_the_nearest_window_is_taken_and_said() -> None:
    result = fit_window(sweep(range(-8, -1)), start_volume=3900.0)
    assert not result.contains_zero
    assert result.chosen[-1] == len(result.points) - 1  # the points of least pressure
    assert "extrapolated" in result.reason


def test_errors_include_the_choice_of_window() -> None:
    """A curve that is no second-order one: windows disagree, and the error says so."""
    v = 4200.0 * 1.015 ** np.arange(-4, 6)
    p = eos.birch_murnaghan_pressure(v, bulk_modulus=1.69 * GPa, volume0=4270.0, derivative=-15.0)
    soft = [Point(a, b, 0.01 * GPa) for a, b in zip(v, p, strict=True)]
    result = fit_window(soft, start_volume=4200.0)
    assert result.bulk_modulus_std > 1.05 * result.fit.bulk_modulus_std
    weights = np.array([w for _, _, w in result.candidates])
    k = np.array([f.bulk_modulus for _, f, _ in result.candidates])
    assert weights.sum() == pytest.approx(1.0)
    expected = result.fit.bulk_modulus_std**2 + weights @ (k - result.bulk_modulus) ** 2
    assert result.bulk_modulus_std**2 == pytest.approx(expected)


def test_window_errors_cover_the_truth() -> None:
    """Noisy sweeps, windows chosen by the rule each time: the bars hold the truth no less often
    than 68 % (they hold it more often: the spread of windows is counted on top)."""
    hits = []
    for seed in range(300):
        points = sweep(range(-4, 6), noise=0.01, seed=seed)
        result = fit_window(points, start_volume=4200.0)
        hits.append(abs(result.bulk_modulus - 1.69 * GPa) < result.bulk_modulus_std)
    assert 0.68 - 3 * np.sqrt(0.68 * 0.32 / 300) < np.mean(hits) < 0.95


def test_no_window_says_why() -> None:
    points = [
        Point(p.volume, p.pressure_total, p.pressure_std, ("broken linkers",))
        for p in sweep(range(-2, 3))
    ]
    with pytest.raises(InputError, match=r"at least 3 neighbouring.*broken linkers"):
        fit_window(points, start_volume=4200.0)
