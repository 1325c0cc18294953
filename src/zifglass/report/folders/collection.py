"""Many folders on one page: a study with its stages, or a folder of folders."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from zifglass.core import InputError, Quantity, ZifglassError
from zifglass.core.locks import is_locked

from ..page import Column, Figure, Mark, Notice, Page, Part, Section, Table, Text, Viewer3D
from ..page.model import Cell, Tone
from .account import Account, folded
from .conclusions import lead, of_one_kind, verdicts
from .read import read_json
from .recognise import Kind, kind_of
from .results import is_scalar, label
from .settings import facts_of

_few = 6  # accounts that are shown in full, one section each
_most_models = 120
_tones: dict[str, Tone] = {
    "finished": "good", "running": "plain", "queued": "plain", "waiting": "plain",
    "stopped": "caution", "interrupted": "caution", "outdated": "caution", "edited": "bad",
    "failed": "bad", "blocked": "bad", "unreadable": "bad",
}  # fmt: skip


@dataclass(frozen=True)
class StageWord:
    """Where a stage stands, as `studies.StageState` says it. seconds: of work so far."""

    word: str
    sentence: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, eq=False)
class Entry:
    """One piece of work: its name on the page, what it tells (None where there is nothing yet or
    it cannot be read), where it stands, the kind of its stage."""

    name: str
    account: Account | None
    state: StageWord | None = None
    stage: str = ""


def page_of_many(
    title: str,
    entries: Sequence[Entry],
    *,
    own: Account | None = None,
    subtitle: str = "",
    before: Sequence[Part] = (),
    after: Sequence[Section] = (),
) -> Page:
    """Summary, 3D, results side by side, states, then every entry: in full where they are few,
    folded where they are many. own: what the folder itself tells, first. before: of the summary.
    """
    named = [(e, replace(e.account, title=e.name)) for e in entries if e.account is not None]
    accounts = [account for _, account in named]
    sections = [Section("Summary", [*before, *_summary(entries, own)])]
    if viewer := _viewer(accounts, own):
        sections.append(Section("The structures in 3D", [viewer]))
    if own is not None and own.figures:
        sections.append(Section("Figures", own.figures))
    if compared := [part for group in _groups(accounts) for part in _compared(*group)]:
        sections.append(Section("Results side by side", compared))
    if any(entry.state is not None for entry in entries):
        sections.append(Section("Stages", [_states(entries)]))
    if len(accounts) <= _few:
        sections += [Section(one.title, _in_full(one)) for one in accounts]
    else:
        folds = [folded(account, word=_word(entry)) for entry, account in named]
        sections.append(Section("Everything, one by one", folds))
    if own is not None:
        sections += [
            Section(title, parts)
            for title, parts in (
                ("Numbers", own.numbers), ("Settings", own.settings),
                ("Provenance", own.provenance),
            )
            if parts
        ]  # fmt: skip
    return Page(title, [*sections, *after], subtitle or _kinds(accounts, own))


def study_page(
    folder: Path,
    account_of: Callable[..., Account],
    *,
    title: str | None,
    states: Mapping[str, StageWord] | None,
    budget: float,
    room: float,
) -> Page:
    """Every stage of the plan: what it found, where it stands, where it came from."""
    plan = read_json(folder / "plan.json")
    stages = plan.get("stages")
    if not isinstance(stages, list) or not all(isinstance(s, dict) and "name" in s for s in stages):
        raise InputError("this plan was cut or edited; run the study again", folder / "plan.json")
    records = {str(s["name"]): _record(folder, str(s["name"])) for s in stages}
    kinds = {n: kind_of(folder / "stages" / n) for n in records if _is_known(folder, n)}
    shares, rooms = shared(kinds, budget), divided(kinds, room)
    entries = []
    for stage in stages:
        name = str(stage["name"])
        state = (states or {}).get(name) or _own_word(folder, stage, records[name])
        account = None
        place = folder / "stages" / name
        if name in kinds:
            try:
                account = account_of(
                    place, budget=shares[name], room=rooms[name], alone=len(stages) <= 3
                )
            except ZifglassError as error:
                state = replace(state, sentence=state.sentence or str(error))
            else:
                if records[name]:
                    told = [*account.provenance, facts_of(_of_record(records[name]))]
                    account = replace(account, provenance=told)
        entries.append(Entry(name, account, state, str(stage.get("kind", ""))))
    return page_of_many(
        title or folder.name,
        entries,
        subtitle=f"Study of {len(stages)} stages",
        before=[_overall(entries)],
        after=[Section("Provenance", _provenance(plan, records))],
    )


def shared(kinds: Mapping[str, Kind], budget: float) -> dict[str, float]:
    """Bytes of trajectories for each folder. An analysis shows none beside the runs it is of."""
    shown = [name for name, kind in kinds.items() if kind not in _without_models]
    if "run" in kinds.values():
        shown = [name for name in shown if kinds[name] != "structure"]
    return {name: budget / len(shown) if name in shown else 0.0 for name in kinds}


def divided(kinds: Mapping[str, Kind], room: float) -> dict[str, float]:
    """Bytes of figures and curves for each folder. A run's are few: it is given half a share."""
    weights = {name: 0.5 if kind == "run" else 1.0 for name, kind in kinds.items()}
    whole = sum(weights.values())
    return {name: room * weight / whole for name, weight in weights.items()}


