from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase.io import read
from scipy.signal import find_peaks

from zifglass.analysis.rdf import Rdf, rdf
from zifglass.analysis.scattering import (
    Measured,
    ScatteringSettings,
    compare,
    compare_scattering,
    distribution_of,
    mean_scattering,
    neutron,
    pair_weights,
    partial_structure_factors,
    read_measured,
    scattering_of_rdf,
    xray,
)
from zifglass.core import InputError, Structure
from zifglass.core.neighbors import neighbor_list

Q = 0.0125 + 0.025 * np.arange(960)


def rdf_with(g_minus_one: np.ndarray, edges: np.ndarray, density: float) -> Rdf:
    """A monatomic Rdf of a given g - 1."""
    g = 1.0 + g_minus_one
    return Rdf(
        r=0.5 * (edges[1:] + edges[:-1]), edges=edges, g=g, g_std=g * np.nan, pairs=(("C", "C"),),
        partial=g[None], partial_std=g[None] * np.nan, species=("C",), counts=(1000,),
        density=density, frames=1, blocks=g[None, None], block_weights=np.ones(1),
    )  # fmt: skip


def test_structure_factor_and_g_are_each_others_transforms() -> None:
    # g - 1 = -exp(-r²/2σ²)  ⇔  S - 1 = -ρ (2πσ²)^{3/2} exp(-Q²σ²/2).
    sigma, density = 0.8, 0.05
    edges = np.linspace(0, 24, 2401)
    r = 0.5 * (edges[1:] + edges[:-1])
    model = rdf_with(-np.exp(-(r**2) / (2 * sigma**2)), edges, density)
    s = partial_structure_factors(model, Q, taper_from=12.0)[0, 0]
    exact = 1 - density * (2 * np.pi * sigma**2) ** 1.5 * np.exp(-(Q**2) * sigma**2 / 2)
    np.testing.assert_allclose(s, exact, atol=1e-5)
    # And back: D = 4πρ r (g - 1). Taking a bin at its centre adds πρΔ²/3 ∫ (g - 1) dr = 5e-6 to
    # S(Q), which the transform up to 24 Å⁻¹ turns into at most (2/π) 24 · 5e-6 / r.
    inside = (r > 0.2) & (r < 10)
    d = distribution_of(Q, s - 1, r[inside])
    exact_d = 4 * np.pi * density * (r * (model.g - 1))[inside]
    assert (np.abs(d - exact_d) < 8e-5 / r[inside]).all()


def test_round_trip_of_a_glass(published: Path) -> None:
    # The transform of F is D = 4πρ r (g - 1), seen through the Q range: smooth g by a Gaussian
    # that the range resolves and both ways must close.
    glass = read(published / "glasses" / "ZIF4_15glass01.cif")
    glass.numbers[:] = 6
    fine = rdf(glass, r_max=24.0, bins=2400)
    width = 0.15
    kernel = np.exp(-0.5 * (np.arange(-100, 101) * 0.01 / width) ** 2)
    rg = np.convolve(fine.r * (fine.partial[0] - 1), kernel / kernel.sum(), mode="same")
    smooth = 1 + rg / fine.r
    fine = replace(fine, blocks=smooth[None, None], partial=smooth[None])
    s = partial_structure_factors(fine, Q, taper_from=12.0)[0, 0]
    inside = (fine.r > 1.5) & (fine.r < 11)
    back = 1 + distribution_of(Q, s - 1, fine.r[inside]) / (
        4 * np.pi * fine.density * fine.r[inside]
    )
    np.testing.assert_allclose(back, smooth[inside], atol=2e-3)


@pytest.mark.parametrize("radiation", ["xray", "neutron"])
def test_is_the_sum_over_pairs(radiation: str) -> None:
    """Σ f_i f_j sin(Qr)/(Qr) over every image, pair by pair, less the mean density."""
    generator = np.random.default_rng(0)
    cell = np.array([[6.0, 0, 0], [3.0, 6.0, 0], [-2.0, 2.0, 7.0]])
    numbers = np.array([1, 6, 6, 7, 30, 30])
    structure = Structure(numbers, generator.uniform(size=(6, 3)) @ cell, cell)
    settings = ScatteringSettings(
        r_max=15.0, taper_from=6.0, r_bin=0.002, q_max=12.0, q_step=0.1,
        normalisation="faber-ziman",
    )  # fmt: skip
    result = xray(structure, settings=settings)
    if radiation == "neutron":
        result = neutron(structure, settings=settings)
        lengths = {1: -3.7409, 6: 6.6484, 7: 9.36, 30: 5.68}
        power = np.array([lengths[int(z)] for z in numbers])[:, None] * np.ones(len(result.q))
    else:
        from periodictable.cromermann import fxrayatq

        names = {1: "H", 6: "C", 7: "N", 30: "Zn"}
        power = np.array([fxrayatq(names[int(z)], result.q) for z in numbers])

    def window(r: np.ndarray) -> np.ndarray:
        return 0.5 * (1 + np.cos(np.pi * np.clip((r - 6.0) / 9.0, 0, 1)))

    pairs = neighbor_list(structure, 15.0)
    waves = np.sinc(np.outer(pairs.distances, result.q) / np.pi) * window(pairs.distances)[:, None]
    direct = (power[pairs.i] * power[pairs.j] * waves).sum(axis=0) / 6
    r = np.linspace(0, 15, 30_001)
    shell = 4 * np.pi * r**2 * window(r) * 6 / structure.volume
    mean = power.mean(axis=0)
    baseline = np.trapezoid(shell * np.sinc(np.outer(result.q, r) / np.pi), r, axis=1)
    expected = direct / mean**2 - baseline
    # Bins of 0.002 Å shift a distance by 0.001 Å at most: Q·0.001 = 1 % of one pair's wave.
    np.testing.assert_allclose(result.f, expected, atol=5e-3 * np.abs(expected).max())


