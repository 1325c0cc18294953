"""A stage that does next to nothing: what is left is the study layer."""

from __future__ import annotations

from zifglass.core import Quantity
from zifglass.studies import StageContext, stage_kind


@stage_kind("nothing", method=1, references=("castel2024",))
def nothing(context: StageContext) -> None:
    """One number."""
    context.write_results({"value": Quantity(context.settings["value"], None, "1")})
