"""CP2K inputs from a structure and settings."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zifglass.core import InputError, Structure
from zifglass.core.structure import number_of

from .sections import Input, Line, Section
from .settings import Dynamics, LevelOfTheory
from .units import velocity_unit

Array = NDArray[np.float64]


def single_point_input(
    structure: Structure, level: LevelOfTheory | None = None, *, project: str = "label"
) -> Input:
    """Energy, forces and (unless ``level.stress`` is none) the stress of one structure.

    Raises InputError if an element has no basis set or pseudopotential in `level`, if the
    number of electrons does not fit the multiplicity, or if the structure is not periodic.
    """
    level = level or LevelOfTheory()
    printed = [Section("FORCES", "ON")]
    if level.stress != "none":
        printed.append(Section("STRESS_TENSOR", "ON"))
    return Input(
        (
            _global(project, "ENERGY_FORCE"),
            _force_eval(structure, level, masses={}, velocities=None, printed=tuple(printed)),
        )
    )


def aimd_input(
    structure: Structure,
    level: LevelOfTheory | None = None,
    dynamics: Dynamics | None = None,
    *,
    temperature: float,
    steps: int,
    velocities: Array | None = None,
    seed: int = 1,
    restart_file: str | Path | None = None,
    project: str = "aimd",
) -> Input:
    """`steps` steps of NVT molecular dynamics at `temperature` (K).

    velocities (atoms, 3): Å/fs, where the run goes on from another structure; without them CP2K
    draws Maxwell's from `seed`. restart_file: a CP2K restart file of the same run, whose
    positions, velocities, thermostat and counters replace those given here; `steps` are then
    the steps still to do. CP2K writes positions, velocities, forces, cell, energies and the
    TOTAL pressure tensor (ionic kinetic part included) as files.
    """
    level, dynamics = level or LevelOfTheory(), dynamics or Dynamics()
    if not temperature > 0:
        raise InputError(f"a thermostat needs a temperature above 0 K; got {temperature:g}")
    if steps < 1:
        raise InputError(f"molecular dynamics needs at least one step; got {steps}")
    top = [
        _global(project, "MD", seed=seed, walltime=dynamics.walltime),
        _force_eval(
            structure,
            level,
            masses={"H": dynamics.hydrogen_mass},
            velocities=velocities,
            printed=(Section("STRESS_TENSOR", "ON"),) if level.stress != "none" else (),
        ),
        _motion(level, dynamics, temperature=temperature, steps=steps),
    ]
    if restart_file is not None:
        top.append(Section("EXT_RESTART", lines=(("RESTART_FILE_NAME", str(restart_file)),)))
    return Input(tuple(top))


def valence_electrons(structure: Structure, level: LevelOfTheory) -> int:
    """Electrons of the calculation: the q of every pseudopotential, less the charge."""
    total = 0
    for symbol in structure.symbols:
        name = level.potential[symbol]
        match = re.search(r"-q(\d+)", name)
        if match is None:
            raise InputError(
                f"the pseudopotential {name!r} of {symbol} does not say its charge: name it with "
                "its -q suffix (GTH-PBE-q4)"
            )
        total += int(match[1])
    return total - level.charge


def _check(structure: Structure, level: LevelOfTheory) -> None:
    for symbol in sorted(set(structure.symbols)):
        for kind, table in (("basis set", level.basis), ("pseudopotential", level.potential)):
            if symbol not in table:
                raise InputError(
                    f"no {kind} is set for {symbol}: add one to the level of theory "
                    f"(it knows {', '.join(sorted(table))})"
                )
    if not structure.pbc.all():
        raise InputError(
            "CP2K runs here are periodic in three directions; put the molecule in a box"
        )
    electrons = valence_electrons(structure, level)
    if electrons < 1 or (electrons - level.multiplicity + 1) % 2:
        raise InputError(
            f"{electrons} electrons cannot have multiplicity {level.multiplicity}: change charge "
            "or multiplicity"
        )


def _global(
    project: str, run_type: str, *, seed: int | None = None, walltime: float | None = None
) -> Section:
    lines: list[Line] = [
        ("PRINT_LEVEL", "MEDIUM"),
        ("PROJECT_NAME", project),
        ("RUN_TYPE", run_type),
    ]
    if seed is not None:
        lines.append(("SEED", str(seed)))
    if walltime is not None:
        lines.append(("WALLTIME", f"{walltime:.0f}"))
    return Section("GLOBAL", lines=tuple(lines))


def _force_eval(
    structure: Structure,
    level: LevelOfTheory,
    *,
    masses: dict[str, float],
    velocities: Array | None,
    printed: tuple[Section, ...],
) -> Section:
    _check(structure, level)
    stress: Line = ("STRESS_TENSOR", level.stress.upper())
    return Section(
        "FORCE_EVAL",
        lines=(("METHOD", "QS"), stress),
        sections=(
            _dft(level),
            _subsys(structure, level, masses=masses, velocities=velocities),
            Section("PRINT", sections=printed),
        ),
    )


def _dft(level: LevelOfTheory) -> Section:
    lines: list[Line] = [("BASIS_SET_FILE_NAME", name) for name in level.basis_files]
    lines.append(("POTENTIAL_FILE_NAME", level.potential_file))
    if level.charge:
        lines.append(("CHARGE", str(level.charge)))
    if level.multiplicity > 1:
        lines += [("UKS", "T"), ("MULTIPLICITY", str(level.multiplicity))]
    grid: tuple[Line, ...] = (
        ("NGRIDS", str(level.ngrids)),
        ("CUTOFF", _number(level.cutoff)),
        ("REL_CUTOFF", _number(level.rel_cutoff)),
    )
    return Section(
        "DFT",
        lines=tuple(lines),
        sections=(
            _scf(level),
            Section("QS", lines=(("EPS_DEFAULT", _number(level.eps_default)),)),
            Section("MGRID", lines=grid),
            _xc(level),
        ),
    )


def _scf(level: LevelOfTheory) -> Section:
    return Section(
        "SCF",
        lines=(
            ("MAX_SCF", str(level.max_scf)),
            ("EPS_SCF", _number(level.eps_scf)),
            ("SCF_GUESS", "ATOMIC"),
        ),
        sections=(
            Section(
                "OT",
                "ON",
                lines=(
                    ("PRECONDITIONER", level.preconditioner),
                    ("MINIMIZER", level.minimizer),
                ),
            ),
            Section("PRINT", sections=(Section("RESTART", "OFF"),)),
        ),
    )


def _xc(level: LevelOfTheory) -> Section:
    floor = _number(level.density_cutoff)
    sections = [Section("XC_FUNCTIONAL", "NO_SHORTCUT", sections=(Section("PBE", "T"),))]
    if level.dispersion_cutoff is not None:
        pairs = Section(
            "PAIR_POTENTIAL",
            lines=(
                ("R_CUTOFF", _number(level.dispersion_cutoff)),
                ("TYPE", "DFTD3"),
                ("PARAMETER_FILE_NAME", level.dispersion_file),
                ("REFERENCE_FUNCTIONAL", "PBE"),
            ),
        )
        sections.append(
            Section(
                "VDW_POTENTIAL", lines=(("POTENTIAL_TYPE", "PAIR_POTENTIAL"),), sections=(pairs,)
            )
        )
    cutoffs = ("DENSITY_CUTOFF", "GRADIENT_CUTOFF", "TAU_CUTOFF")
    return Section("XC", lines=tuple((name, floor) for name in cutoffs), sections=tuple(sections))


def _subsys(
    structure: Structure,
    level: LevelOfTheory,
    *,
    masses: dict[str, float],
    velocities: Array | None,
) -> Section:
    cell: tuple[Line, ...] = tuple(
        (name, _vector(row, 10)) for name, row in zip("ABC", structure.cell, strict=True)
    )
    atoms: tuple[Line, ...] = tuple(
        (symbol, _vector(row, 10))
        for symbol, row in zip(structure.symbols, structure.positions, strict=True)
    )
    sections = [Section("CELL", lines=cell), Section("COORD", lines=atoms)]
    if velocities is not None:
        sections.append(_velocity(velocities, len(structure)))
    for symbol in sorted(set(structure.symbols)):
        lines: tuple[Line, ...] = (
            ("BASIS_SET", level.basis[symbol]),
            ("POTENTIAL", level.potential[symbol]),
        )
        if symbol in masses:
            lines = (("MASS", f"{masses[symbol]:.9f}"), *lines)
        sections.append(Section("KIND", symbol, lines=lines))
    return Section("SUBSYS", sections=tuple(sections))


def _velocity(velocities: Array, atoms: int) -> Section:
    if velocities.shape != (atoms, 3):
        raise InputError(
            f"{atoms} atoms need velocities of shape ({atoms}, 3); got {velocities.shape}"
        )
    rows = (_vector(row, 16).split(None, 1) for row in velocities / velocity_unit)
    return Section("VELOCITY", lines=tuple((first, rest) for first, rest in rows))


def _motion(level: LevelOfTheory, dynamics: Dynamics, *, temperature: float, steps: int) -> Section:
    thermostat = Section(
        "THERMOSTAT",
        lines=(("TYPE", "CSVR"),),
        sections=(Section("CSVR", lines=(("TIMECON", _number(dynamics.thermostat_time)),)),),
    )
    md = Section(
        "MD",
        lines=(
            ("ENSEMBLE", "NVT"),
            ("STEPS", str(steps)),
            ("TIMESTEP", _number(dynamics.timestep)),
            ("TEMPERATURE", _number(temperature)),
        ),
        sections=(thermostat,),
    )
    frames = ["TRAJECTORY", "VELOCITIES", "FORCES", "CELL"]
    if level.stress != "none":
        frames.append("STRESS")
    printed = [_each(name, dynamics.write_every) for name in frames]
    printed.append(_each("RESTART", dynamics.restart_every))
    return Section("MOTION", sections=(md, Section("PRINT", sections=tuple(printed))))


def _each(name: str, steps: int) -> Section:
    return Section(name, sections=(Section("EACH", lines=(("MD", str(steps)),)),))


def _vector(row: Array, digits: int) -> str:
    return " ".join(f"{value:.{digits}f}" for value in row)


def _number(value: float) -> str:
    return f"{value:.16g}"


def structure_in(tree: Input) -> Structure:
    """The atoms of an input or restart file: &CELL and &COORD, scaled or not, Å.

    Raises InputError if either is missing or in a form that only CP2K can expand.
    """
    cell, coord = (
        tree.find("FORCE_EVAL", "SUBSYS", "CELL"),
        tree.find("FORCE_EVAL", "SUBSYS", "COORD"),
    )
    if cell is None or coord is None:
        raise InputError("this CP2K file holds no &CELL and &COORD: its atoms are elsewhere")
    vectors = np.array(_cell_rows(cell), dtype=float)
    rows = [row for row in coord.rows() if row[0].upper() not in ("SCALED", "UNIT")]
    scaled = any(row[0].upper() == "SCALED" and row[1:2] != ["F"] for row in coord.rows())
    values = np.array([row[1:4] for row in rows], dtype=float)
    numbers = np.array([number_of(row[0].capitalize()) for row in rows])
    return Structure(numbers, values @ vectors if scaled else values, vectors)


def velocities_in(tree: Input) -> Array | None:
    """The velocities (atoms, 3) Å/fs of an input or restart file, None if it holds none."""
    section = tree.find("FORCE_EVAL", "SUBSYS", "VELOCITY")
    if section is None:
        return None
    return np.array(section.rows(), dtype=float) * velocity_unit


def _cell_rows(cell: Section) -> list[list[str]]:
    vectors = [cell.value(name) for name in "ABC"]
    lengths = cell.value("ABC")
    if lengths is not None and cell.value("ALPHA_BETA_GAMMA") is None:
        a, b, c = lengths.split()
        return [[a, "0", "0"], ["0", b, "0"], ["0", "0", c]]
    if any(vector is None for vector in vectors):
        raise InputError("the &CELL of this CP2K file does not give its vectors A, B and C")
    return [(vector or "").split() for vector in vectors]
