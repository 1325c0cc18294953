"""The kinds of work of a study; they live in work/. Importing this module makes them known.

A kind is a function that finds its settings, inputs and needs in its `StageContext`. Beside it
stands a function that makes such a stage from typed settings, checked. Every module loads
the rooms it uses only when it works.
"""

from difflib import get_close_matches

from zifglass.core import InputError

from .stage import KINDS, StageKind
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
    "kind_of",
    "md_stage",
    "prepare_stage",
    "static_stage",
    "strain_sweep_stage",
]


def kind_of(name: str) -> StageKind:
    """The registered kind called `name`."""
    if name not in KINDS:
        near = get_close_matches(name, KINDS, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(sorted(KINDS))}"
        raise InputError(f"no stage is of kind {name!r}: {hint}")
    found = KINDS[name]
    if found.module == "__main__":
        raise InputError(
            f"the kind {name!r} is defined in a script; put it into a module, so that the process "
            "of a stage can import it"
        )
    return found
