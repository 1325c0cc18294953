"""How a study is submitted to Slurm."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from zifglass.core.settings import Settings

_ours = {
    "array", "dependency", "error", "job-name", "kill-on-invalid-dep", "open-mode", "output",
    "requeue", "signal", "time",
}  # fmt: skip


class SlurmSettings(Settings):
    """How a study is submitted to Slurm. What a stage asks for itself goes before these."""

    partition: str | None = Field(
        default=None, description="Partition of stages that name none; the cluster's own if unset."
    )
    account: str | None = Field(default=None, description="Account that is charged.")
    hours: float = Field(
        default=24.0, gt=0, description="Wall time of a job, h; longer stages go on in the next."
    )
    cores: int = Field(default=1, gt=0, description="Cores of stages that name no threads.")
    memory: float | None = Field(
        default=None, gt=0, description="Memory of a job, GB; the cluster's own if unset."
    )
    margin: int = Field(
        default=180,
        gt=0,
        description="Time before the end of the wall time at which a stage saves its work, s.",
    )
    requeues: int = Field(
        default=100, ge=0, description="How often a stage may go on after its wall time."
    )
    at_once: int = Field(
        default=256, gt=0, description="Tasks of one job array that may run at once."
    )
    largest_array: int = Field(
        default=1000,
        gt=0,
        description="Tasks of one job array (MaxArraySize less 1).",
    )
    setup: tuple[str, ...] = Field(
        default=(), description="Lines of bash that make the environment, before the work."
    )
    python: str | None = Field(
        default=None, description="Python of the nodes; the one that submits if unset."
    )
    options: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="More options of sbatch, such as {qos: long}."
    )

    @field_validator("options")
    @classmethod
    def _not_ours(cls, options: dict[str, Any]) -> dict[str, Any]:
        options = {key.lstrip("-").replace("_", "-"): value for key, value in options.items()}
        if taken := sorted(_ours & set(options)):
            raise ValueError(f"zifglass sets {', '.join(taken)} itself")
        if off := [key for key, value in options.items() if value is False]:
            raise ValueError(f"an option of sbatch is left out, not set to false ({off[0]})")
        return options
