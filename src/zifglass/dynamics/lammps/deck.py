"""A protocol as LAMMPS input: one file per segment, tied together by restart files.

The inputs follow the paper's (metal units, atom style atomic, Nosé–Hoover). A restart file
carries positions, velocities, box and thermostat from one segment to the next, and every run
counts its steps from the start of the protocol, so that a ramp that was cut by the wall time goes
on where it stopped: ``lmp -in in.03-heat -var fresh 0 -var from restart.03-heat.a``.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from zifglass.core import InputError, Structure, as_trajectory
from zifglass.core.files import write_text
from zifglass.core.protocol import Protocol, Segment
from zifglass.core.structure import masses_of, symbols_of
from zifglass.core.units import angstrom, bar, eV, ps
from zifglass.io import lammps_data

from ..protocol_file import write_protocol
from .models import PairModel

DATA = "structure.data"
PROTOCOL = "protocol.yaml"
_checkpoint_steps = 10000  # two restart files written in turn: what a killed job loses at most

THERMO_COLUMNS = (
    *("step", "time", "temp", "pe", "ke", "etotal", "econserve", "press", "c_virial", "vol"),
    *("lx", "ly", "lz", "xy", "xz", "yz", "pxx", "pyy", "pzz", "pxy", "pxz", "pyz"),
)


@dataclass(frozen=True)
class Deck:
    """folder; inputs: file names in the order to run; notes: what LAMMPS does differently."""

    folder: Path
    inputs: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where a segment stands in the deck."""

    label: str
    before: str | None  # the restart file it starts from; None: the data file
    first_step: int
    start: float | None  # K, where the thermostat starts
    at_rest: bool


def write_deck(
    folder: str | Path,
    structure: Structure,
    protocol: Protocol,
    model: PairModel,
    *,
    seed: int,
) -> Deck:
    """Write the deck of `protocol` for `structure` into `folder` (new or empty).

    Written: structure.data (types by atomic number), protocol.yaml, one ``in.NN-name`` per
    segment, run.sh, the model file. Raises
    InputError for what LAMMPS cannot express: segments that depend on the melting verdict
    (`when`). A segment `until` molten runs to its limit, which the notes say.
    """
    folder = Path(folder)
    if folder.exists() and any(folder.iterdir()):
        raise InputError("a deck needs a new or an empty folder", folder)
    conditional = next((s for s in protocol.segments if s.when), None)
    if conditional is not None:
        raise InputError(
            f"segment {conditional.name!r} runs only {conditional.when}: LAMMPS cannot look at the "
            "melting verdict; write a deck for each course, or use `zifglass md`"
        )
    kinds = sorted({int(z) for z in structure.numbers})
    folder.mkdir(parents=True, exist_ok=True)
    lammps_data.write(folder / DATA, as_trajectory(structure), types=symbols_of(kinds))
    write_protocol(folder / PROTOCOL, protocol)
    inputs, notes = [], []
    for place, segment in places(protocol):
        name = f"in.{place.label}"
        write_text(folder / name, _input(segment, place, protocol, model, kinds, seed))
        inputs.append(name)
        if segment.until:
            notes.append(
                f"{segment.name}: ends at its limit of {segment.duration / ps:g} ps, since LAMMPS "
                "cannot look at the melting verdict"
            )
    if model.file is not None:
        shutil.copyfile(model.file, folder / model.file.name)
    write_text(folder / "run.sh", _run_script(inputs, model))
    return Deck(folder, tuple(inputs), tuple(notes))


def places(protocol: Protocol) -> list[tuple[Place, Segment]]:
    """Every segment of `protocol` with its place in the deck."""
    found, before, step, reached, at_rest = [], None, 0, None, True
    width = len(str(len(protocol.segments)))
    for number, segment in enumerate(protocol.segments, start=1):
        label = f"{number:0{max(width, 2)}d}-{_slug(segment.name)}"
        start = segment.temperature[0] if segment.temperature else reached
        found.append((Place(label, before, step, start, at_rest), segment))
        before, step = f"restart.{label}", step + segment.n_steps
        if segment.temperature is not None:
            reached = segment.temperature[1]
        at_rest = segment.is_minimisation
    return found


def _input(
    segment: Segment,
    place: Place,
    protocol: Protocol,
    model: PairModel,
    kinds: list[int],
    seed: int,
) -> str:
    symbols = symbols_of(kinds)
    lines = [
        f"# {protocol.name}: {segment.name}. Written by zifglass.",
        f"# Needs {model.requires}.",
        f"# After the wall time: lmp -in in.{place.label} -var fresh 0 "
        f"-var from restart.{place.label}.a  (or .b, the newer)",
        f"log             log.{place.label} append",
        "",
        "variable        fresh index 1",
        f"variable        from index {place.before or 'none'}",
        *_system(place, model, symbols),
        *(
            f"mass            {i} {protocol.masses.get(symbol, float(masses_of([z])[0])):.8g}"
            for i, (z, symbol) in enumerate(zip(kinds, symbols, strict=True), start=1)
        ),
        "",
        *(line.format(types=" ".join(symbols)) for line in model.lines),
        "neighbor        1.0 bin",
        f"timestep        {segment.timestep / ps:.10g}",
        "",
        "compute         virial all pressure NULL virial",
        f"thermo          {segment.stride('thermo') if not segment.is_minimisation else 10}",
        f"thermo_style    custom {' '.join(THERMO_COLUMNS)}",
        "thermo_modify   format float %.12g",
    ]
    if model.external:
        lines += [
            "fix             zifglass all external pf/callback 1 1",
            "fix_modify      zifglass energy yes virial yes",
        ]
    lines += (
        _minimise(segment)
        if segment.is_minimisation
        else _dynamics(segment, place, protocol, symbols, seed)
    )
    lines += ["", f"write_restart   restart.{place.label}"]
    if segment.is_minimisation:
        lines.append(f"write_data      {place.label}.data nocoeff")
    return "\n".join(lines) + "\n"


