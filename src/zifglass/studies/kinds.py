"""The kinds of work of a study; they live in work/. Importing this module makes them known.

A kind is a function that finds its settings, inputs and needs in its `StageContext`. Beside it
stands a function that makes such a stage from typed settings, checked. Every module loads
the rooms it uses only when it works.
"""

from .work.dynamics import md_stage
from .work.mechanics import fluctuations_stage, static_stage, strain_sweep_stage
from .work.prepare import PrepareSettings, prepare_stage
from .work.structure import analyse_stage
from .work.verdicts import compare_stage, ensemble_stage

__all__ = [
    "PrepareSettings",
    "analyse_stage",
    "compare_stage",
    "ensemble_stage",
    "fluctuations_stage",
    "md_stage",
    "prepare_stage",
    "static_stage",
    "strain_sweep_stage",
]
