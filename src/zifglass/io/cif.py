"""CIF, read through ASE (which expands the symmetry), written by us as P 1 with every digit.

A CIF knows lengths, angles and fractional coordinates only: the cell comes back with a along x
and b in the xy plane, and atoms may come back in another periodic image.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import numpy as np

from zifglass.core import ArrayTrajectory, Frame, InputError, Structure, Trajectory
from zifglass.core import cell as cells
from zifglass.core.files import write_text

from .options import ReadOptions
from .text import open_end, text_of

SUFFIXES = (".cif",)

_needed = ("_cell_length_a", "_cell_length_b", "_cell_length_c",
           "_cell_angle_alpha", "_cell_angle_beta", "_cell_angle_gamma")  # fmt: skip


def recognise(path: Path, head: bytes) -> bool:
    """The first line that is not blank or a comment begins a data block."""
    for line in head.splitlines():
        if line.strip() and not line.lstrip().startswith(b"#"):
            return line.lstrip().lower().startswith(b"data_")
    return False


def read(path: Path, options: ReadOptions) -> ArrayTrajectory:
    """Every data block as one frame; all must hold the same atoms.

    Raises InputError on a missing cell, sites that are partly occupied, unknown elements, or
    whatever ASE cannot read.
    """
    from ase.io.cif import read_cif

    text = text_of(path)
    if options.cell is not None:
        raise InputError("a CIF states its own cell: leave the given one out", path)
    _check(text, path)
    try:
        with path.open(encoding="utf-8-sig", errors="replace") as file, \
                warnings.catch_warnings(record=True) as caught:  # fmt: skip
            warnings.simplefilter("always")
            images = list(read_cif(file, index=slice(None)))
        notes = [f"{w.message} ({path})" for w in caught]
        if not text.endswith("\n") and not text.splitlines()[-1].startswith("#"):
            notes.append(open_end(path))
    except (InputError, OSError):
        raise
    except Exception as error:  # ASE's parser raises assertions, key and index errors alike
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"this CIF cannot be understood: {reason}", path) from error
    if not images:
        raise InputError("this CIF holds no structure with atoms", path)
    frames = []
    for index, atoms in enumerate(images):
        for site, shares in atoms.info.get("occupancy", {}).items():
            if len(shares) != 1 or abs(sum(shares.values()) - 1.0) > 1e-3:
                raise InputError(
                    f"site {site} is shared or partly empty ({shares}): choose one of the "
                    "alternatives first", path, frame=index,
                )  # fmt: skip
        try:
            frames.append(Frame(Structure.from_ase(atoms), index=index))
        except InputError as error:
            raise InputError(error.message, path, frame=index) from None
    trajectory = ArrayTrajectory(frames, source=str(path))
    trajectory.notes = tuple(dict.fromkeys(notes))
    return trajectory


def _check(text: str, path: Path) -> None:
    lines = text.splitlines()
    for tag in _needed:
        found = [
            (n, line.split())
            for n, line in enumerate(lines, 1)
            if line.strip().lower().startswith(tag)
        ]
        if not found:
            raise InputError(f"no {tag} in this CIF: it has no cell", path)
        for number, words in found:
            value = re.sub(r"\(\d+\)$", "", words[1]) if len(words) > 1 else ""
            try:
                good = 0 < float(value) < (180 if "angle" in tag else 1e6)
            except ValueError:
                good = False
            if not good:
                raise InputError(
                    f"{tag} is a positive number; got {' '.join(words[1:]) or 'nothing'!r}",
                    path, line=number,
                )  # fmt: skip


def write(path: str | Path, trajectory: Trajectory) -> None:
    """Write one P 1 data block per frame."""
    write_text(path, "\n".join(_block(frame.structure, frame.index) for frame in trajectory))


def _block(structure: Structure, index: int) -> str:
    parameters = [repr(float(x)) for x in cells.lengths_and_angles(structure.cell)]
    fractional = structure.positions @ np.linalg.inv(structure.cell)
    counts: dict[str, int] = {}
    rows = []
    for symbol, site in zip(structure.symbols, fractional.tolist(), strict=True):
        counts[symbol] = counts.get(symbol, 0) + 1
        rows.append(f"{symbol}{counts[symbol]} {symbol} " + " ".join(f"{x:.15f}" for x in site))
    head = [f"data_{structure.formula}_{index}"]
    head += [f"{tag} {value}" for tag, value in zip(_needed, parameters, strict=True)]
    head += ["_symmetry_space_group_name_H-M 'P 1'", "_symmetry_Int_Tables_number 1", "",
             "loop_", "_symmetry_equiv_pos_as_xyz", "'x, y, z'", "",
             "loop_", "_atom_site_label", "_atom_site_type_symbol", "_atom_site_fract_x",
             "_atom_site_fract_y", "_atom_site_fract_z"]  # fmt: skip
    return "\n".join([*head, *rows, ""])
