"""The level of theory and the molecular dynamics of the published training data, as settings."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from zifglass.core.settings import Settings

Stress = Literal["analytical", "diagonal_analytical", "none"]

_basis = {
    "H": "DZVP-GTH-PBE",
    "C": "DZVP-GTH-PBE",
    "N": "DZVP-GTH-PBE",
    "O": "DZVP-GTH-PBE",
    "Zn": "DZVP-MOLOPT-SR-GTH",
}
_potential = {
    "H": "GTH-PBE-q1",
    "C": "GTH-PBE-q4",
    "N": "GTH-PBE-q5",
    "O": "GTH-PBE-q6",
    "Zn": "GTH-PBE-q12",
}


class LevelOfTheory(Settings):
    """PBE-D3 in CP2K Quickstep, as in the published AIMD (CP2K input deposited by the authors,
    github.com/fxcoudert/citable-data, 091-Gaillac_NatureMater_2017)."""

    cutoff: float = Field(
        default=600.0, gt=0, description="plane-wave cutoff of the finest grid, Ry"
    )
    rel_cutoff: float = Field(
        default=40.0, gt=0, description="cutoff that maps Gaussians to grids, Ry"
    )
    ngrids: int = Field(default=4, ge=1, description="number of grids")
    eps_scf: float = Field(
        default=1e-5, gt=0, description="SCF convergence: largest gradient element"
    )
    max_scf: int = Field(
        default=200, ge=1, description="SCF steps before the frame counts as unconverged"
    )
    eps_default: float = Field(default=1e-7, gt=0, description="Quickstep's overall accuracy")
    density_cutoff: float = Field(
        default=1e-10,
        gt=0,
        description="density, gradient and kinetic density below which XC is zero",
    )
    dispersion_cutoff: float | None = Field(
        default=16.0, gt=0, description="range of the D3 sum, Å; null leaves dispersion out"
    )
    preconditioner: str = Field(
        default="FULL_SINGLE_INVERSE", description="of the orbital transformation"
    )
    minimizer: str = Field(default="DIIS", description="of the orbital transformation")
    charge: int = Field(default=0, description="net charge of the cell, e")
    multiplicity: int = Field(
        default=1, ge=1, description="2S + 1; above 1 the calculation is unrestricted"
    )
    basis: dict[str, str] = Field(
        default_factory=lambda: dict(_basis), description="basis set of each element"
    )
    potential: dict[str, str] = Field(
        default_factory=lambda: dict(_potential), description="pseudopotential of each element"
    )
    basis_files: tuple[str, ...] = Field(
        default=("BASIS_SET", "BASIS_MOLOPT"), description="in CP2K's data folder, or paths"
    )
    potential_file: str = Field(default="POTENTIAL", description="in CP2K's data folder, or a path")
    dispersion_file: str = Field(
        default="dftd3.dat", description="in CP2K's data folder, or a path"
    )
    stress: Stress = Field(
        default="analytical",
        description="analytical gives all nine components; diagonal_analytical (the published "
        "inputs) is read back without shear; none skips the stress",
    )


class Dynamics(Settings):
    """AIMD of the published training set: NVT, CSVR, deuterium (same source)."""

    timestep: float = Field(default=0.5, gt=0, description="fs")
    thermostat_time: float = Field(default=1000.0, gt=0, description="CSVR time constant, fs")
    hydrogen_mass: float = Field(
        default=2.014101777, gt=0, description="amu; the published AIMD moves deuterium"
    )
    write_every: int = Field(default=1, ge=1, description="steps between frames on disk")
    restart_every: int = Field(default=1, ge=1, description="steps between restart files")
    walltime: float | None = Field(
        default=None, gt=0, description="s; CP2K stops cleanly after it, to be started again"
    )


class AimdSettings(Settings):
    """What `zifglass aimd` reads from its settings file."""

    level: LevelOfTheory = Field(default_factory=LevelOfTheory, description="of theory")
    dynamics: Dynamics = Field(default_factory=Dynamics, description="of the atoms")
