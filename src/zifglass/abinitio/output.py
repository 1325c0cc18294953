"""What CP2K printed: energy, forces, stress, cell, whether the SCF converged, which version.

Signs and units are settled here, once: Hartree and Hartree/Bohr become eV and eV/Å, and CP2K's
"stress tensor", which has the sign of a pressure, becomes tension positive in eV/Å³. The tensor
printed after an SCF is the virial part, in molecular dynamics too; the ionic kinetic part is in
the MD ``.stress`` file only (see md.py). Understood: the layouts of CP2K 2023 and 2024–2025 and
of the versions up to 7.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Structure
from zifglass.core.structure import number_of
from zifglass.core.units import GPa, atm, bar, bohr, hartree, pascal

from .sections import Input

Array = NDArray[np.float64]

_float = r"[-+]?\d+\.?\d*(?:[EeDd][-+]?\d+)?"
_energy = re.compile(rf"ENERGY\| Total FORCE_EVAL.*energy \[[^\]]*\]:?\s+({_float})")
_version = re.compile(r"CP2K\| version string:\s+(.*\S)")
_converged = re.compile(r"SCF run converged in\s+(\d+) steps")
_unconverged = re.compile(r"SCF run NOT converged")
_md_event = re.compile(
    r"(?P<unconverged>SCF run NOT converged)"
    r"|(?P<begins>MD_INI\| MD initialization|INITIAL POTENTIAL ENERGY)"
    r"|(?:MD\| Step number|STEP NUMBER\s*=)\s*(?P<step>\d+)"
)
_memory = re.compile(r"max memory usage/rank\s+([\d.E+]+)")
_vector = re.compile(
    rf"CELL\| Vector ([abc]) \[angstrom\]?:?\s+({_float})\s+({_float})\s+({_float})"
)
_stress_unit = re.compile(r"(?:STRESS\| Analytical stress tensor|STRESS TENSOR) \[(.+?)\]")
_stress_row = re.compile(
    rf"^ (?:STRESS\|\s+[xyz]|\s*[XYZ])\s+({_float})\s+({_float})\s+({_float})\s*$"
)
_old_force = re.compile(
    rf"^\s+\d+\s+\d+\s+([A-Z][a-z]?)\s+({_float})\s+({_float})\s+({_float})\s*$"
)
_new_force = re.compile(rf"^ FORCES\|\s+\d+\s+({_float})\s+({_float})\s+({_float})\s+{_float}\s*$")
_atom = re.compile(rf"^\s+\d+\s+\d+ ([A-Z][a-z]?)\s+\d+\s+({_float})\s+({_float})\s+({_float})\s")
_pressure_units = {
    "gpa": GPa,
    "mpa": 1e-3 * GPa,
    "kbar": 1e3 * bar,
    "bar": bar,
    "atm": atm,
    "pa": pascal,
    "hartree/bohr^3": hartree / bohr**3,
}


@dataclass(frozen=True, eq=False)
class SinglePoint:
    """One converged calculation.

    energy: eV. forces (atoms, 3): eV/Å, None if not printed. stress (3, 3): eV/Å³, virial part,
    tension positive, NaN where the calculation gives none, None if not printed. structure: Å;
    from CP2K's table, six decimals, and three for the cell's components: give the structure
    that was calculated where more is wanted. scf_steps: of the last SCF. memory: bytes per
    process, None if not printed. version: as printed.
    """

    structure: Structure
    energy: float
    forces: Array | None
    stress: Array | None
    scf_steps: int
    memory: float | None
    version: str
    path: Path

    @property
    def pressure_virial(self) -> float:
        """−tr(stress)/3, eV/Å³; NaN if there is no stress."""
        return float("nan") if self.stress is None else -float(np.trace(self.stress)) / 3.0


def read_single_point(
    path: str | Path, *, structure: Structure | None = None, cp2k_input: Input | None = None
) -> SinglePoint:
    """The result in a CP2K output of RUN_TYPE ENERGY or ENERGY_FORCE.

    structure: what was calculated, to full precision. cp2k_input: the input that made it; a
    DIAGONAL_ANALYTICAL stress is then read back without shear (NaN), as is one whose shear was
    printed as exact zeros.

    Raises InputError if the file is not a CP2K output, is cut short, holds CP2K's own error
    message (which is quoted), or if the SCF did not converge.
    """
    path = Path(path)
    text = _text(path)
    _check_finished(text, path)
    steps = _converged.findall(text)
    if _unconverged.search(text) or not steps:
        raise InputError(
            "the SCF did not converge, so energy and forces are not those of the ground state: "
            "raise max_scf or take another preconditioner",
            path,
        )
    energies = _energy.findall(text)
    if not energies:
        raise InputError("this CP2K output holds no energy (ENERGY| Total FORCE_EVAL)", path)
    memory = _memory.search(text)
    version = _version.search(text)
    structure = structure if structure is not None else _structure(text, path)
    forces = _forces(text)
    if forces is not None and len(forces) != len(structure):
        raise InputError(
            f"forces on {len(forces)} atoms were printed for a structure of {len(structure)}", path
        )
    return SinglePoint(
        structure=structure,
        energy=_fortran(energies[-1]) * hartree,
        forces=forces,
        stress=_without_absent_shear(_stress(text, path), cp2k_input),
        scf_steps=int(steps[-1]),
        memory=float(memory[1]) if memory else None,
        version=version[1] if version else "unknown",
        path=path,
    )


def unconverged_steps(path: str | Path) -> tuple[int, ...]:
    """MD steps of a CP2K output whose SCF did not converge, in order; the start is step 0.

    An MD output need not be finished. Steps count from the run's beginning, across restarts.
    """
    bad: list[int] = []
    pending, at_start = False, False
    first: int | None = None
    for event in _md_event.finditer(_text(Path(path))):
        if event["unconverged"]:
            pending = True
        elif event["begins"]:
            at_start, pending = pending, False
        else:
            step = int(event["step"])
            first = step if first is None else first
            if pending:
                bad.append(step)
            pending = False
    start = (0 if first is None else first - 1,) if at_start else ()
    return (*start, *bad)


def error_message(path: str | Path) -> str | None:
    """CP2K's own words between [ABORT] and its stack trace, on one line; None if it has none."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    start = text.rfind("[ABORT]")
    if start < 0:
        return None
    words: list[str] = []
    for line in text[start:].splitlines()[1:]:
        if line.strip().startswith("****"):
            break
        kept = re.sub(r"^ \*|\*\s*$", "", line)
        kept = re.sub(r"^\s*(?:\\___/|\||O/\||/\| \||/ \\)", "", kept)
        words += [word for word in kept.split() if not re.fullmatch(r"\S+\.F:\d+", word)]
    return " ".join(words)


