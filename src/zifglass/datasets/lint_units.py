"""In which units a data set is, by physics: bond lengths, X–H springs, energy against forces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core.units import bohr, hartree, kB, kcal_per_mol, kJ_per_mol

from .findings import Finding
from .labelled import Indices, LabelledSet
from .molecules import hydrogen_bonds, nearest_over_radii
from .settings import LintSettings

Array = NDArray[np.float64]

_lengths = {"Å": 1.0, "Bohr": bohr, "nm": 10.0}
_forces = {
    "eV/Å": 1.0,
    "Hartree/Bohr": hartree / bohr,
    "Hartree/Å": hartree,
    "eV/Bohr": 1 / bohr,
    "kcal/mol/Å": kcal_per_mol,
    "kJ/mol/Å": kJ_per_mol,
    "meV/Å": 1e-3,
}
_energies = {
    "eV": 1.0,
    "Hartree": hartree,
    "Rydberg": hartree / 2,
    "kcal/mol": kcal_per_mol,
    "kJ/mol": kJ_per_mol,
    "meV": 1e-3,
}
_spring = {1: 36.0, 6: 32.0, 7: 42.0, 8: 50.0}
"""eV/Å²: stretching H on this element (CP2K's crystal of ZIF-4: 33 for C–H); others as carbon."""
_spring_spread = 1.7
_nearest = 1.0
"""Nearest neighbour of hydrogen over the sum of covalent radii."""
_nearest_spread = 1.3
_step_limit = 0.25
"""Å: frames whose atoms moved less are consecutive, and ΔE = −∫F·dr can be checked."""
# Hartree per pseudo-atom with GTH potentials (valence only, spin-averaged, to some per cent):
# only to tell Hartree from eV where frames are independent of one another.
_valence = {1: -0.50, 6: -5.4, 7: -9.8, 8: -15.9, 30: -60.5}


@dataclass(frozen=True)
class Springs:
    """The X–H stretch in the units as given. stiffness: −slope of force against length.
    correlation: of the two. thermal: −⟨F δr⟩, an energy, k_B T by equipartition. bonds: seen.
    expected: what the stiffness of these bonds is in eV/Å²."""

    stiffness: float
    expected: float
    correlation: float
    thermal: float
    bonds: int

    @property
    def convincing(self) -> bool:
        """Whether there is a spring at all, that is bonds of differing length."""
        return self.bonds >= 8 and abs(self.correlation) > 0.7


def length_unit(data: LabelledSet, frames: Indices) -> tuple[str | None, float]:
    """(unit, median nearest distance over covalent radii); None if no unit explains it."""
    seen = np.concatenate([nearest_over_radii(data.structure(i)) for i in frames[:5]])
    ratio = float(np.nanmedian(seen)) if np.isfinite(seen).any() else float("nan")
    return _nearest_unit(_lengths, _nearest, ratio, _nearest_spread), ratio


def springs(data: LabelledSet, frames: Indices, *, scale: float) -> Springs | None:
    """The X–H stretch seen by the forces; None without forces or hydrogen. scale: Å per length."""
    if data.forces is None:
        return None
    lengths, pulls, partners = [], [], []
    for index in frames:
        bonds = hydrogen_bonds(data.structure(index), scale=scale)
        force = data.forces[index][bonds.hydrogen]
        lengths.append(bonds.lengths)
        pulls.append(np.einsum("bi,bi->b", force, bonds.units))
        partners.append(data.numbers[bonds.partner])
    r, f, kind = (np.concatenate(x) for x in (lengths, pulls, partners))
    good = np.isfinite(f)
    r, f, kind = r[good], f[good], kind[good]
    if len(r) < 8:
        return None
    for z in np.unique(kind):  # each kind of bond has its own length at rest
        r[kind == z] -= r[kind == z].mean()
        f[kind == z] -= f[kind == z].mean()
    variance = float(np.mean(r * r))
    if variance * scale**2 < 1e-8 or not f.any():
        return None
    covariance = float(np.mean(r * f))
    correlation = covariance / np.sqrt(variance * float(np.mean(f * f)))
    expected = float(np.mean([_spring.get(int(z), _spring[6]) for z in kind]))
    return Springs(-covariance / variance, expected, float(correlation), -covariance, len(r))


def lint_units(
    data: LabelledSet, settings: LintSettings
) -> tuple[list[Finding], list[str], float | None]:
    """Findings and notes on lengths, forces and energies, and k_B T (eV) as the forces say."""
    findings: list[Finding] = []
    notes: list[str] = []
    frames = data.sample(settings.frames_per_check)
    unit, ratio = length_unit(data, frames)
    scale = _lengths.get(unit or "Å", 1.0)
    findings += _on_lengths(data, unit, ratio)
    spring = springs(data, frames, scale=scale)
    force_unit = "eV/Å"
    if spring is None or not spring.convincing:
        notes.append(f"{data.source}: units of forces not judged (too few X–H bonds in motion)")
    else:
        found, stiffness = _force_unit(spring, scale)
        findings += _on_forces(data, found, stiffness, scale)
        force_unit = found or force_unit
    thermal = None
    if spring is not None and spring.convincing:
        thermal = abs(spring.thermal) * scale * _forces[force_unit]
    direction = -1.0 if any(item.code == "sign.forces" for item in findings) else 1.0
    force = direction * _forces[force_unit]
    energy_findings, energy_notes = _lint_energies(data, thermal, scale, force)
    return findings + energy_findings, notes + energy_notes, thermal


def _on_lengths(data: LabelledSet, unit: str | None, ratio: float) -> list[Finding]:
    if unit == "Å" or np.isnan(ratio):
        return []
    hydrogen = bool((data.numbers == 1).any())
    said = f"they are in {unit}" if unit else "no usual unit explains it"
    return [
        Finding(
            "units.length",
            "error" if hydrogen else "warning",
            f"nearest neighbours are at {ratio:.2f} times the sum of covalent radii: {said}, not Å",
            data.source,
            f"multiply positions and cell by {_lengths[unit]:.6g}" if unit else "look at a frame",
            {"ratio": ratio, "unit": unit},
        )
    ]


def _force_unit(spring: Springs, scale: float) -> tuple[str | None, float]:
    stiffness = spring.stiffness / scale  # per Å, in the unit of force as given
    return _nearest_unit(_forces, spring.expected, abs(stiffness), _spring_spread), stiffness


def _on_forces(
    data: LabelledSet, unit: str | None, stiffness: float, scale: float
) -> list[Finding]:
    findings = []
    values = {"stiffness": stiffness, "unit": unit}
    if stiffness < 0:
        findings.append(
            Finding(
                "sign.forces",
                "error",
                "stretched X–H bonds are pushed further apart: the forces are gradients, of the "
                "other sign",
                data.source,
                "multiply the forces by −1",
                values,
            )
        )
    if unit != "eV/Å":
        said = f"the forces are in {unit}" if unit else "no usual unit of force explains it"
        findings.append(
            Finding(
                "units.forces",
                "error",
                f"X–H bonds have a stiffness of {abs(stiffness):.3g} where 20 to 65 eV/Å² is "
                f"physical: {said}, not eV/Å",
                data.source,
                f"multiply the forces by {_forces[unit]:.6g}" if unit else "look at the source",
                values,
            )
        )
    return findings


def _lint_energies(
    data: LabelledSet, thermal: float | None, length: float, force: float
) -> tuple[list[Finding], list[str]]:
    if data.energies is None:
        return [], []
    unit, reason, values = _energy_unit(data, thermal, length, force)
    if unit == "eV":
        return [], []
    if reason is None:
        return [], [
            f"{data.source}: unit of energies not judged (independent frames, unknown zero)"
        ]
    said = f"they are in {unit}" if unit else "no usual unit of energy explains it"
    mend = f"multiply the energies by {_energies[unit]:.6g}" if unit else "look at the source"
    finding = Finding(
        "units.energy", "error", f"{reason}: {said}, not eV", data.source, mend, values
    )
    return [finding], []


def _energy_unit(
    data: LabelledSet, thermal: float | None, length: float, force: float
) -> tuple[str | None, str | None, dict[str, float]]:
    """(unit, why) from the work of the forces, else the valence energies, else the fluctuation."""
    work = _work_slope(data, length, force)
    if work is not None:
        unit = _nearest_unit(_energies, 1.0, work, 1.5)
        return unit, f"energies change by {work:.3g} of the work of the forces", {"slope": work}
    absolute = _against_valence(data)
    if absolute is not None:
        return absolute
    assert data.energies is not None
    if thermal is None or len(data) < 20:
        return "eV" if thermal is None and len(data) < 2 else None, None, {}
    spread = np.concatenate(
        [data.energies[run] - np.nanmean(data.energies[run]) for run in data.runs()]
    )
    expected = np.sqrt(1.5 * len(data.numbers)) * thermal
    ratio = float(np.nanstd(spread)) / expected
    if 0.15 <= ratio <= 12:
        return "eV", None, {}
    unit = "Hartree" if 0.015 <= ratio < 0.15 else None
    why = f"energies spread {ratio:.2g} times as much as {thermal / kB:.0f} K makes them"
    return unit, why, {"ratio": ratio}


def _work_slope(data: LabelledSet, length: float, force: float) -> float | None:
    """Slope of ΔE against −Σ F·Δr between consecutive frames; None where there are none."""
    if data.forces is None or data.energies is None or len(data) < 2:
        return None
    work, change = [], []
    for first in range(len(data) - 1):
        if np.abs(data.cells[first + 1] - data.cells[first]).max() > 1e-6:
            continue
        step = data.positions[first + 1] - data.positions[first]
        fractional = step @ np.linalg.inv(data.cells[first])
        step = (fractional - np.round(fractional)) @ data.cells[first]
        if not 0 < np.abs(step).max() * length < _step_limit:
            continue
        mean_force = (data.forces[first] + data.forces[first + 1]) / 2
        work.append(-float(np.sum(mean_force * step)) * force * length)
        change.append(float(data.energies[first + 1] - data.energies[first]))
    w, d = np.array(work), np.array(change)
    good = np.isfinite(w) & np.isfinite(d)
    if good.sum() < 2 or not w[good].any():
        return None
    w, d = w[good], d[good]
    if abs(np.sum(w * d)) < 0.9 * np.sqrt(np.sum(w * w) * np.sum(d * d)):
        return None  # energies that forces do not explain: no slope to speak of
    return float(np.sum(w * d) / np.sum(w * w))


def _against_valence(
    data: LabelledSet,
) -> tuple[str | None, str | None, dict[str, float]] | None:
    if not set(np.unique(data.numbers).tolist()) <= set(_valence) or data.energies is None:
        return None
    reference = sum(_valence[int(z)] for z in data.numbers)
    ratio = float(np.nanmedian(data.energies)) / reference
    if 0.85 < ratio < 1.2:
        why = f"energies are {ratio:.2f} times the valence energy of the atoms in Hartree"
        return "Hartree", why, {"ratio": ratio}
    return ("eV", None, {}) if 0.85 < ratio / hartree < 1.2 else None


def _nearest_unit(
    units: Mapping[str, float], expected: float, seen: float, spread: float
) -> str | None:
    """The unit u with seen · u nearest to `expected`, if within a factor `spread`. First wins."""
    if not np.isfinite(seen) or seen <= 0:
        return None
    misfit = {name: abs(float(np.log(seen * size / expected))) for name, size in units.items()}
    usual = next(iter(units))
    if misfit[usual] < np.log(spread):
        return usual
    best = min(misfit, key=lambda name: misfit[name])
    return best if misfit[best] < np.log(spread) else None
