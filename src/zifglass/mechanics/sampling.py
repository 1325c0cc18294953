"""What a series of block sums of cells is worth: equilibrated from where, how many independent
samples, stationary or not. Says no with a sentence where a modulus would have no error bar.

Every decision is made on the volume and on the principal modes of the strain, which know
nothing of how the axes are named or turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass.core.errors import InputError
from zifglass.core.settings import Settings
from zifglass.core.statistics import detect_equilibration, statistical_inefficiency

from .cell_moments import (
    change_of_reference,
    mandel_of_strain,
    mean_strain,
    second_moments,
    strain_modes,
    stretch_of,
    volume_moments,
)

Array = NDArray[np.float64]


class FluctuationSettings(Settings):
    """How fluctuations are turned into moduli and errors."""

    bootstrap_samples: int = Field(
        default=1000, ge=50, description="Bootstrap samples for the errors."
    )
    min_independent_samples: int = Field(
        default=40, ge=20, description="Fewest independent samples of the cell that are accepted."
    )
    discard: int | None = Field(
        default=None,
        ge=0,
        description="Frames left out at the start; without a number, the equilibration is "
        "detected.",
    )
    running_points: int = Field(
        default=50, ge=4, description="Points of the running K(t) and C_ij(t)."
    )
    tolerance: float = Field(
        default=0.1, gt=0, description="Relative standard error of K that counts as converged."
    )
    max_blocks: int = Field(default=4096, ge=64, description="Blocks of frames kept in memory.")


def check_temperature(temperature: float) -> None:
    if not (np.isfinite(temperature) and temperature > 0):
        raise InputError(f"the temperature must be positive, in K; got {temperature}")


@dataclass(frozen=True)
class Spread:
    """Standard deviation over bootstrap samples; a resample of k blocks varies like k − 1."""

    blocks: float

    def __call__(self, samples: Array) -> Array:
        widen = np.sqrt(self.blocks / (self.blocks - 1))
        return np.asarray(widen * samples.std(axis=0, ddof=1))


def check_flexible(sums: Array, *, source: str) -> None:
    """InputError unless all six strains move, independently; sums (blocks, 39)."""
    variances, modes = strain_modes(sums.sum(axis=0))
    if variances[-1] <= 1e-20:
        raise InputError(
            "the cell is the same in every frame: moduli from fluctuations need a run with a "
            "flexible cell (npt-flexible), and this one keeps its box",
            source,
        )
    still = variances < 1e-7 * variances[-1]
    if still.any():
        angles = np.abs(modes[3:, still]).max() > 0.1
        raise InputError(
            f"only {6 - int(still.sum())} of the six strains of the cell move"
            + (", its angles are held" if angles else "")
            + ": a stiffness tensor needs a flexible triclinic cell (npt-flexible; in LAMMPS "
            "`fix npt tri`); `zifglass.mechanics.volume_fluctuations` gives K alone",
            source,
        )


def linear_series(sums: Array) -> Array:
    """(blocks, 7): block means of the relative volume and of the six principal strains."""
    _, modes = strain_modes(sums.sum(axis=0))
    volume = sums[:, 28] / sums[:, 0]
    return np.column_stack([volume, (mean_strain(sums) * mandel_of_strain) @ modes])


def equilibrated_from(sums: Array) -> int:
    """The block from which volume and every strain count as equilibrated (Chodera 2016)."""
    if len(sums) < 20:
        return 0
    return max(detect_equilibration(column).start for column in linear_series(sums).T)


def check_settled(equilibration: Array, rest: Array, *, source: str) -> None:
    """InputError where most of the run is left out as equilibration, and has another volume than
    the rest by more than its fluctuation: that is a drift or a phase change."""
    left_out, kept = equilibration.sum(axis=0), rest.sum(axis=0)
    if left_out[0] <= kept[0]:
        return
    before, (after, variance) = volume_moments(left_out)[0], volume_moments(kept)
    change = float((after - before) / (1.0 + before))
    if abs(after - before) > np.sqrt(variance):
        raise InputError(
            f"the cell drifts or collapses: {left_out[0]:.0f} of {left_out[0] + kept[0]:.0f} "
            "frames would have to be left out as equilibration, and the volume of the rest "
            f"differs by {change:+.1%} (ZIF-4's closed-pore phase?); run longer, or name the "
            "frames to leave out (discard) if the rest is the state you want",
            source,
        )


@dataclass(frozen=True)
class CellInefficiency:
    """Frames per independent sample of the second moments of a cell.

    worst: of the slowest strain mode or of the volume. mean: of all six modes together.
    """

    worst: float
    mean: float


def cell_inefficiency(sums: Array, *, block_frames: int) -> CellInefficiency:
    """How many frames are worth one independent Gaussian one, for the covariance of the cell.

    For each squared strain mode (and δV²) the variance of its mean over the run, over the one
    that independent Gaussian frames would have, 2σ⁴/n; for d² = δη cov⁻¹ δη, all modes alike,
    12/n. The Gaussian as the measure makes the result independent of the length of the blocks.
    """
    total = sums.sum(axis=0)
    variances, modes = strain_modes(total)
    mean = mean_strain(total)
    eta = mean_strain(sums)
    cross = eta[:, :, None] * mean
    squared = second_moments(sums) - cross - np.swapaxes(cross, 1, 2) + np.outer(mean, mean)
    change = modes.T * mandel_of_strain @ change_of_reference(stretch_of(mean))
    squares = np.einsum("ki,bij,kj->bk", change, squared, change) / variances
    v = total[28] / total[0]
    volume = (sums[:, 29] - 2 * v * sums[:, 28]) / sums[:, 0] + v**2
    columns = [*squares.T, volume / np.average(volume, weights=sums[:, 0])]
    return CellInefficiency(
        worst=max(_gaussian_inefficiency(c, block_frames, 2.0) for c in columns),
        mean=_gaussian_inefficiency(squares.sum(axis=1), block_frames, 12.0),
    )


def _gaussian_inefficiency(blocks: Array, block_frames: int, variance: float) -> float:
    """Of block means (blocks,) of a quantity whose Gaussian frames have this `variance`."""
    inefficiency = statistical_inefficiency(blocks) * float(blocks.var()) * block_frames / variance
    return max(1.0, inefficiency)


def check_stationary(sums: Array, *, source: str) -> None:
    """InputError where the volume or a strain has a trend of more than five standard errors."""
    for index, column in enumerate(linear_series(sums).T):
        change, score = trend(column)
        if abs(score) > 5.0:
            what, kind = ("volume", "volume") if index == 0 else ("shape", "strain")
            raise InputError(
                f"the {what} of the cell drifts by {100 * change:+.2g} % in {kind} over the run "
                f"({abs(score):.0f} standard errors): equilibrate longer, or look for a collapse "
                "(ZIF-4's closed-pore phase) or another phase change in it",
                source,
            )


def trend(series: Array) -> tuple[float, float]:
    """(change from end to end of the straight line through a series (n,), change/its error).

    The error takes the correlation of what is left around the line into account.
    """
    count = len(series)
    if count < 5:
        return 0.0, 0.0
    x = np.linspace(-0.5, 0.5, count)
    slope = float(x @ series / (x @ x))
    rest = series - series.mean() - slope * x
    error = float(np.sqrt(statistical_inefficiency(rest) * rest @ rest / (count - 2) / (x @ x)))
    return slope, slope / error if error > 0 else 0.0


def block_length(inefficiency: float, count: int) -> int:
    """Samples per bootstrap block, for `count` samples of inefficiency g.

    g times the cube root of the number of independent samples, at least 3 g, at most an eighth
    of the series: a block of L samples misses about g/(2L) of the variance, and the count/L
    blocks know it to √(2L/count). Politis and White, DOI 10.1081/ETC-120028836.
    """
    independent = count / inefficiency
    return max(1, min(ceil(inefficiency * max(3.0, independent ** (1 / 3))), count // 8))


def require_independent(
    frames: int, inefficiency: float, *, used: float, minimum: int, source: str
) -> float:
    """The number of independent samples among `used` of `frames` frames, or an InputError."""
    independent = used / inefficiency
    if independent < minimum:
        raise InputError(
            f"{frames} frames hold only {independent:.0f} independent samples of the cell (one "
            f"per {inefficiency:.3g} frames in the {used:.0f} left after equilibration), too few "
            f"for a modulus with an error bar: at least {minimum} are needed, that is "
            f"{ceil(minimum * inefficiency)} frames of equilibrated run; if the cell drifts or has "
            "collapsed, more frames will not help",
            source,
        )
    return independent
