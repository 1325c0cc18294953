"""What a survey computes: every setting of `zifglass analyse`."""

from __future__ import annotations

from typing import Literal, get_args

from pydantic import Field

from ..core.settings import Settings
from .linker_settings import LinkerSettings, is_default
from .pores import PoreSettings
from .rdf import RdfSettings
from .rings import RingSettings
from .scattering import ComparisonSettings, ScatteringSettings

Quantity = Literal[
    "rdf", "pmf", "angles", "coordination", "linkers", "rings", "pores", "scattering",
    "msd", "bonds", "melting",
]  # fmt: skip
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
IN_TIME: tuple[Quantity, ...] = ("msd", "bonds", "melting")


class SurveySettings(Settings):
    """What to compute. The same definitions as of the functions of each quantity."""

    quantities: tuple[Quantity, ...] | None = Field(
        default=None, description="which ones; all that the trajectory allows if not given"
    )
    metal: str = Field(default="Zn", description="element of the network's metal nodes")
    donor: str = Field(default="N", description="element of the linkers that binds the metal")
    cutoff: float = Field(
        default=2.5, gt=0, allow_inf_nan=False, description="metal–donor bonds are shorter, Å"
    )
    temperature: float | None = Field(
        default=None,
        gt=0,
        description="K, for the PMF; the frames' own mean, else 300 K, if not given",
    )
    overlap: float = Field(
        default=0.5, ge=0, description="Å; two atoms closer than this are an error in the input"
    )
    pore_frames: int = Field(
        default=10, ge=1, description="frames, evenly spread, whose pores are measured"
    )
    size_frames: int = Field(
        default=1,
        ge=0,
        description="frames, evenly spread, whose pore sizes are measured, some 14 s each; 0: none",
    )
    scattering_frames: int = Field(
        default=100, ge=1, description="frames, evenly spread, that scattering is averaged over"
    )
    linkers: LinkerSettings = Field(
        default_factory=LinkerSettings,
        exclude_if=is_default,
        description="which linkers are looked for",
    )
    rdf: RdfSettings = Field(default_factory=RdfSettings, description="radial distribution")
    rings: RingSettings = Field(default_factory=RingSettings, description="rings")
    pores: PoreSettings = Field(default_factory=PoreSettings, description="pores")
    scattering: ScatteringSettings = Field(
        default_factory=ScatteringSettings, description="X-ray F(Q) and D(r)"
    )
    comparison: ComparisonSettings = Field(
        default_factory=ComparisonSettings, description="ranges of measured F(Q) and D(r)"
    )
