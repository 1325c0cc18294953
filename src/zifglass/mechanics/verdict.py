"""Several moduli of one material side by side: what may be compared, and whether it agrees.

Like with like. K from volume fluctuations is the Reuss K of the same run: their agreement is an
identity and confirms nothing. An isotropic sweep at fixed shape gives a Voigt-like K. So Voigt
is compared with Voigt, Reuss with Reuss, and a verdict rests on estimates from independent
trajectories alone. Sources: Tables S4, S7 and S8 of the SI; methods of this project.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2

from zifglass.core.errors import InputError
from zifglass.core.monitor import Verdict
from zifglass.core.units import GPa, g_per_cm3

from .fluctuations import ElasticFluctuations
from .strain_sweep import StrainSweep
from .volume import VolumeFluctuations

Array = NDArray[np.float64]
Average = Literal["voigt", "reuss", "hill"]
averages: tuple[Average, ...] = get_args(Average)


@dataclass(frozen=True)
class Estimate:
    """One bulk modulus by one method from one run.

    method: ``strain sweep``, ``volume fluctuations``, ``strain fluctuations``, ``static``, …
    average: which kind of mean over directions it is. run: names the trajectory; equal names
    mean that two estimates share it. bulk_modulus: eV/Å³; density: amu/Å³ at zero pressure,
    None if not known; *_std: standard errors.
    """

    method: str
    average: Average
    run: str
    bulk_modulus: float
    bulk_modulus_std: float
    density: float | None = None
    density_std: float | None = None

    def __post_init__(self) -> None:
        if not (self.bulk_modulus_std > 0 and np.isfinite(self.bulk_modulus_std)):
            raise InputError(
                f"the bulk modulus by {self.method} of {self.run} comes without a standard error; "
                "it cannot enter a comparison"
            )


def estimates_of_sweep(sweep: StrainSweep, *, run: str) -> list[Estimate]:
    """The sweep's one estimate, Voigt-like."""
    return [
        Estimate(
            "strain sweep", "voigt", run, sweep.bulk_modulus, sweep.bulk_modulus_std,
            sweep.density0, sweep.density0_std,
        )
    ]  # fmt: skip


def estimates_of_fluctuations(
    result: ElasticFluctuations | VolumeFluctuations,
    *,
    run: str,
    mass: float,
    average: Literal["voigt", "reuss"] = "reuss",
) -> list[Estimate]:
    """Of a flexible run: K from the volume (Reuss) and Voigt, Reuss, Hill from the tensor.

    Of a `VolumeFluctuations` one, of the kind `average`: Reuss for a flexible cell, Voigt for a
    box of fixed shape. mass: of the cell, amu, for the density.
    """
    density, error = mass / result.volume, mass * result.volume_std / result.volume**2
    if isinstance(result, VolumeFluctuations):
        return [
            Estimate(
                "volume fluctuations", average, run, result.bulk_modulus, result.bulk_modulus_std,
                density, error,
            )
        ]  # fmt: skip
    a, s = result.averages, result.averages_std
    rows: list[tuple[str, Average, Array | float, Array | float]] = [
        (
            "volume fluctuations",
            "reuss",
            result.bulk_modulus_volume,
            result.bulk_modulus_volume_std,
        ),
        ("strain fluctuations", "reuss", a.bulk_reuss, s.bulk_reuss),
        ("strain fluctuations", "voigt", a.bulk_voigt, s.bulk_voigt),
        ("strain fluctuations", "hill", a.bulk_hill, s.bulk_hill),
    ]
    return [
        Estimate(method, kind, run, float(k), float(k_std), density, error)
        for method, kind, k, k_std in rows
    ]


def estimates_of_results(results: Mapping[str, Any], *, run: str) -> list[Estimate]:
    """From the results.json of a strain sweep or a fluctuation run, as `quantities` makes it."""

    def value(name: str, unit: float) -> tuple[float, float]:
        entry = results[name]
        if entry["value"] is None or entry["std"] is None:
            raise InputError(f"{name} comes without a value or a standard error", run)
        return entry["value"] * unit, entry["std"] * unit

    if "density_at_zero_pressure" in results:
        density = value("density_at_zero_pressure", g_per_cm3)
        rows: list[tuple[str, Average, str]] = [("strain sweep", "voigt", "bulk_modulus")]
    elif "bulk_modulus_volume" in results:
        density = value("density", g_per_cm3)
        rows = [("volume fluctuations", "reuss", "bulk_modulus_volume")]
        for kind in averages:
            rows.append(("strain fluctuations", kind, f"bulk_modulus_{kind}"))
    else:
        raise InputError("these are no results of a strain sweep or of fluctuations", run)
    return [Estimate(method, kind, run, *value(name, GPa), *density) for method, kind, name in rows]