def stress_units(name: str, path: str | Path | None = None) -> float:
    """eV/Å³ in one unit of pressure as CP2K names it (GPa, bar, …)."""
    key = name.strip().lower()
    if key not in _pressure_units:
        raise InputError(
            f"unknown unit of stress [{name}]: known are {', '.join(_pressure_units)}", path
        )
    return _pressure_units[key]


def _text(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read this CP2K output: {error.strerror}", path) from error
    if "CP2K|" not in text and "[ABORT]" not in text:
        raise InputError("this is not the output of CP2K: it has no line 'CP2K| version'", path)
    return text


def _check_finished(text: str, path: Path) -> None:
    message = error_message(path) if "[ABORT]" in text else None
    if message:
        raise InputError(f"CP2K stopped: {message}", path)
    if "PROGRAM ENDED AT" not in text:
        raise InputError("this CP2K output is cut short: the run was killed or still goes on", path)


def _forces(text: str) -> Array | None:
    new = text.rfind("FORCES| Atomic forces")
    old = text.rfind("ATOMIC FORCES in [a.u.]")
    if max(new, old) < 0:
        return None
    pattern, start, first = (_new_force, new, 1) if new > old else (_old_force, old, 2)
    rows: list[list[float]] = []
    for line in text[start:].splitlines()[1:]:
        match = pattern.match(line)
        if match:
            rows.append([_fortran(match[first + k]) for k in range(3)])
        elif rows:
            break
    return np.array(rows) * (hartree / bohr) if rows else None


def _stress(text: str, path: Path) -> Array | None:
    found = list(_stress_unit.finditer(text))
    if not found:
        return None
    unit = stress_units(found[-1][1], path)
    rows: list[list[float]] = []
    for line in text[found[-1].end() :].splitlines():
        match = _stress_row.match(line)
        if match:
            rows.append([_fortran(value) for value in match.groups()])
        if len(rows) == 3:
            return -unit * np.array(rows)
    raise InputError("the stress tensor of this CP2K output is not three rows of numbers", path)


def _without_absent_shear(stress: Array | None, cp2k_input: Input | None) -> Array | None:
    if stress is None:
        return None
    declared = diagonal_only(cp2k_input) if cp2k_input is not None else False
    shear = ~np.eye(3, dtype=bool)
    if declared or not stress[shear].any():
        stress = np.where(shear, np.nan, stress)
    return stress


def diagonal_only(cp2k_input: Input) -> bool:
    """Whether the input asks for a stress tensor without shear components."""
    section = cp2k_input.find("FORCE_EVAL")
    kind = (section.value("STRESS_TENSOR") or "") if section else ""
    return kind.upper().startswith("DIAGONAL")


def _structure(text: str, path: Path) -> Structure:
    vectors = {m[1]: [_fortran(m[k]) for k in (2, 3, 4)] for m in _vector.finditer(text)}
    start = text.rfind("ATOMIC COORDINATES IN ANGSTROM")
    start = start if start >= 0 else text.rfind("Atomic coordinates in angstrom")
    symbols: list[str] = []
    rows: list[list[float]] = []
    for line in text[start:].splitlines()[1:] if start >= 0 else []:
        match = _atom.match(line)
        if match:
            symbols.append(match[1])
            rows.append([_fortran(match[k]) for k in (2, 3, 4)])
        elif rows:
            break
    if len(vectors) != 3 or not rows:
        raise InputError(
            "no cell or atomic coordinates in this CP2K output: give the structure that was "
            "calculated",
            path,
        )
    numbers = np.array([number_of(symbol) for symbol in symbols])
    return Structure(numbers, np.array(rows), np.array([vectors[name] for name in "abc"]))


def _fortran(value: str) -> float:
    return float(value.replace("D", "E").replace("d", "e"))