def test_scattering_powers() -> None:
    # International Tables C 6.1.1.1: f(0) = Z; carbon at sin θ/λ = 0.5 Å⁻¹ has 1.685 electrons.
    # NIST (Sears 1992): bound coherent lengths of C and Zn 6.646 and 5.680 fm.
    salt = Structure([6, 30], [[0, 0, 0], [2.0, 0, 0]], np.eye(3) * 5)
    result = rdf(salt, r_max=4.0, bins=100)
    q = np.array([1e-9, 4 * np.pi * 0.5])
    weights = pair_weights(result, q, "xray")
    np.testing.assert_allclose(weights.sum(axis=0), 1)  # Faber–Ziman weights add up to 1
    ratio = np.sqrt(weights[2, 0] / weights[0, 0])
    assert ratio == pytest.approx(30 / 6, rel=2e-3)
    from periodictable.cromermann import fxrayatq

    assert fxrayatq("C", 4 * np.pi * 0.5) == pytest.approx(1.685, abs=5e-3)
    weights = pair_weights(result, q, "neutron")
    assert np.sqrt(weights[2, 0] / weights[0, 0]) == pytest.approx(5.680 / 6.646, rel=1e-3)
    square = pair_weights(result, q, "neutron", normalisation="mean-square")
    mean = (5.680 + 6.646) / 2
    mean_square = (5.680**2 + 6.646**2) / 2
    np.testing.assert_allclose(square.sum(axis=0), mean**2 / mean_square, rtol=1e-3)
    heavy = pair_weights(result, q, "neutron", {"C": 5.68})
    np.testing.assert_allclose(heavy[:, 0], [0.25, 0.5, 0.25], rtol=1e-9)


