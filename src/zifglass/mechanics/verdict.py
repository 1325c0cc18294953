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
    mean that two estimates share it. bulk_modulus: eV/Å³; density: amu/Å³ at zero pressure;
    temperature: K; None if not known; *_std: standard errors.
    """

    method: str
    average: Average
    run: str
    bulk_modulus: float
    bulk_modulus_std: float
    density: float | None = None
    density_std: float | None = None
    temperature: float | None = None

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
            sweep.density0, sweep.density0_std, sweep.temperature,
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
                density, error, result.temperature,
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
        Estimate(method, kind, run, float(k), float(k_std), density, error, result.temperature)
        for method, kind, k, k_std in rows
    ]


def estimates_of_results(results: Mapping[str, Any], *, run: str) -> list[Estimate]:
    """From the results.json of a strain sweep or a fluctuation run, as `quantities` makes it."""

    def value(name: str, unit: float) -> tuple[float, float]:
        entry = results.get(name)
        pair = (entry.get("value"), entry.get("std")) if isinstance(entry, dict) else (None, None)
        number, std = pair
        if not isinstance(number, int | float) or not isinstance(std, int | float):
            raise InputError(f"{name} comes without a value or a standard error", run)
        return number * unit, std * unit

    if "density_at_zero_pressure" in results:
        density = value("density_at_zero_pressure", g_per_cm3)
        rows: list[tuple[str, Average, str]] = [("strain sweep", "voigt", "bulk_modulus")]
    elif "bulk_modulus_volume" in results:
        density = value("density", g_per_cm3)
        rows = [("volume fluctuations", "reuss", "bulk_modulus_volume")]
        for kind in averages:
            rows.append(("strain fluctuations", kind, f"bulk_modulus_{kind}"))
    elif "bulk_modulus_hill" in results:
        raise InputError(
            "these are moduli at 0 K (mechanics static): their errors are numerical ones, and a "
            "run at a temperature need not agree with them; leave them out",
            run,
        )
    else:
        raise InputError("these are no results of a strain sweep or of fluctuations", run)
    temperature = results.get("about", {}).get("temperature_K")
    return [
        Estimate(method, kind, run, *value(name, GPa), *density, temperature)
        for method, kind, name in rows
    ]


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
    """comparisons: every pair. chi_squared, degrees_of_freedom: of independent like estimates
    about their common weighted mean, for the kind of mean (Voigt, Reuss; Hill where neither can
    be judged) that agrees least. probability: of so large a χ² by chance, times the number of
    kinds judged: they share the fluctuations of their runs and cannot be added up. NaN where
    nothing can be judged. verdict: ``agree``, ``disagree`` (probability below 1 %, or densities
    of different materials) or ``undecided``."""

    comparisons: tuple[Comparison, ...]
    chi_squared: float
    degrees_of_freedom: int
    probability: float
    verdict: Verdict


def compare_methods(estimates: Sequence[Estimate]) -> MechanicsVerdict:
    """The methods side by side; see the head of this module for what counts.

    Raises InputError on fewer than two estimates, one run under two names, or different
    temperatures.
    """
    if len(estimates) < 2:
        raise InputError(f"a comparison takes at least two estimates; got {len(estimates)}")
    check_one_temperature({e.run: e.temperature for e in estimates})
    for a, b in combinations(estimates, 2):
        if a.run != b.run and _are_twins(a, b):
            raise same_run(a.run, b.run)
    comparisons = tuple(_compare(a, b) for a, b in combinations(estimates, 2))
    judged: list[tuple[float, float, int, list[Estimate]]] = []
    for kind in averages:
        # One per run: two of the same run share their fluctuations.
        per_run = list({e.run: e for e in reversed(estimates) if e.average == kind}.values())[::-1]
        if len(per_run) < 2 or (kind == "hill" and judged):  # the mean of two kinds judged
            continue
        value = np.array([e.bulk_modulus for e in per_run])
        weight = np.array([e.bulk_modulus_std for e in per_run]) ** -2.0
        chi_squared = float(weight @ (value - weight @ value / weight.sum()) ** 2)
        freedom = len(per_run) - 1
        judged.append((float(chi2.sf(chi_squared, freedom)), chi_squared, freedom, per_run))
    if not judged:
        nan = float("nan")
        sentence = (
            "no two of these estimates are of the same kind and from independent runs: nothing "
            "here confirms anything"
        )
        return MechanicsVerdict(comparisons, nan, 0, nan, Verdict("undecided", sentence))
    least, chi_squared, freedom, per_run = min(judged, key=lambda j: j[0])
    probability = min(1.0, len(judged) * least)
    worst = max((_compare(a, b) for a, b in combinations(per_run, 2)), key=lambda c: abs(c.z))
    sentence = (
        f"independent estimates of the {worst.first.average.title()} K have χ² {chi_squared:.2g} "
        f"for {freedom} degree{'s' if freedom > 1 else ''} of freedom (p = {probability:.2g}); "
        f"furthest apart are {worst.first.method} of {worst.first.run} and {worst.second.method} "
        f"of {worst.second.run}, by {worst.difference / GPa:+.2f} ± {worst.std / GPa:.2f} GPa"
    )
    word = "agree" if probability >= 0.01 else "disagree"
    if apart := _unlike_densities(estimates):
        word, sentence = "disagree", f"{apart}; {sentence}"
    return MechanicsVerdict(
        comparisons, chi_squared, freedom, probability, Verdict(word, sentence, probability)
    )


def check_one_temperature(temperatures: Mapping[str, float | None]) -> None:
    """InputError where the temperatures (run → K or None) differ by more than 2 %."""
    known = {run: t for run, t in temperatures.items() if t is not None}
    if not known:
        return
    low, high = min(known, key=lambda r: known[r]), max(known, key=lambda r: known[r])
    if known[high] > 1.02 * known[low]:
        raise InputError(
            f"moduli are put side by side at one temperature; {low} is at {known[low]:g} K, "
            f"{high} at {known[high]:g} K"
        )


def same_run(first: str, second: str) -> InputError:
    """What to raise when two names turn out to be one run."""
    return InputError(
        f"{first} and {second} are the same run under two names (equal to the sixth digit); a run "
        "cannot confirm itself"
    )


def _are_twins(a: Estimate, b: Estimate) -> bool:
    if (a.method, a.average) != (b.method, b.average) or a.density is None or b.density is None:
        return False
    return bool(
        np.allclose(
            [a.bulk_modulus, a.bulk_modulus_std, a.density],
            [b.bulk_modulus, b.bulk_modulus_std, b.density],
            rtol=1e-6,
            atol=0.0,
        )
    )


def _unlike_densities(estimates: Sequence[Estimate]) -> str | None:
    """In words, where two runs differ in density by more than 5 % and five standard errors."""
    for a, b in combinations(estimates, 2):
        if a.density is None or b.density is None or a.run == b.run:
            continue
        difference = a.density - b.density
        error = float(np.hypot(a.density_std or 0.0, b.density_std or 0.0))
        if abs(difference) > max(0.05 * max(a.density, b.density), 5.0 * error):
            return (
                f"{a.run} has {a.density / g_per_cm3:.3f} g/cm³ and {b.run} "
                f"{b.density / g_per_cm3:.3f}: not one material in one state"
            )
    return None


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
