"""The page: every published number with ours and a verdict, every figure, what was shortened."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from zifglass.core import Quantity
from zifglass.report.page import (
    Column,
    Facts,
    Figure,
    Fold,
    Mark,
    Notice,
    Page,
    Part,
    Section,
    Table,
    Text,
)
from zifglass.report.page.model import Cell, Tone

from ..published import Comparison
from ..record import read_record
from .budgets import FULL, Budget, shortened
from .result import Reproduction

_tones: Final[dict[str, Tone]] = {
    "agrees": "good",
    "differs": "bad",
    "no verdict": "caution",
    "not run": "plain",
}


def page_of(result: Reproduction) -> Page:
    """The whole page; its figures are read from disk."""
    plan = result.plan
    return Page(
        "The published numbers, recomputed",
        [
            Section("Summary", list(_summary(result))),
            *_tables(result),
            Section("A student against its teacher", list(_student(result))),
            Section("Figures", list(_figures(result))),
            Section("What was shortened", list(_shortened(plan.budget))),
            Section("Contradictions in the published document", [_contradictions(result)]),
            Section("How a verdict is reached", [Text(_rule)]),
            Section("Provenance", list(_provenance(result))),
        ],
        subtitle=f"budget {plan.budget_name}, potential {plan.potential}, "
        f"published: DOI {result.published.doi}",
    )


_rule: Final = (
    "The difference between our number and the published one is divided by the error of both "
    "sides together: our standard error, the rounding of the printed digits, and the sampling "
    "error of the published number, taken to scatter as ours over its own stated time. Where no "
    "time is stated, none is counted, which makes the verdict harder. A mean over some of the ten "
    "glasses differs from the mean over all of them by chance; that is counted too, with "
    "Student's t where few glasses give the spread.\n\n"
    "Agrees: a difference as large is to be expected in at least one case in a hundred. Differs: "
    "it is not. The column “would show” is the smallest difference that would have been called "
    "one, as a part of the published value: an agreement within wide errors says little."
)


def _summary(result: Reproduction) -> Iterator[Part]:
    total = len(result.rows)
    words = ("agrees", "differs", "no verdict", "not run")
    counts = {word: result.count(word) for word in words}
    compared = counts["agrees"] + counts["differs"]
    tone: Tone = "good" if compared and not counts["differs"] else "caution"
    yield Notice(
        f"{counts['agrees']} of {compared} agree",
        f"{total} published numbers: {counts['agrees']} agree, {counts['differs']} differ, "
        f"{counts['no verdict']} have no verdict, {counts['not run']} were not run; the reason "
        "stands beside each.",
        tone,
    )
    differing = [row for row in result.rows if row.word == "differs"]
    if differing:
        yield Table(
            [Column("table"), Column("quantity"), Column("of"), Column("published"),
             Column("ours"), Column("in s.e.")],
            [[r.published.table, *_row(r)[:5]] for r in differing],
            caption="What differs",
        )  # fmt: skip
    coarse = [r for r in result.rows if r.word == "agrees" and (_part_seen(r) or 0.0) > 0.25]
    if coarse:
        yield Text(
            f"{len(coarse)} of the agreements are coarse: a difference of less than a quarter of "
            "the value would not have shown. A larger budget narrows them."
        )
    if result.plan.budget != FULL:
        yield Text(
            f"This is the {result.plan.budget_name} budget: runs are shorter than the published "
            "ones, see “What was shortened”."
        )
    failed = [s for s in result.unfinished if s.word != "blocked"]
    if failed:
        yield Table(
            [Column("stage"), Column("state"), Column("why")],
            [[s.name, s.word, s.sentence.replace(str(s.folder), s.name)] for s in failed],
            caption="Stages that have not finished, without those that wait for them",
        )


def _part_seen(row: Comparison) -> float | None:
    if row.visible is None or not row.published.value:
        return None
    return row.visible / abs(row.published.value)


def _tables(result: Reproduction) -> Iterator[Section]:
    for name, table in result.published.tables.items():
        rows = [row for row in result.rows if row.published.table == name]
        parts: list[Part] = [Text(f"{table.title}.")]
        parts.append(
            Table(
                [
                    Column("quantity"),
                    Column("of"),
                    Column("published"),
                    Column("ours"),
                    Column("in s.e."),
                    Column("would show"),
                    Column("verdict"),
                    Column("remarks"),
                ],
                [_row(row) for row in rows],
                name=f"table-{name}",
            )
        )
        if table.notes:
            parts.append(Text(" ".join(table.notes)))
        yield Section(f"Table {name}", parts)


def _row(row: Comparison) -> list[Cell]:
    p, ours = row.published, row.ours
    seen = _part_seen(row)
    remarks = "; ".join(text for text in (row.reason, *row.remarks) if text)
    return [
        f"{p.name} ({p.unit})",
        p.column,
        p.printed,
        # The unit stands in the first cell.
        None if ours is None else Quantity(ours.value, ours.std, "1"),
        None if row.z is None else f"{row.z:+.1f}",
        None if seen is None else _percent(seen),
        Mark(row.word, _tones[row.word]),
        remarks,
    ]


def _percent(part: float) -> str:
    return f"{100.0 * part:.0f} %" if part > 0.01 else f"{100.0 * part:.1g} %"


def _student(result: Reproduction) -> Iterator[Part]:
    if not result.student:
        yield Text(f"Not run: {result.student_reason}.")
        return
    names = {"energy": "energy", "forces": "forces", "stress": "stress", "rms_force": "rms force"}
    yield Text(
        "Mean absolute differences between the potential used here and the published one it was "
        "distilled from, on frames of its own crystal and melt–quench runs. These are no errors "
        "against ab initio data and are not compared with Table S3."
    )
    yield Table(
        [Column("quantity"), Column("student − teacher"), Column("remark")],
        [[title, result.student[name], result.student[name].note] for name, title in names.items()],
        name="student",
    )


def _figures(result: Reproduction) -> Iterator[Part]:
    for drawn in result.figures:
        title = f"Figure {drawn.name}. {drawn.title}."
        if drawn.path is None:
            yield Notice("not run", f"{title} {_capital(drawn.remark)}.")
            continue
        svg = drawn.path.with_suffix(".svg").read_text(encoding="utf-8")
        remark = f" {_capital(drawn.remark)}." if drawn.remark else ""
        yield Figure(svg, f"Counterpart of figure {drawn.name}: {drawn.title}.{remark}", title)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _shortened(budget: Budget) -> Iterator[Part]:
    rows = shortened(budget)
    if not rows:
        yield Text("Nothing: times and sizes are those of the paper, or our full defaults.")
        return
    yield Table(
        [Column("what"), Column("here"), Column("full")], [list(row) for row in rows],
        name="shortened",
    )  # fmt: skip


def _contradictions(result: Reproduction) -> Table:
    return Table(
        [Column("where"), Column("what it says"), Column("taken here")],
        [[c.where, c.says, c.taken_as] for c in result.published.contradictions],
        name="contradictions",
    )


def _provenance(result: Reproduction) -> Iterator[Part]:
    plan = result.plan
    records = [read_record(state.folder / "stage.json") for state in result.states.values()]
    known = [record for record in records if record is not None]
    yield Facts(
        {
            "potential": plan.potential,
            "seed": plan.seed,
            "published numbers": f"DOI {result.published.doi}, {result.published.document}",
            "ab initio glasses found": ", ".join(path.name for path in plan.glasses) or "none",
            "their source": "Gaillac et al., DOI 10.1021/acs.chemmater.0c02950, CC-BY 4.0",
            "references of all methods": "zifglass cite, on the folder of this page",
            "versions": ", ".join(f"{k} {v}" for k, v in known[0].versions.items())
            if known
            else "nothing ran",
            "commits": ", ".join(sorted({record.commit or "unknown" for record in known})),
            "threads": ", ".join(sorted({str(record.threads) for record in known})),
        }
    )
    rows: list[list[Cell]] = [
        [state.name, state.kind, state.word, round(state.seconds, 1), state.fingerprint[:12]]
        for state in result.states.values()
    ]
    yield Fold(
        "Stages",
        [
            Table(
                [
                    Column("stage"), Column("kind"), Column("state"), Column("work", "s"),
                    Column("fingerprint"),
                ],
                rows,
                name="stages",
            )
        ],
        long=True,
    )  # fmt: skip
