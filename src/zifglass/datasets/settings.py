"""What lint calls too much or too little."""

from __future__ import annotations

from pydantic import Field

from zifglass.analysis.linker_settings import LinkerSettings, is_default
from zifglass.core.settings import Settings


class LintSettings(Settings):
    """Bounds of the checks. The defaults suit liquids and glasses of ZIFs at 300–2000 K."""

    frames_per_check: int = Field(
        default=60, ge=2, description="frames that the costly checks look at, spread evenly"
    )
    outlier: float = Field(
        default=8.0, gt=0, description="robust standard deviations from the median of the run"
    )
    too_close: float = Field(
        default=0.55, gt=0, description="distance over sum of covalent radii below which atoms "
        "overlap"
    )  # fmt: skip
    same_structure: float = Field(
        default=1e-4, gt=0, description="Å; frames closer than this everywhere are duplicates"
    )
    net_force: float = Field(
        default=0.1, gt=0, description="rms net force per atom over rms force, above which a "
        "constant force hides in the labels"
    )  # fmt: skip
    hydrogen_mass: float | None = Field(
        default=None, gt=0, description="amu; found from the velocities if not given"
    )
    temperature: float | None = Field(
        default=None, gt=0, description="K, where frames have neither temperature nor velocities"
    )
    leak_fraction: float = Field(
        default=0.05, gt=0, le=1, description="part of a test or validation set that may lie "
        "within a correlation time of a training frame"
    )  # fmt: skip
    broken_linkers: float = Field(
        default=0.0, ge=0, description="fraction of frames with broken linkers that is accepted"
    )
    linkers: LinkerSettings = Field(
        default=LinkerSettings(), exclude_if=is_default, description="which linkers may be broken"
    )
    min_pressure_for_mean: float = Field(
        default=0.7, gt=0, description="GPa of ionic kinetic pressure below which the mean "
        "pressure alone says nothing of it"
    )  # fmt: skip
