"""Everything that can be wrong with a data set, in one report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from zifglass.core import InputError, Potential, Trajectory, as_structure

from .findings import Finding, LintReport, sorted_findings
from .labelled import LabelledSet, labelled_set
from .lint_frames import (
    lint_duplicates,
    lint_labels,
    lint_linkers,
    lint_net_force,
    lint_outliers,
    lint_overlaps,
)
from .lint_phase import lint_phase
from .lint_split import lint_split
from .lint_stress import lint_stress
from .lint_units import lint_units
from .settings import LintSettings


def lint(
    parts: Mapping[str, Sequence[Trajectory] | Trajectory] | Sequence[Any] | Trajectory,
    *,
    settings: LintSettings | None = None,
    potential: Potential | None = None,
    crystal: Any = None,
) -> LintReport:
    """Look at a data set, or at the parts of a split ({"train": …, "validation": …, "test": …}).

    The first part is the one trained on: leakage is looked for from it into the others. A
    potential (optional) decides on the kinetic part of the stress where velocities do not.
    crystal (optional): the set is meant to be liquid, molten from this Structure or
    ``ase.Atoms``; frames that are not are found.
    Raises InputError if there is nothing to look at.
    """
    settings = settings or LintSettings()
    sets = {name: _sets(value) for name, value in _named(parts).items()}
    everything = [data for part in sets.values() for data in part]
    if not everything:
        raise InputError("there is no frame to look at")
    findings: list[Finding] = []
    notes: list[str] = []
    for data in everything:
        found, said = _lint_one(data, settings, potential)
        findings += found
        notes += said
        if crystal is not None:
            found, said = lint_phase(data, as_structure(crystal))
            findings += found
            notes += said
    findings += lint_duplicates(everything, settings)
    found, said = lint_split(sets, settings)
    frames = {name: sum(len(data) for data in part) for name, part in sets.items()}
    return LintReport(sorted_findings(findings + found), frames, tuple(notes + said))


def _lint_one(
    data: LabelledSet, settings: LintSettings, potential: Potential | None
) -> tuple[list[Finding], list[str]]:
    findings = lint_labels(data)
    found, notes, thermal = lint_units(data, settings)
    codes = {item.code for item in found}
    findings += found
    lengths_right = "units.length" not in codes
    forces_right = lengths_right and not codes & {"units.forces", "sign.forces"}
    found, said = lint_stress(
        data, settings, thermal=thermal, potential=potential, trust_forces=forces_right
    )
    findings += found
    notes += said
    findings += lint_net_force(data, settings)
    findings += lint_outliers(data, settings)
    if lengths_right:
        findings += lint_overlaps(data, settings)
        found, said = lint_linkers(data, settings)
        findings += found
        notes += said
    return findings, notes


def _named(parts: Any) -> dict[str, Any]:
    if isinstance(parts, Mapping):
        return dict(parts)
    return {"all": parts}


def _sets(value: Any) -> list[LabelledSet]:
    if isinstance(value, Trajectory):
        return [labelled_set(value)]
    if isinstance(value, (list, tuple)) and value and isinstance(value[0], Trajectory):
        return [labelled_set(item) for item in value]
    return [labelled_set(value)] if value else []