def peaks(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    found, _ = find_peaks(d, prominence=0.25 * d.max())
    return np.asarray(x[found])


def nearest(found: np.ndarray, where: float) -> float:
    return float(found[np.argmin(np.abs(found - where))])


@pytest.fixture(scope="module")
def glasses(published: Path) -> list:
    return [read(published / "glasses" / f"ZIF4_15glass{n:02d}.cif") for n in (1, 2, 3, 4)]


def test_first_peaks_of_the_glass_are_in_place(published: Path, glasses: list) -> None:
    """C–C/C–N near 1.35 Å, Zn–N near 2.0 Å, Zn–Zn near 5.9 Å, measured at 31 °C and computed.

    D(r) of four static configurations has these peaks 0.04, 0.04 and 0.14 Å further out than
    the measured ones; why is not tested here.
    """
    measured = read_measured(published / "xray" / "ZIF4glassa_31.dofr")
    model = xray(glasses)
    for where, tolerance in ((1.35, 0.05), (2.0, 0.05), (5.9, 0.15)):
        there = nearest(peaks(measured.x, measured.y), where)
        assert there == pytest.approx(where, abs=0.05)
        here = nearest(peaks(model.r, model.d), where)
        assert here == pytest.approx(there, abs=tolerance)
        assert here == pytest.approx(where, abs=tolerance)
    assert np.isfinite(model.d_std).all()


def test_the_glass_fits_the_measurement_better_than_a_wrong_structure(
    published: Path, glasses: list
) -> None:
    for name, attribute, start, stop in (("dofr", "d", 1.0, 7.0), ("int01", "f", 2.0, 16.0)):
        measured = read_measured(published / "xray" / f"ZIF4glassa_31.{name}")
        model, wrong = xray(glasses), xray([stretched(g) for g in glasses])
        axis = "r" if attribute == "d" else "q"
        fits = [
            compare(measured, getattr(m, axis), getattr(m, attribute), start=start, stop=stop)
            for m in (model, wrong)
        ]
        assert fits[0].scale > 0
        # What is left is mostly the sharpness of four static configurations.
        assert fits[0].residual < 0.62
        assert fits[1].residual > fits[0].residual + 0.1


def test_the_published_files_are_normalised_by_the_mean_square(
    published: Path, glasses: list
) -> None:
    """Divided by ⟨f²⟩ the model's F(Q) fits at a scale of 1.02, divided by ⟨f⟩² at 0.33."""
    measured = read_measured(published / "xray" / "ZIF4glassa_31.int01")
    square, faber = (
        compare_scattering(measured, xray(glasses, settings=ScatteringSettings(normalisation=n)))
        for n in ("mean-square", "faber-ziman")
    )
    assert square.scale == pytest.approx(1.0, abs=0.05)
    assert abs(faber.scale - 1.0) > 0.5
    assert square.residual < 0.45 < faber.residual


def test_mean_of_models(glasses: list) -> None:
    models = [xray(glass) for glass in glasses[:2]]
    mean = mean_scattering(models)
    np.testing.assert_allclose(mean.f, (models[0].f + models[1].f) / 2, atol=1e-12)
    np.testing.assert_allclose(mean.d_std, abs(models[0].d - models[1].d) / 2**0.5, atol=1e-12)
    assert mean_scattering(models[:1]) is models[0]


def stretched(atoms):
    """The same atoms with every distance 10 % longer."""
    wrong = atoms.copy()
    wrong.set_cell(atoms.cell * 1.1, scale_atoms=True)
    return wrong


def test_our_transform_of_the_measured_f_is_the_measured_d(published: Path) -> None:
    """The file's own window is not published; with ours the scale is 0.99, the residual 0.155."""
    f = read_measured(published / "xray" / "ZIF4glassa_31.int01")
    d = read_measured(published / "xray" / "ZIF4glassa_31.dofr")
    own = distribution_of(f.x, f.y, d.x, broadening=0.1)
    fit = compare(d, d.x, own, start=1.0, stop=20.0)
    assert fit.scale == pytest.approx(1.0, abs=0.03)
    assert fit.residual < 0.17
    for where in (1.34, 1.98, 2.98, 4.10, 5.86):
        assert nearest(peaks(d.x, own), where) == pytest.approx(where, abs=0.031)


def test_broadening_is_a_sphere() -> None:
    # One distance R seen through a sphere of radius b: r D is a parabola-shaped peak of width b.
    distance, radius = 3.0, 0.4
    q = 0.005 + 0.01 * np.arange(20_000)
    f = np.sinc(q * distance / np.pi)
    r = np.linspace(1.0, 5.0, 801)
    d = distribution_of(q, f, r, broadening=radius)
    outside = np.abs(r - distance) > radius + 0.03
    assert np.abs(d[outside]).max() < 5e-3 * d.max()
    x = (r - distance) / radius
    expected = 0.75 * np.clip(1 - x**2, 0, None) / radius / distance
    np.testing.assert_allclose(d, expected, atol=0.01 * d.max())


def test_one_frame_and_compare() -> None:
    x = np.linspace(0, 10, 101)
    fit = compare(Measured(x, 2.5 * np.sin(x), x * 0, "made"), x, np.sin(x), start=1, stop=9)
    assert fit.scale == pytest.approx(2.5)
    assert fit.residual == pytest.approx(0, abs=1e-12)
    assert (fit.x[0], fit.x[-1]) == pytest.approx((1.0, 9.0))


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no measured points"):
        line = np.arange(3.0)
        compare(Measured(line, line, line, "made"), line, line, start=5, stop=6)
    bad = tmp_path / "bad.dofr"
    bad.write_text("# head\n1.0 2.0\nnot numbers\n")
    with pytest.raises(InputError, match=r"bad\.dofr:3"):
        read_measured(bad)
    bad.write_text("1.0 2.0\n0.5 2.0\n")
    with pytest.raises(InputError, match="must grow"):
        read_measured(bad)
    bad.write_text("# nothing\n")
    with pytest.raises(InputError, match="fewer than two"):
        read_measured(bad)
    with pytest.raises(InputError, match=r"cannot tell F\(Q\) from D\(r\).*got \.txt"):
        _ = Measured(Q, Q, Q, "curve.txt").kind
    with pytest.raises(InputError, match="cannot read"):
        read_measured(tmp_path / "absent.int01")
    salt = Structure([6, 30], [[0, 0, 0], [2.0, 0, 0]], np.eye(3) * 5)
    with pytest.raises(InputError, match="all 3 pairs"):
        scattering_of_rdf(rdf(salt, ["C-C"], r_max=4.0, bins=400))
    with pytest.raises(InputError, match="bins of"):
        scattering_of_rdf(rdf(salt, r_max=24.0, bins=24))
    with pytest.raises(InputError, match="taper"):
        partial_structure_factors(rdf(salt, r_max=4.0, bins=400), Q, taper_from=12.0)


def test_a_measured_file_that_windows_has_touched_reads_alike(tmp_path: Path) -> None:
    (tmp_path / "a.dofr").write_bytes(b"\xef\xbb\xbf1.0 0.5 0.1\r\n2.0 0.25\r\n")
    measured = read_measured(tmp_path / "a.dofr")
    np.testing.assert_array_equal([measured.x, measured.y], [[1.0, 2.0], [0.5, 0.25]])
