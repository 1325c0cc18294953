"""What a study file may hold. Every group reuses the settings of the room that does the work."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from zifglass.analysis.survey import SurveySettings
from zifglass.core.settings import Settings
from zifglass.dynamics import RunSettings
from zifglass.dynamics.protocols import FlexibleNPT
from zifglass.mechanics import FluctuationSettings, StaticSettings, StrainSweepSettings
from zifglass.potentials.relax import RelaxSettings

from .slurm_settings import SlurmSettings
from .stage import Resources
from .work.prepare import PrepareSettings

Method = Literal["strain-sweep", "fluctuations", "static"]


class StructureEntry(PrepareSettings):
    """A structure that the study starts from."""

    source: str = Field(
        default="zif4",
        description="A structure that ships (zif4, zif8), or a file, of which the last frame.",
    )
    relaxation: RelaxSettings = Field(
        default=RelaxSettings(), description="When a relaxation ends."
    )


class ProtocolEntry(Settings):
    """Molecular dynamics, once or several times."""

    protocol: str = Field(
        default="melt-quench",
        description="crystal-preparation, liquid, melt-quench, strain-sweep, flexible-npt, or a "
        "YAML file (zifglass md).",
    )
    settings: dict[str, Any] = Field(
        default_factory=dict, description="Settings of a ready-made protocol."
    )
    after: str | None = Field(
        default=None,
        description="Protocol of this study whose last structures it starts from; the prepared "
        "structures if unset.",
    )
    replicas: int | None = Field(
        default=None,
        ge=1,
        description="Independent runs, each with a seed of its own; as many as before it if unset.",
    )
    vary: dict[str, tuple[Any, ...]] = Field(
        default_factory=dict, description="Setting → its values, one per replica."
    )
    structures: tuple[str, ...] | None = Field(
        default=None, description="Which structures it is run on; all if unset."
    )
    potentials: tuple[str, ...] | None = Field(
        default=None, description="Which potentials it is run with; all if unset."
    )
    run: RunSettings = Field(default=RunSettings(), description="How it is carried out.")


class AnalysisEntry(Settings):
    """Structural quantities, of runs of this study or of files."""

    of: tuple[str, ...] | None = Field(
        default=None,
        description="Protocols whose trajectories are analysed, replicas together; start: the "
        "prepared structures. All protocols if unset.",
    )
    files: tuple[str, ...] = Field(default=(), description="Trajectories made elsewhere.")
    measured: tuple[str, ...] = Field(
        default=(), description="Measured F(Q) (.int01) or D(r) (.dofr) to compare with."
    )
    segment: str | None = Field(
        default=None, description="Segment of the protocol, such as glass; the whole run if unset."
    )
    first: float | None = Field(default=None, description="Start, ps; the first frame if unset.")
    last: float | None = Field(default=None, description="End, ps; the last frame if unset.")
    every: int = Field(default=1, ge=1, description="Use every n-th frame.")
    settings: SurveySettings = Field(
        default_factory=SurveySettings, description="As of zifglass analyse."
    )


class MechanicsEntry(Settings):
    """Moduli and density by one method, of prepared structures or of what protocols end in."""

    method: Method = Field(
        default="strain-sweep",
        description="strain-sweep, fluctuations (of a flexible cell, run first) or static (0 K).",
    )
    of: tuple[str, ...] | None = Field(
        default=None,
        description="Protocols whose last structures are taken; start: the prepared structures. "
        "All of these if unset.",
    )
    sweep: StrainSweepSettings = Field(
        default=StrainSweepSettings(), description="Of a strain sweep."
    )
    dynamics: FlexibleNPT = Field(
        default=FlexibleNPT(), description="Of the run whose fluctuations are taken."
    )
    fluctuations: FluctuationSettings = Field(
        default=FluctuationSettings(), description="How fluctuations become moduli."
    )
    static: StaticSettings = Field(default=StaticSettings(), description="Of the static limit.")
    run: RunSettings = Field(
        default=RunSettings(), description="How the run for fluctuations is carried out."
    )

    @model_validator(mode="after")
    def _own_settings_only(self) -> MechanicsEntry:
        used = groups_of_method[self.method]
        for group in self.model_fields_set - {"method", "of"}:
            if group not in used:
                raise ValueError(f"{group} has no effect on {self.method}; it uses {used[0]}")
        return self


groups_of_method: dict[Method, tuple[str, ...]] = {
    "strain-sweep": ("sweep",),
    "fluctuations": ("dynamics", "fluctuations", "run"),
    "static": ("static",),
}


class Study(Settings):
    """Structures × potentials × protocols × replicas × analyses × mechanics."""

    name: str = Field(default="study", description="What the study is called.")
    seed: int = Field(
        default=0, ge=0, description="Of the study; every run's own follows from it and its name."
    )
    structures: dict[str, StructureEntry] = Field(
        default_factory=dict, description="Name → structure."
    )
    potentials: dict[str, str] = Field(
        default_factory=dict,
        description="Name → named potential (zifglass potential list) or file.",
    )
    linkers: dict[str, str] = Field(
        default_factory=dict,
        description="Name → file of a linker (as --linker) that is looked for in all runs, "
        "analyses and sweeps, beside imidazolate, 2-methylimidazolate and benzimidazolate: "
        "{ica: ica.xyz}.",
    )
    protocols: dict[str, ProtocolEntry] = Field(
        default_factory=dict, description="Name → molecular dynamics."
    )
    analyses: dict[str, AnalysisEntry] = Field(
        default_factory=dict, description="Name → structural analysis."
    )
    mechanics: dict[str, MechanicsEntry] = Field(
        default_factory=dict, description="Name → moduli and density."
    )
    resources: dict[str, Resources] = Field(
        default_factory=dict,
        description="Pattern of stage names, or a kind of stage → what it is given; the last that "
        "matches counts.",
    )
    slurm: SlurmSettings = Field(
        default_factory=SlurmSettings, description="How the study is submitted to Slurm."
    )
