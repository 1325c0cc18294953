"""AR(1) series have known inefficiency: x_t = φ x_{t-1} + ε has g = (1 + φ)/(1 - φ)."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.signal import lfilter

from zifglass.core import InputError
from zifglass.core import statistics as st


def ar1(generator: np.random.Generator, phi: float, shape: tuple[int, ...]) -> np.ndarray:
    """Stationary AR(1) series of unit variance along the last axis."""
    noise = generator.standard_normal(shape) * np.sqrt(1 - phi**2)
    noise[..., 0] /= np.sqrt(1 - phi**2)
    return np.asarray(lfilter([1.0], [1.0, -phi], noise, axis=-1))


def test_autocorrelation_is_the_naive_sum() -> None:
    series = np.random.default_rng(0).standard_normal(50) + 3.0
    deviation = series - series.mean()
    naive = [deviation[: 50 - t] @ deviation[t:] / (50 - t) for t in range(50)]
    np.testing.assert_allclose(st.autocorrelation(series), naive, atol=1e-14)


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9])
def test_inefficiency_of_ar1(phi: float) -> None:
    exact = (1 + phi) / (1 - phi)
    series = ar1(np.random.default_rng(1), phi, (20, 20_000))
    estimates = [st.statistical_inefficiency(row) for row in series]
    # The scatter of one estimate is about g √(4 T / n) with T the summed lags: 10 % at φ = 0.9.
    assert np.mean(estimates) == pytest.approx(exact, rel=0.05)


def test_mean_covers_the_truth() -> None:
    # 1000 samples at φ = 0.9 are 53 independent ones: 1 and 2 std must hold the true mean in
    # 68 % and 95 % of series; 600 series tell 2 and 1 %, and the g estimated from so few
    # independent samples is known to come out a few per cent low.
    series = ar1(np.random.default_rng(2), 0.9, (600, 1000)) + 5.0
    results = [st.mean_of_series(row) for row in series]
    z = np.array([(r.mean - 5.0) / r.std for r in results])
    assert 0.62 < np.mean(np.abs(z) < 1) < 0.74
    assert 0.90 < np.mean(np.abs(z) < 2) < 0.98
    naive = series.std(axis=1, ddof=1) / np.sqrt(1000)
    assert np.mean(np.abs(series.mean(axis=1) - 5.0) < 2 * naive) < 0.5  # what it guards against


def test_constant_and_single() -> None:
    assert st.statistical_inefficiency(np.full(100, 0.1)) == 1.0
    assert st.mean_of_series(np.full(100, 0.1)).std == pytest.approx(0.0, abs=1e-16)
    one = st.mean_of_series([2.0])
    assert one.mean == 2.0 and np.isnan(one.std)


def test_equilibration_finds_the_end_of_a_decay() -> None:
    generator = np.random.default_rng(3)
    starts = []
    for row in ar1(generator, 0.5, (20, 3000)):
        series = row + 20.0 * np.exp(-np.arange(3000) / 100.0)
        starts.append(st.detect_equilibration(series).start)
    # The transient falls below the noise (1) after 100 ln 20 = 300 samples.
    assert 250 < np.median(starts) < 900


def test_equilibration_keeps_a_stationary_series() -> None:
    series = ar1(np.random.default_rng(4), 0.5, (20, 2000))
    assert np.median([st.detect_equilibration(row).start for row in series]) < 400


def test_block_average_reaches_the_plateau() -> None:
    phi, n = 0.8, 2**16
    exact = np.sqrt((1 + phi) / (1 - phi) / n)
    result = st.block_average(ar1(np.random.default_rng(5), phi, (n,)))
    level = int(np.nonzero(result.sizes == 256)[0][0])  # 28 inefficiencies
    assert abs(result.std[level] - exact) < 4 * result.std_std[level]
    assert result.std[0] == pytest.approx(np.sqrt(1 / n), rel=0.1)


def test_bootstrap_of_the_mean_and_of_the_variance() -> None:
    generator = np.random.default_rng(6)
    series = ar1(generator, 0.7, (60, 2000))
    g = (1 + 0.7) / (1 - 0.7)
    means = [st.block_bootstrap(row, np.mean, generator=generator).std for row in series]
    # Blocks of finite length b lose about g/2b = 1/4 of the variance, 13 % of the std; closing
    # the ring and the estimate of g add a little on both sides.
    assert np.mean(means) == pytest.approx(np.sqrt(g / 2000), rel=0.15)
    # For the variance of a Gaussian AR(1) series the inefficiency is (1 + φ²)/(1 - φ²).
    g2 = (1 + 0.49) / (1 - 0.49)
    variances = [st.block_bootstrap(row, np.var, generator=generator).std for row in series]
    assert np.mean(variances) == pytest.approx(np.sqrt(2 * g2 / 2000), rel=0.15)


def test_bootstrap_is_seeded_and_takes_columns() -> None:
    series = ar1(np.random.default_rng(7), 0.5, (3, 500)).T

    def covariance(x: np.ndarray) -> np.ndarray:
        return np.cov(x.T)

    first = st.block_bootstrap(series, covariance, generator=np.random.default_rng(1))
    again = st.block_bootstrap(series, covariance, generator=np.random.default_rng(1))
    assert first.std.shape == (3, 3)
    np.testing.assert_array_equal(first.samples, again.samples)


def test_mean_of_blocks_is_honest_about_correlated_blocks() -> None:
    # Blocks shorter than the correlation time: 40 blocks of 25 samples at g = 39.
    series = ar1(np.random.default_rng(8), 0.95, (400, 1000))
    blocks = series.reshape(400, 40, 25).mean(axis=2)
    z = [mean / std for mean, std in (st.mean_of_blocks(row) for row in blocks)]
    assert 0.88 < np.mean(np.abs(z) < 2) < 0.99
    mean, std = st.mean_of_blocks([[1.0, 2.0]], [3.0])
    np.testing.assert_array_equal(mean, [1.0, 2.0])
    assert np.isnan(std).all()


def test_bad_series_are_refused() -> None:
    with pytest.raises(InputError, match="empty"):
        st.mean_of_series([])
    with pytest.raises(InputError, match="sample 1"):
        st.mean_of_series([1.0, np.nan])
    with pytest.raises(InputError, match="two samples"):
        st.block_average([1.0])