_without_models = ("fluctuations", "comparison", "ensemble")


# --- the summary ---------------------------------------------------------------------------


def _summary(entries: Sequence[Entry], own: Account | None) -> list[Part]:
    parts: list[Part] = [] if own is None else own.summary
    accounts = [e for e in entries if e.account is not None]
    if len(accounts) <= _few:
        for entry in accounts:
            assert entry.account is not None
            known = [] if _is_bad(entry) else entry.account.notices  # its state is told already
            notices = [n for n in known if n.tone != "good" or n in verdicts(entry.account)]
            parts += [Notice(n.word, f"{entry.name}: {n.text}", n.tone) for n in notices]
        said = [f"{e.name}: {lead(e.account)}" for e in accounts if e.account is not None]
        parts.append(Text("\n\n".join(said)))
    else:
        alike: dict[str, list[Account]] = {}
        for entry in accounts:
            assert entry.account is not None
            alike.setdefault(entry.account.kind, []).append(entry.account)
        parts.append(Text("\n\n".join(of_one_kind(kind, each) for kind, each in alike.items())))
    for entry in entries:
        if entry.state is not None and entry.state.word == "unreadable":
            parts.append(Notice("unreadable", f"{entry.name}: {entry.state.sentence}", "bad"))
    return parts


def _is_bad(entry: Entry) -> bool:
    return entry.state is not None and _tones.get(entry.state.word) == "bad"


def _overall(entries: Sequence[Entry]) -> Notice:
    words = Counter(entry.state.word for entry in entries if entry.state is not None)
    count = ", ".join(f"{n} {word}" for word, n in words.items())
    if set(words) == {"finished"}:
        return Notice("finished", f"All {len(entries)} stages are done.", "good")
    bad = [e for e in entries if _is_bad(e) and e.state is not None and e.state.word != "blocked"]
    said = "".join(
        f" {e.name}: {e.state.sentence}." for e in bad[:5] if e.state is not None
    )  # fmt: skip
    more = f" And {len(bad) - 5} more." if len(bad) > 5 else ""
    worst = "failed" if "failed" in words else next((e.state.word for e in bad if e.state), "")
    word, tone = (worst, "bad") if bad else ("not finished", "caution")
    return Notice(word, f"Of {len(entries)} stages: {count}.{said}{more}", tone)  # type: ignore[arg-type]


def _kinds(accounts: Sequence[Account], own: Account | None) -> str:
    if own is not None:
        return own.kind
    kinds = Counter(account.kind for account in accounts)
    return "; ".join(f"{n} × {kind}" if n > 1 else kind for kind, n in kinds.items())


# --- parts ---------------------------------------------------------------------------------


def _viewer(accounts: Sequence[Account], own: Account | None) -> Viewer3D | None:
    models = [] if own is None else list(own.models)
    for account in accounts:
        for model in account.models:
            same = model.name == account.title or len(account.models) == 1
            name = account.title if same else f"{account.title}: {model.name}"
            models.append(replace(model, name=name))
    if not models:
        return None
    shown = models[:_most_models]
    left = f" {len(models) - len(shown)} more are not shown." if len(models) > len(shown) else ""
    several = "Choose a structure in the list. " if len(shown) > 1 else ""
    return Viewer3D(
        shown,
        f"{several}Turn it with the mouse, a finger or the arrow keys. Orange-red: atoms of broken "
        "linkers; amber: metals without four neighbours. Rings and pores are those of the last "
        f"frame.{left}",
    )


def _in_full(account: Account) -> list[Part]:
    from ..page import Fold

    parts: list[Part] = [*account.summary, *account.figures]
    if account.numbers:
        parts.append(Fold("Numbers", account.numbers))
    for title, inside in (("Settings", account.settings), ("Provenance", account.provenance)):
        if inside:  # of many stages these would fill most of the paper
            parts.append(Fold(title, inside, long=True))
    return parts


def _groups(accounts: Sequence[Account]) -> Iterator[tuple[str, list[Account]]]:
    """Accounts of one kind that have numbers to compare; two at least."""
    for kind in dict.fromkeys(account.kind for account in accounts):
        alike = [account for account in accounts if account.kind == kind and account.key]
        if len(alike) >= 2:
            yield kind, alike


