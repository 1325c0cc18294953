"""A study: stages, where they run, what they left. See README.md in this folder."""

from .runner import StudyReport, run_stages
from .stage import Resources, Stage, StageContext, stage_kind

__all__ = ["Resources", "Stage", "StageContext", "StudyReport", "run_stages", "stage_kind"]