@dataclass(frozen=True)
class Comparison:
    """Two estimates: first − second, eV/Å³, its standard error, and the ratio of the two.

    relation: ``independent`` (like with like from different runs: counts), ``same run`` (an
    identity or a shared error: does not count), ``unlike`` (different kinds of mean: a
    difference is expected).
    """

    first: Estimate
    second: Estimate
    relation: Literal["independent", "same run", "unlike"]
    difference: float
    std: float

    @property
    def z(self) -> float:
        return self.difference / self.std


@dataclass(frozen=True)
class MechanicsVerdict:
    """comparisons: every pair. chi_squared, degrees_of_freedom, probability: of independent like
    estimates about their common weighted mean, all kinds added up; NaN where there are none.
    verdict: ``agree``, ``disagree`` (probability below 1 %) or ``undecided``."""

    comparisons: tuple[Comparison, ...]
    chi_squared: float
    degrees_of_freedom: int
    probability: float
    verdict: Verdict


def compare_methods(estimates: Sequence[Estimate]) -> MechanicsVerdict:
    """The methods side by side; see the head of this module for what counts."""
    if len(estimates) < 2:
        raise InputError(f"a comparison takes at least two estimates; got {len(estimates)}")
    comparisons = tuple(_compare(a, b) for a, b in combinations(estimates, 2))
    chi_squared, freedom = 0.0, 0
    for kind in averages:
        # One per run: two of the same run share their fluctuations.
        per_run = {e.run: e for e in reversed(estimates) if e.average == kind}
        if kind == "hill" and freedom:
            continue  # the mean of two kinds already counted
        if len(per_run) > 1:
            value = np.array([e.bulk_modulus for e in per_run.values()])
            weight = np.array([e.bulk_modulus_std for e in per_run.values()]) ** -2.0
            mean = weight @ value / weight.sum()
            chi_squared += float(weight @ (value - mean) ** 2)
            freedom += len(per_run) - 1
    if freedom == 0:
        nan = float("nan")
        sentence = (
            "no two of these estimates are of the same kind and from independent runs: nothing "
            "here confirms anything"
        )
        return MechanicsVerdict(comparisons, nan, 0, nan, Verdict("undecided", sentence))
    probability = float(chi2.sf(chi_squared, freedom))
    word = "agree" if probability >= 0.01 else "disagree"
    counted = [c for c in comparisons if c.relation == "independent"]
    worst = max(counted, key=lambda c: abs(c.z))
    sentence = (
        f"independent estimates of one kind have χ² {chi_squared:.2g} for {freedom} degrees of "
        f"freedom (p = {probability:.2g}); furthest apart are {worst.first.method} of "
        f"{worst.first.run} and {worst.second.method} of {worst.second.run}, by "
        f"{worst.difference / GPa:+.2f} ± {worst.std / GPa:.2f} GPa"
    )
    return MechanicsVerdict(
        comparisons, chi_squared, freedom, probability, Verdict(word, sentence, probability)
    )


def _compare(a: Estimate, b: Estimate) -> Comparison:
    if a.run == b.run:
        relation: Literal["independent", "same run", "unlike"] = "same run"
    elif a.average != b.average:
        relation = "unlike"
    else:
        relation = "independent"
    return Comparison(
        a,
        b,
        relation,
        a.bulk_modulus - b.bulk_modulus,
        float(np.hypot(a.bulk_modulus_std, b.bulk_modulus_std)),
    )


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
    """

    labels: tuple[str, ...]
    values: Array
    stds: Array
    mean: float
    mean_std: float
    spread: float
    sampling: float
    intrinsic: float


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
    return Ensemble(
        labels=tuple(labels),
        values=x,
        stds=s,
        mean=float(x.mean()),
        mean_std=spread / float(np.sqrt(len(x))),
        spread=spread,
        sampling=sampling,
        intrinsic=float(np.sqrt(max(0.0, spread**2 - sampling**2))),
    )


def table(estimates: Sequence[Estimate]) -> list[dict[str, str | float | None]]:
    """The rows of the side-by-side table, in GPa and g/cm³."""
    return [
        {
            "method": e.method,
            "average": e.average,
            "run": e.run,
            "bulk_modulus_GPa": e.bulk_modulus / GPa,
            "bulk_modulus_std_GPa": e.bulk_modulus_std / GPa,
            "density_g_per_cm3": None if e.density is None else e.density / g_per_cm3,
            "density_std_g_per_cm3": None if e.density_std is None else e.density_std / g_per_cm3,
        }
        for e in estimates
    ]
