"""A quantity over sizes of the cell (Table S7) and over glasses (Table S8), any one unit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from zifglass.core.errors import InputError
from zifglass.core.monitor import Verdict

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FiniteSize:
    """A quantity against the number of atoms, fitted by x(∞) + slope/N.

    infinite, infinite_std: the extrapolated value. change, change_std: largest size minus
    smallest. chi_squared, degrees_of_freedom: of the line (0 for two sizes).
    """

    infinite: float
    infinite_std: float
    change: float
    change_std: float
    chi_squared: float
    degrees_of_freedom: int


def finite_size(n_atoms: Sequence[int], values: Array, *, stds: Array) -> FiniteSize:
    """What a periodic cell of N atoms does to a quantity (Table S7); any one unit."""
    n, x, s = (np.asarray(a, dtype=float) for a in (n_atoms, values, stds))
    if len(np.unique(n)) < 2 or not len(n) == len(x) == len(s):
        raise InputError(
            "a finite-size estimate takes a value and an error for each of at least two sizes; "
            f"got sizes {list(n_atoms)}"
        )
    if not (s > 0).all():
        raise InputError("every size needs a positive standard error")
    design = np.column_stack([np.ones_like(n), 1 / n]) / s[:, None]
    covariance = np.linalg.inv(design.T @ design)
    line = covariance @ design.T @ (x / s)
    rest = x / s - design @ line
    small, large = int(np.argmin(n)), int(np.argmax(n))
    return FiniteSize(
        infinite=float(line[0]),
        infinite_std=float(np.sqrt(covariance[0, 0])),
        change=float(x[large] - x[small]),
        change_std=float(np.hypot(s[large], s[small])),
        chi_squared=float(rest @ rest),
        degrees_of_freedom=len(n) - 2,
    )


@dataclass(frozen=True, eq=False)
class Ensemble:
    """A quantity over several glasses (Table S8: mean ± s.d.).

    values, stds (glasses,): each with its own error. mean; mean_std: standard error of the
    mean. spread: standard deviation between glasses (n − 1). sampling: root mean square of
    their own errors. intrinsic: what of the spread is left when that is taken off, 0 if none.
    probability: of so large a spread by their own errors alone.
    """

    labels: tuple[str, ...]
    values: Array
    stds: Array
    mean: float
    mean_std: float
    spread: float
    sampling: float
    intrinsic: float
    probability: float

    @property
    def verdict(self) -> Verdict:
        """``differ`` where sampling alone would spread them so with less than 1 %, else
        ``not told apart``."""
        if self.probability < 0.01:
            return Verdict(
                "differ",
                f"the glasses differ by more than their own errors (p = {self.probability:.1g})",
                self.probability,
            )
        return Verdict(
            "not told apart",
            f"their own errors explain the spread (p = {self.probability:.2g}): the glasses are "
            "not told apart",
            self.probability,
        )


def ensemble(labels: Sequence[str], values: Array, *, stds: Array) -> Ensemble:
    """Mean ± s.d. over glasses, and how much of the s.d. is mere sampling error."""
    x, s = (np.asarray(a, dtype=float) for a in (values, stds))
    if not (len(labels) == len(x) == len(s) and len(x) >= 2):
        raise InputError(
            f"an ensemble takes at least two glasses, each with a value and an error; got "
            f"{len(labels)} names, {len(x)} values and {len(s)} errors"
        )
    if not (np.isfinite(x).all() and (s > 0).all()):
        bad = labels[int(np.argmin(np.isfinite(x) & (s > 0)))]
        raise InputError(f"{bad} has no finite value with a positive standard error")
    spread, sampling = float(x.std(ddof=1)), float(np.sqrt(np.mean(s**2)))
    weight = s**-2.0 / np.sum(s**-2.0)
    chi_squared = float(np.sum(((x - weight @ x) / s) ** 2))
    return Ensemble(
        labels=tuple(labels),
        values=x,
        stds=s,
        mean=float(x.mean()),
        mean_std=spread / float(np.sqrt(len(x))),
        spread=spread,
        sampling=sampling,
        intrinsic=float(np.sqrt(max(0.0, spread**2 - sampling**2))),
        probability=float(chi2.sf(chi_squared, len(x) - 1)),
    )