def _system(place: Place, model: PairModel, symbols: list[str]) -> list[str]:
    lines = ["units           metal", "atom_style      atomic", f"newton          {model.newton}"]
    if place.before is None:
        # A first segment that is resumed reads its own restart file instead of the data file.
        lines += [
            f'if "${{fresh}} == 1" then "read_data {DATA}" else "read_restart ${{from}}"',
            "change_box      all triclinic",
        ]
    else:
        lines.append("read_restart    ${from}")
    return lines


def _minimise(segment: Segment) -> list[str]:
    lines = ["", "min_style       cg"]
    if segment.ensemble == "minimise-cell":
        pressure = (segment.pressure_total or 0.0) / bar
        lines.append(f"fix             box all box/relax tri {pressure:.10g} vmax 0.001")
    force = segment.force_tolerance / (eV / angstrom)
    iterations = segment.max_iterations
    lines.append(f"minimize        0.0 {force:.10g} {iterations} {10 * iterations}")
    return lines


def _dynamics(
    segment: Segment, place: Place, protocol: Protocol, symbols: list[str], seed: int
) -> list[str]:
    first, last = place.first_step, place.first_step + segment.n_steps
    fresh = '"${fresh} == 1"'
    lines = ["", f'if {fresh} then "reset_timestep {first}"']
    if segment.length_jump is not None:
        lines.append(f'if {fresh} then "change_box all {_box("jump", segment.length_jump)}"')
    if place.at_rest and place.start is not None:
        create = f"velocity all create {place.start:.10g} {seed % 2**31 or 1} mom yes dist gaussian"
        lines.append(f'if {fresh} then "{create}"')
    if segment.length_ramp is not None:
        lines.append(f"fix             ramp all deform 1 {_box('ramp', segment.length_ramp)}")
    lines += [f"fix             {fix}" for fix in _integrators(segment, place, seed)]
    extra = [c for c in ("vx vy vz", "fx fy fz") if _column_of(c) in protocol.outputs]
    lines += [
        f"dump            frames all custom {segment.stride('frames')} dump.{place.label} "
        f"{' '.join(['id type element xu yu zu', *extra])}",
        f"dump_modify     frames sort id append yes time yes element {' '.join(symbols)} "
        "format float %.10g",
        f"restart         {_checkpoint_steps} restart.{place.label}.a restart.{place.label}.b",
        "",
        f"run             {last} upto start {first} stop {last}",
    ]
    return lines


def _integrators(segment: Segment, place: Place, seed: int) -> list[str]:
    start = place.start
    end = segment.temperature[1] if segment.temperature else start
    thermostat = f"{start or 0:.10g} {end or 0:.10g} {segment.thermostat_damping / ps:.10g}"
    csvr = f"bath all temp/csvr {thermostat} {(seed + 1) % 2**31 or 1}"
    if segment.ensemble == "nve":
        return ["motion all nve"]
    if segment.ensemble == "nvt-nhc":
        return [f"motion all nvt temp {thermostat}"]
    if segment.ensemble == "nvt-csvr":
        return ["motion all nve", csvr]
    pressure = (segment.pressure_total or 0.0) / bar
    shape = "tri" if "flexible" in segment.ensemble else "iso"
    barostat = f"{shape} {pressure:.10g} {pressure:.10g} {segment.barostat_damping / ps:.10g}"
    # Box flips would make the strain jump; the fluctuation analysis wants the cell as it moves.
    flip = " flip no" if shape == "tri" else ""
    if segment.ensemble.endswith("csvr"):
        return [f"motion all nph {barostat}{flip}", csvr]
    return [f"motion all npt temp {thermostat} {barostat}{flip}"]


def _box(how: str, factors: tuple[float, float, float]) -> str:
    """x, y, z scale and tilt factors that multiply the length of each cell vector."""
    a, b, c = (f"{factor:.15g}" for factor in factors)
    tilts = f"xy final $(xy*{b}) xz final $(xz*{c}) yz final $(yz*{c})"
    remap = "remap x flip no" if how == "ramp" else "remap"
    return f"x scale {a} y scale {b} z scale {c} {tilts} {remap} units box"


def _column_of(columns: str) -> str:
    return "velocities" if columns.startswith("v") else "forces"


# What is finished is not repeated; what was cut short goes on from its newer checkpoint.
_segment = """
segment() {
  local label="${1#in.}" newest
  if [ -e "restart.$label" ]; then return; fi
  newest=$(ls -t "restart.$label.a" "restart.$label.b" 2> /dev/null | head -n 1)
  ${LAMMPS:-lmp} -in "$1" ${newest:+-var fresh 0 -var from "$newest"}
}
"""


def _run_script(inputs: list[str], model: PairModel) -> str:
    if model.external:
        body = ['exec zifglass lammps run "$(dirname "$0")" --potential "$1"']
    else:
        body = ['cd "$(dirname "$0")"', _segment, *(f"segment {name}" for name in inputs)]
    head = ["#!/usr/bin/env bash", f"# Needs {model.requires}.", "set -eu"]
    return "\n".join([*head, *body]) + "\n"


def _slug(name: str) -> str:
    return "".join(c if c.isalnum() else "-" for c in name.lower()).strip("-")