def _compared(kind: str, accounts: Sequence[Account]) -> list[Part]:
    names = list(dict.fromkeys(name for account in accounts for name in account.key))
    names = [n for n in names if all(is_scalar(a.key[n]) for a in accounts if n in a.key)]
    units = {n: next(a.key[n].unit for a in accounts if n in a.key) for n in names}
    rows: list[list[Cell]] = [
        [account.title, *(account.key.get(name) for name in names)] for account in accounts
    ]
    head = [Column(label(n), "" if units[n] == "1" else units[n]) for n in names]
    slug = "-".join(kind.lower().replace("–", "-").split())
    table = Table([Column("name"), *head], rows, kind, f"results-{slug}")
    return [*_dots(kind, accounts, names, units), table]


def _dots(
    kind: str, accounts: Sequence[Account], names: Sequence[str], units: Mapping[str, str]
) -> list[Part]:
    """Value ± error of each, one panel per quantity."""
    from ..figures.many import draw_many

    series: dict[str, list[Quantity | None]] = {
        f"{label(n)}{'' if units[n] in ('1', '') else f' ({units[n]})'}": [
            account.key.get(n) for account in accounts
        ]
        for n in names[:6]
    }
    with tempfile.TemporaryDirectory() as folder:
        draw_many([a.title for a in accounts], series, Path(folder) / "many")
        svg = (Path(folder) / "many.svg").read_text(encoding="utf-8")
    return [Figure(svg, f"{kind}: every value with its standard error.")]


def _word(entry: Entry) -> str:
    return "" if entry.state is None or entry.state.word == "finished" else entry.state.word


def _states(entries: Sequence[Entry]) -> Table:
    known = [e.state or StageWord("finished") for e in entries]
    unit, seconds = ("h", 3600.0) if any(s.seconds > 7200.0 for s in known) else ("min", 60.0)
    rows: list[list[Cell]] = []
    for e, state in zip(entries, known, strict=True):
        mark = Mark(state.word, _tones.get(state.word, "plain"))
        work = round(state.seconds / seconds, 2) or None
        rows.append([e.name, e.stage, mark, work, state.sentence])
    columns = [Column("stage"), Column("kind"), Column("state"), Column("work", unit), Column("")]
    if all(not row[4] for row in rows):
        columns, rows = columns[:4], [row[:4] for row in rows]
    return Table(columns, rows, "Every stage of the plan", "stages")


# --- records -------------------------------------------------------------------------------


def _record(folder: Path, name: str) -> dict[str, Any]:
    """Empty where a stage has none that can be read: it has not finished."""
    try:
        return read_json(folder / "stages" / name / "stage.json")
    except ZifglassError:
        return {}


def _is_known(folder: Path, name: str) -> bool:
    """Whether a stage has left something that a builder knows."""
    try:
        return kind_of(folder / "stages" / name) not in ("study", "collection")
    except ZifglassError:
        return False


def _own_word(folder: Path, stage: Mapping[str, Any], record: Mapping[str, Any]) -> StageWord:
    """What the record says, without looking at the results' checksums."""
    if not record:
        return StageWord("waiting")
    word, said = str(record.get("status")), str(record.get("sentence") or "")
    seconds = float(record.get("seconds") or 0.0)
    if record.get("fingerprint") != stage.get("fingerprint"):
        return StageWord("outdated", "made with other input; it will be done again", seconds)
    if word == "running" and not is_locked(folder / "locks" / f"{stage['name']}.lock"):
        return StageWord("interrupted", "its process was killed", seconds)
    return StageWord(word, said, seconds)


_shown_of_record = (
    "kind", "fingerprint", "status", "began", "ended", "host", "threads", "sessions",
    "commit", "versions", "references",
)  # fmt: skip


def _of_record(record: Mapping[str, Any]) -> dict[str, Any]:
    shown = {f"stage {key}": record[key] for key in _shown_of_record if record.get(key)}
    identity = record.get("identity") or {}  # its settings stand under Settings
    parts = ("method", "inputs", "potential", "needs")
    shown |= {f"stage {key}": identity[key] for key in parts if identity.get(key)}
    files = record.get("results") or {}
    return shown | {f"SHA-256 of {name}": one.get("sha256") for name, one in files.items()}


def _provenance(plan: Mapping[str, Any], records: Mapping[str, Mapping[str, Any]]) -> list[Part]:
    known = [record for record in records.values() if record]

    def every(key: str) -> list[Any]:
        values = [record.get(key) for record in known]
        return list(dict.fromkeys(str(value) for value in values if value))

    facts: dict[str, Any] = {"study": plan.get("study"), "folder when planned": plan.get("root")}
    facts |= {key: every(key) for key in ("commit", "host") if every(key)}
    for record in known[-1:]:
        facts |= {f"version of {k}": v for k, v in (record.get("versions") or {}).items()}
    references = dict.fromkeys(r for record in known for r in record.get("references") or ())
    if references:
        facts["references"] = list(references)
    return [facts_of(facts)]
