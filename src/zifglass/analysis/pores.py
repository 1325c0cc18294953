"""Porous volume and surface area, and pore sizes, by Zeo++ in a process of its own."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field

from zifglass import io
from zifglass.core import Frame, InputError, Structure, ZifglassError, as_structure
from zifglass.core.settings import Settings
from zifglass.core.units import cm3_per_kg

if TYPE_CHECKING:
    from ase import Atoms

_child = Path(__file__).with_name("zeo_child.py")


class PoreSettings(Settings):
    """Probes, samples and patience."""

    probe_radius: float = Field(default=1.2, gt=0, description="radius of the probe, Å")
    channel_radius: float = Field(
        default=1.2, gt=0, description="radius of the sphere that must pass a channel, Å"
    )
    volume_samples: int = Field(default=50_000, ge=100, description="sampled points per cell")
    surface_samples: int = Field(default=2_000, ge=10, description="sampled points per atom")
    time_limit: float = Field(default=600.0, gt=0, description="seconds before giving up")


@dataclass(frozen=True)
class Pores:
    """Pores of a structure as seen by a spherical probe.

    porous_volume: accessible + inaccessible volume of probe centres, cm³/kg; porous_volume_std:
    its sampling error. accessible_volume, inaccessible_volume: the two parts, cm³/kg.
    surface_area: accessible + inaccessible surface of probe centres, m²/g; surface_area_std: an
    upper bound of its sampling error. accessible_surface, inaccessible_surface: m²/g.
    channels, pockets: how many. radii: {element: Å}, those of Zeo++. settings: what was asked.
    """

    porous_volume: float
    porous_volume_std: float
    accessible_volume: float
    inaccessible_volume: float
    surface_area: float
    surface_area_std: float
    accessible_surface: float
    inaccessible_surface: float
    channels: int
    pockets: int
    radii: dict[str, float]
    settings: PoreSettings


@dataclass(frozen=True)
class PoreSizes:
    """Diameters, Å, exact for the radii: largest_included_sphere (Di), largest_free_sphere (Df,
    what can pass through the structure), included_along_free (Dif, the largest sphere on that
    way). radii: {element: Å}, those of Zeo++."""

    largest_included_sphere: float
    largest_free_sphere: float
    included_along_free: float
    radii: dict[str, float]


def pores(structure: Structure | Frame | Atoms, *, settings: PoreSettings | None = None) -> Pores:
    """Volume, surface, channels and pockets, with Zeo++'s high accuracy.

    Volume: points spread over the cell at random with a seed fixed in Zeo++, so that the result
    is the same on every run; a fraction p of n of them can hold the centre of the probe, and
    the volume is p V. Its sampling error is V √(p(1 − p)/n). Surface: points spread over each
    atom's sphere of radius r + probe.

    Zeo++ runs in a child process: it prints to the C stdout, may abort, and may take long.
    Raises InputError for a cell that is not periodic, ZifglassError where Zeo++ fails or the
    time limit passes. Source: Willems et al., DOI 10.1016/j.micromeso.2011.08.020.
    """
    settings = settings or PoreSettings()
    structure = as_structure(structure)
    return _pores(structure, settings, _ask_zeo(structure, settings, "space"))


def pore_sizes(
    structure: Structure | Frame | Atoms, *, settings: PoreSettings | None = None
) -> PoreSizes:
    """Di, Df and Dif from the Voronoi network of the same high accuracy as `pores`.

    Some 14 s for 272 atoms. Of `settings` only the time limit counts. Child process, errors and
    source: as of `pores`.
    """
    structure = as_structure(structure)
    answer = _ask_zeo(structure, settings or PoreSettings(), "sizes")
    included, free, along = (float(x) for x in answer["sizes"].split()[-3:])
    return PoreSizes(included, free, along, dict(sorted(answer["radii"].items())))


def _ask_zeo(
    structure: Structure, settings: PoreSettings, question: Literal["space", "sizes"]
) -> dict[str, Any]:
    if not structure.pbc.all():
        raise InputError("pores need a cell that is periodic in all three directions")
    request = settings.model_dump(mode="json") | {"question": question}
    with tempfile.TemporaryDirectory(prefix="zifglass-pores-") as name:
        folder = Path(name)
        io.write(folder / "structure.cif", structure.wrapped())
        (folder / "request.json").write_text(json.dumps(request))
        try:
            done = subprocess.run(
                [sys.executable, "-P", str(_child), str(folder)],
                capture_output=True,
                timeout=settings.time_limit,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ZifglassError(
                f"Zeo++ did not finish within {settings.time_limit:g} s for {len(structure)} "
                "atoms: raise time_limit or lower the samples"
            ) from error
        try:
            answer = json.loads((folder / "answer.json").read_text())
        except (OSError, ValueError) as error:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            reason = said[-1] if said else f"exit status {done.returncode}"
            raise ZifglassError(f"Zeo++ failed on {structure.formula}: {reason}") from error
    if answer["atoms"] != len(structure):
        raise ZifglassError(
            f"Zeo++ saw {answer['atoms']} of {len(structure)} atoms: two of them may overlap"
        )
    return dict(answer)


def _pores(structure: Structure, settings: PoreSettings, answer: dict[str, Any]) -> Pores:
    volume, surface = _numbers(answer["volume"]), _numbers(answer["surface"])
    mass = float(structure.masses.sum())
    per_mass = 1.0 / mass / cm3_per_kg
    porous = volume["AV_A^3"] + volume["NAV_A^3"]
    fraction = porous / structure.volume
    square = fraction * (1 - fraction) / settings.volume_samples
    area = surface["ASA_A^2"] + surface["NASA_A^2"]
    to_m2_per_g = 10.0 * per_mass  # 1 Å²/amu = 6022 m²/g where 1 Å³/amu = 602.2 cm³/kg
    largest_sphere = 4 * np.pi * (max(answer["radii"].values()) + settings.probe_radius) ** 2
    return Pores(
        porous_volume=porous * per_mass,
        porous_volume_std=float(np.sqrt(square)) * structure.volume * per_mass,
        accessible_volume=volume["AV_A^3"] * per_mass,
        inaccessible_volume=volume["NAV_A^3"] * per_mass,
        surface_area=area * to_m2_per_g,
        surface_area_std=float(np.sqrt(largest_sphere * area / settings.surface_samples))
        * to_m2_per_g,
        accessible_surface=surface["ASA_A^2"] * to_m2_per_g,
        inaccessible_surface=surface["NASA_A^2"] * to_m2_per_g,
        channels=int(volume["Number_of_channels"]),
        pockets=int(volume["Number_of_pockets"]),
        radii=dict(sorted(answer["radii"].items())),
        settings=settings,
    )


def _numbers(text: str) -> dict[str, float]:
    """`name: number` pairs of a Zeo++ summary."""
    return {name: float(value) for name, value in re.findall(r"(\S+): +([-+.\deE]+)", text)}
