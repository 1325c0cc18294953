"""Means of correlated series and their standard errors.

Vocabulary. *Statistical inefficiency* g: the number of samples that are worth one independent
sample, ``g = 1 + 2 Σ_t (1 - t/N) C(t)`` with C the normalised autocorrelation; the correlation
time is ``(g - 1)/2`` samples. *std* of a mean is its standard error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .errors import InputError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class SeriesMean:
    """`mean` ± `std` (its standard error) of a correlated series of `samples` values.

    `inefficiency` is the statistical inefficiency that entered. std is NaN for one sample.
    """

    mean: float
    std: float
    inefficiency: float
    samples: int


@dataclass(frozen=True)
class Equilibration:
    """The series counts as equilibrated from index `start` on.

    `inefficiency` is that of what follows, `effective_samples` their number divided by it.
    """

    start: int
    inefficiency: float
    effective_samples: float


@dataclass(frozen=True, eq=False)
class BlockAverage:
    """Standard error of the mean against block length.

    sizes (levels,): samples per block. std (levels,): the standard error that blocks of that
    size give. std_std (levels,): its own uncertainty. Where std stops growing with size, blocks
    are independent and std is right.
    """

    sizes: NDArray[np.int64]
    std: Array
    std_std: Array


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """A statistic of a series: `value` of the series itself, `std` over the resampled series.

    samples (resamples, ...): the statistic of each resampled series. block_length: in samples.
    """

    value: Array
    std: Array
    samples: Array
    block_length: int


def autocorrelation(series: ArrayLike) -> Array:
    """Unbiased autocovariance (n,) of a series (n,) about its mean, by FFT, O(n log n).

    ``A(t) = Σ_i δ_i δ_{i+t} / (n - t)``; A(0) is the variance. Columns of an (n, m) array are
    series of their own.
    """
    values = np.asarray(series, dtype=np.float64)
    count = len(values)
    deviation = values - values.mean(axis=0)
    from scipy import fft  # a quarter of a second to import

    length = fft.next_fast_len(2 * count, real=True)
    power = np.abs(fft.rfft(deviation, n=length, axis=0)) ** 2
    products = fft.irfft(power, n=length, axis=0)[:count]
    pairs = np.arange(count, 0, -1).reshape(-1, *[1] * (values.ndim - 1))
    return np.asarray(products / pairs)


def statistical_inefficiency(series: ArrayLike) -> float:
    """g ≥ 1 of a series (n,): the sum over the autocorrelation to its first zero.

    Source: Chodera et al., DOI 10.1021/ct0502864, Eqs. 10-13. A constant series has g = 1. The
    columns of an (n, m) array are taken as m series of one correlation time: their covariances
    are added before the sum. Raises InputError on an empty series and on values not finite.
    """
    values = _finite_series(series)
    if len(values) < 3:
        return 1.0
    covariance = autocorrelation(values).reshape(len(values), -1).sum(axis=1)
    # Rounding leaves a residue of the square of the mean even in a constant series.
    if covariance[0] <= 1e-24 * float(np.square(values).sum(axis=0).sum() / len(values)):
        return 1.0
    correlation = covariance[1:-1] / covariance[0]
    negative = np.nonzero(correlation <= 0)[0]
    stop = int(negative[0]) if len(negative) else len(correlation)
    lags = np.arange(1, stop + 1)
    return max(1.0, float(1.0 + 2.0 * np.sum((1.0 - lags / len(values)) * correlation[:stop])))


def mean_of_series(series: ArrayLike) -> SeriesMean:
    """The mean of a correlated series (n,) and its standard error ``s √(g/n)``.

    s² is the sample variance, g the statistical inefficiency.
    """
    values = _finite_series(series)
    inefficiency = statistical_inefficiency(values)
    count = len(values)
    std = float(values.std(ddof=1) * np.sqrt(inefficiency / count)) if count > 1 else float("nan")
    return SeriesMean(float(values.mean()), std, inefficiency, count)


def detect_equilibration(series: ArrayLike, *, candidates: int = 100) -> Equilibration:
    """Where the initial transient of a series (n,) ends.

    The start that leaves most effectively independent samples, (n - start) / g, among
    `candidates` starts spread evenly. Source: Chodera, DOI 10.1021/acs.jctc.5b00784.
    """
    values = _finite_series(series)
    count = len(values)
    best = Equilibration(0, statistical_inefficiency(values), 0.0)
    for start in np.unique(np.linspace(0, max(0, count - 3), max(1, candidates)).astype(int)):
        inefficiency = statistical_inefficiency(values[start:])
        effective = (count - start) / inefficiency
        if effective > best.effective_samples:
            best = Equilibration(int(start), inefficiency, float(effective))
    return best


def block_average(series: ArrayLike) -> BlockAverage:
    """Standard error of the mean of a series (n,) from blocks of 1, 2, 4, … samples.

    Down to two blocks; samples that fill no whole block are left out of that level. Source:
    Flyvbjerg and Petersen, DOI 10.1063/1.457480.
    """
    values = _finite_series(series)
    if len(values) < 2:
        raise InputError("block averages need at least two samples")
    sizes = 2 ** np.arange(int(np.log2(len(values))))
    errors, uncertainties = [], []
    for size in sizes:
        blocks = len(values) // size
        means = values[: blocks * size].reshape(blocks, size).mean(axis=1)
        error = means.std(ddof=1) / np.sqrt(blocks)
        errors.append(error)
        uncertainties.append(error / np.sqrt(2 * (blocks - 1)))
    return BlockAverage(sizes, np.array(errors), np.array(uncertainties))


def block_bootstrap(
    series: ArrayLike,
    statistic: Callable[[Array], ArrayLike],
    *,
    generator: np.random.Generator,
    resamples: int = 200,
    block_length: int | None = None,
) -> Bootstrap:
    """The standard error of any `statistic` of a correlated series (n, ...).

    Circular block bootstrap: series of n samples are put together from blocks of consecutive
    samples drawn with replacement from the series closed to a ring, so that correlations within
    a block survive. `block_length` in samples: twice the statistical inefficiency of the series
    if not given (the largest among its columns), at most n. Source: Politis and Romano (1992),
    in *Exploring the Limits of Bootstrap*, Wiley, 263-270.
    """
    values = np.asarray(series, dtype=np.float64)
    count = len(values)
    columns = _finite_series(values.reshape(count, -1))
    if block_length is None:
        worst = max(statistical_inefficiency(column) for column in columns.T)
        block_length = ceil(2 * worst)
    if block_length < 1:
        raise InputError(f"a block holds at least one sample; got {block_length}")
    length = min(block_length, count)
    blocks = ceil(count / length)
    results = []
    for _ in range(resamples):
        starts = generator.integers(count, size=blocks)
        indices = (starts[:, None] + np.arange(length)).ravel()[:count] % count
        results.append(np.asarray(statistic(values[indices]), dtype=np.float64))
    samples = np.stack(results)
    value = np.asarray(statistic(values), dtype=np.float64)
    return Bootstrap(value, samples.std(axis=0, ddof=1), samples, length)


def mean_of_blocks(blocks: ArrayLike, weights: ArrayLike | None = None) -> tuple[Array, Array]:
    """(mean, std): of the means (blocks, ...) of consecutive stretches of a trajectory.

    weights (blocks,): what each stretch is worth (its frames); equal if not given. What is left
    of correlation between blocks is accounted for by one statistical inefficiency of the block
    means, common to all columns. std is NaN for one block.
    """
    values = np.asarray(blocks, dtype=np.float64)
    count = len(values)
    weight = np.full(count, 1.0) if weights is None else np.asarray(weights, dtype=np.float64)
    weight = (weight / weight.sum()).reshape(-1, *[1] * (values.ndim - 1))
    mean = np.asarray((weight * values).sum(axis=0))
    if count < 2:
        return mean, np.full_like(mean, np.nan)
    finite = values.reshape(count, -1)
    finite = finite[:, np.isfinite(finite).all(axis=0)]
    inefficiency = statistical_inefficiency(finite) if finite.size else 1.0
    variance = (weight * (values - mean) ** 2).sum(axis=0) / (count - 1)
    return mean, np.asarray(np.sqrt(inefficiency * variance))


def _finite_series(series: ArrayLike) -> Array:
    values = np.asarray(series, dtype=np.float64)
    if values.ndim == 0 or len(values) == 0:
        raise InputError("a mean needs at least one sample; the series is empty")
    if not np.isfinite(values).all():
        index = int(np.nonzero(~np.isfinite(values).reshape(len(values), -1).all(axis=1))[0][0])
        raise InputError(f"sample {index} of the series is not finite")
    return values
