"""Stress labels: unit and sign, shear, kinetic part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Potential
from zifglass.core.units import GPa, bar, bohr, hartree, kB

from .findings import Finding
from .kinetic import KineticPart, kinetic_share
from .labelled import Indices, LabelledSet
from .molecules import intramolecular_stress
from .settings import LintSettings

Array = NDArray[np.float64]

_units = {
    "GPa": GPa,
    "kbar": 1e3 * bar,
    "bar": bar,
    "MPa": 1e-3 * GPa,
    "Hartree/Bohr³": hartree / bohr**3,
}
_usual = (0.4, 3.5)
"""Label over intramolecular part: 1.0–1.7 in CP2K's crystals of ZIF-4 (the rest acts between
molecules, mostly the same way)."""


@dataclass(frozen=True)
class Slope:
    """Label against intramolecular stress: slope, correlation, number of components."""

    slope: float
    correlation: float
    points: int

    @property
    def convincing(self) -> bool:
        """Correlation above 0.35 and by five standard errors (a fluke of 1e-6)."""
        error = np.sqrt((1 - self.correlation**2) / max(1, self.points - 2))
        return abs(self.correlation) > max(0.35, 5 * float(error))


def lint_stress(
    data: LabelledSet,
    settings: LintSettings,
    *,
    thermal: float | None,
    potential: Potential | None,
    trust_forces: bool,
) -> tuple[list[Finding], list[str]]:
    """Findings and notes on the stress labels.

    thermal: k_B T, eV, by the forces. trust_forces: False if forces or lengths are in doubt;
    unit and sign are then not judged.
    """
    if data.stress is None:
        return [], [f"{data.source}: no stress labels"]
    findings = _shear(data)
    notes: list[str] = []
    frames = data.sample(settings.frames_per_check)
    slope = _against_molecules(data, frames) if trust_forces else None
    if slope is None or not slope.convincing:
        notes.append(f"{data.source}: unit and sign of stress not judged (no molecular signal)")
        return findings + _kinetic(data, settings, thermal, potential, notes), notes
    wrong = _unit_and_sign(data, slope)
    if wrong:
        notes.append(f"{data.source}: kinetic part not judged before unit and sign are right")
        return findings + wrong, notes
    return findings + _kinetic(data, settings, thermal, potential, notes), notes


def _shear(data: LabelledSet) -> list[Finding]:
    assert data.stress is not None
    shear = data.stress[:, [0, 0, 1, 1, 2, 2], [1, 2, 0, 2, 0, 1]]
    diagonal = data.stress[:, [0, 1, 2], [0, 1, 2]]
    known = np.isfinite(diagonal).all(axis=1)
    findings = []
    absent = known & np.isnan(shear).any(axis=1)
    if absent.any():
        findings.append(
            Finding(
                "stress.no-shear",
                "warning",
                f"{absent.sum()} of {len(data)} stress labels have no shear components",
                data.source,
                "train on the diagonal alone, or label again with the full analytical stress "
                "(zifglass label)",
                {"frames": int(absent.sum())},
            )
        )
    zero = known & (shear == 0).all(axis=1) & diagonal.any(axis=1)
    if zero.sum() > len(data) / 2 and data.forces is not None and data.forces.any():
        findings.append(
            Finding(
                "stress.zero-shear",
                "error",
                f"{zero.sum()} of {len(data)} stress labels have shear components of exactly zero, "
                "which moving atoms do not give: they stand for absent ones",
                data.source,
                "mark them absent (NaN), or label again with the full analytical stress",
                {"frames": int(zero.sum())},
            )
        )
    lopsided = np.abs(data.stress - data.stress.transpose(0, 2, 1)).max(axis=(1, 2))
    scale = float(np.nanmax(np.abs(data.stress), initial=0.0))
    if scale and float(np.nanmax(lopsided, initial=0.0)) > 1e-3 * scale:
        findings.append(
            Finding(
                "stress.asymmetric",
                "error",
                "the stress tensor is not symmetric: its nine numbers are in another order",
                data.source,
                "write it row by row, xx xy xz yx yy yz zx zy zz",
            )
        )
    return findings


def _against_molecules(data: LabelledSet, frames: Indices) -> Slope | None:
    """Traceless parts, so that a kinetic or constant pressure changes nothing."""
    if data.forces is None or data.stress is None:
        return None
    pairs = []
    for index in frames:
        inner = intramolecular_stress(data.structure(index), data.forces[index])
        if inner is None:
            return None
        label = data.stress[index]
        both = [x - np.eye(3) * np.trace(x) / 3 for x in (inner, label)]
        upper = np.triu_indices(3)
        pairs.append(np.stack([x[upper] for x in both], axis=1))
    table = np.concatenate(pairs)
    table = table[np.isfinite(table).all(axis=1)]
    x, y = table.T if len(table) else (np.zeros(1), np.zeros(1))
    if not x.any() or not y.any():
        return None
    product = float(x @ y)
    # Five of six traceless components are independent.
    points = len(table) * 5 // 6
    return Slope(product / float(x @ x), product / float(np.sqrt((x @ x) * (y @ y))), points)


def _unit_and_sign(data: LabelledSet, slope: Slope) -> list[Finding]:
    size = abs(slope.slope)
    findings = []
    unit: str | None = "eV/Å³"
    if not _usual[0] <= size <= _usual[1]:
        volume = float(data.volumes.mean())
        candidates = _units | {"eV (a virial, not divided by the volume)": 1 / volume}
        misfit = {name: abs(float(np.log(size * u / 1.3))) for name, u in candidates.items()}
        best = min(misfit, key=lambda name: misfit[name])
        unit = best if misfit[best] < np.log(4) else None
        said = f"the labels are in {unit}" if unit else "no usual unit explains it"
        findings.append(
            Finding(
                "units.stress",
                "error",
                f"stress labels are {size:.3g} times what the forces inside the molecules give: "
                f"{said}, not eV/Å³",
                data.source,
                f"multiply the stress by {candidates[unit]:.6g}" if unit else "look at the source",
                {"slope": slope.slope, "unit": unit},
            )
        )
    # ASE's stress and the virial in eV have opposite signs.
    if slope.slope < 0 and not (unit or "").startswith("eV ("):
        findings.append(
            Finding(
                "sign.stress",
                "error",
                "stretched molecules show a negative stress (correlation "
                f"{slope.correlation:.2f}): the labels have the sign of a pressure, not tension "
                "positive",
                data.source,
                "multiply the stress by −1",
                {"slope": slope.slope, "correlation": slope.correlation},
            )
        )
    return findings


def _kinetic(
    data: LabelledSet,
    settings: LintSettings,
    thermal: float | None,
    potential: Potential | None,
    notes: list[str],
) -> list[Finding]:
    if settings.temperature is not None and thermal is None:
        thermal = kB * settings.temperature
    part = kinetic_share(
        data,
        potential=potential,
        frames=data.sample(min(20, settings.frames_per_check)),
        hydrogen_mass=settings.hydrogen_mass,
        thermal=thermal,
    )
    if part is None:
        notes.append(f"{data.source}: kinetic part of the stress not judged (no temperature)")
        return []
    return _kinetic_findings(data, settings, part, notes)


def _kinetic_findings(
    data: LabelledSet, settings: LintSettings, part: KineticPart, notes: list[str]
) -> list[Finding]:
    share = f"{part.share:.2f}" + (f" ± {part.std:.2f}" if np.isfinite(part.std) else "")
    text = f"{share} of the ionic kinetic pressure of {part.pressure:.2f} GPa by {part.evidence}"
    values = {"share": part.share, "std": part.std, "pressure": part.pressure}
    suspected = (
        part.evidence == "mean pressure"
        and part.share > 0.75
        and part.pressure > settings.min_pressure_for_mean
    )
    if part.decided and part.present:
        what = f"the stress labels hold {text}: they are total, not virial"
        mend = "zifglass dataset lint --fix OUT takes it out"
        return [Finding("stress.kinetic", "error", what, data.source, mend, values)]
    if suspected:
        what = f"the mean pressure looks like that of total labels ({text})"
        mend = "give --potential or velocities to decide; --fix takes it out"
        return [Finding("stress.kinetic-suspected", "warning", what, data.source, mend, values)]
    word = "hold" if part.decided else "seem to hold"
    notes.append(f"{data.source}: the stress labels {word} {text}")
    return []
