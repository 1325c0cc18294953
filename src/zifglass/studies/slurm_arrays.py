"""Stages as jobs and job arrays of Slurm, and what each of these waits for. No Slurm in here."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from .stage import Resources, Stage


@dataclass(frozen=True, order=True)
class Task:
    """A job, or one task of a job array. job: its number in this submission, or what Slurm calls
    one that is in its queue already. index: of the task; None for a job that is no array."""

    job: int | str
    index: int | None = None


@dataclass(frozen=True)
class Batch:
    """What one sbatch submits. indices: of the tasks, one per stage; empty for a job that is no
    array. after: what must have ended well before any of it starts. pairwise: arrays whose task
    of equal index must have ended well before a task starts (Slurm's aftercorr)."""

    number: int
    label: str
    resources: Resources
    stages: tuple[Stage, ...]
    indices: tuple[int, ...]
    after: tuple[Task, ...]
    pairwise: tuple[int | str, ...]

    def tasks(self) -> Iterator[tuple[int | None, Stage]]:
        """(index, stage) of each."""
        return zip(self.indices or (None,), self.stages, strict=True)


def batches(
    stages: Sequence[Stage], queued: Mapping[str, Task], *, largest: int = 1000
) -> list[Batch]:
    """What to submit for `stages` (each after those it needs), in an order in which all that a
    batch waits for comes before it.

    Stages of equal `array` and resources whose needs allow it become one job array of at most
    `largest` tasks. queued: by name, the stages that Slurm has already. A need that is in neither
    has finished.
    """
    made: list[Batch] = []
    tasks = dict(queued)
    for group in _groups(stages):
        for part in _parts(group, tasks):
            for piece in part.pieces(largest):
                batch = piece.batch(len(made))
                made.append(batch)
                for index, stage in batch.tasks():
                    tasks[stage.name] = Task(batch.number, index)
    return made


def dependency(batch: Batch, made: Sequence[Batch], ids: Mapping[int, str]) -> str:
    """Slurm's word for what `batch` waits for, such as ``afterok:12_0:12_1,aftercorr:13``; empty
    where it waits for nothing. ids: what Slurm calls the batches of this submission."""
    wanted: dict[int | str, set[int | None]] = defaultdict(set)
    for task in batch.after:
        wanted[task.job].add(task.index)
    words = []
    for job, indices in wanted.items():
        name = ids[job] if isinstance(job, int) else job
        if None in indices or (isinstance(job, int) and indices == set(made[job].indices)):
            words.append(name)
        else:
            words += [f"{name}_{index}" for index in sorted(i for i in indices if i is not None)]
    said = ["afterok:" + ":".join(words)] if words else []
    said += [f"aftercorr:{ids[job] if isinstance(job, int) else job}" for job in batch.pairwise]
    return ",".join(said)


def _groups(stages: Sequence[Stage]) -> list[list[Stage]]:
    """Those that could share an array: of equal array and resources, and as many steps from the
    start, so that none needs another of its group."""
    names = {stage.name for stage in stages}
    depth: dict[str, int] = {}

    def steps(stage: Stage) -> int:
        needs = [need for need in stage.needs.values() if need in names]
        return 1 + max((depth[need] for need in needs), default=0)

    groups: dict[tuple[object, ...], list[Stage]] = defaultdict(list)
    for stage in stages:
        depth[stage.name] = steps(stage)
        own = ("alone", stage.name) if stage.array is None else ("array", stage.array)
        groups[depth[stage.name], own, stage.resources].append(stage)
    return sorted(groups.values(), key=lambda group: depth[group[0].name])


@dataclass(frozen=True)
class _Part:
    """Stages that wait for the same. indices: empty where any will do."""

    stages: tuple[Stage, ...]
    after: frozenset[Task]
    pairwise: frozenset[int | str] = frozenset()
    indices: tuple[int, ...] = ()

    def pieces(self, largest: int) -> Iterator[_Part]:
        for start in range(0, len(self.stages), largest):
            part = slice(start, start + largest)
            yield _Part(self.stages[part], self.after, self.pairwise, self.indices[part])

    def batch(self, number: int) -> Batch:
        first, after, pairwise = self.stages[0], set(self.after), set(self.pairwise)
        indices = self.indices or tuple(range(len(self.stages)))
        if len(self.stages) == 1:
            after |= {Task(job, indices[0]) for job in pairwise}
            indices, pairwise = (), set()
        return Batch(
            number,
            first.name if first.array is None or not indices else first.array,
            first.resources,
            self.stages,
            indices,
            tuple(sorted(after, key=_key)),
            tuple(sorted(pairwise, key=str)),
        )


def _key(task: Task) -> tuple[str, int]:
    return str(task.job), -1 if task.index is None else task.index


def _parts(group: Sequence[Stage], tasks: Mapping[str, Task]) -> list[_Part]:
    """`group` in as few arrays as its needs allow: those that need the very same together, or
    task i of one array after task i of another, whichever makes fewer."""
    waits = {
        stage.name: frozenset(tasks[need] for need in stage.needs.values() if need in tasks)
        for stage in group
    }
    together = _together(group, waits)
    matched = [stage for stage in group if _index(waits[stage.name]) is not None]
    rest = [stage for stage in group if _index(waits[stage.name]) is None]
    paired = [*_pairwise(matched, waits), *_together(rest, waits)]
    return paired if len(paired) < len(together) else together


def _together(group: Sequence[Stage], waits: Mapping[str, frozenset[Task]]) -> list[_Part]:
    by_wait: dict[frozenset[Task], list[Stage]] = defaultdict(list)
    for stage in group:
        by_wait[waits[stage.name]].append(stage)
    return [_Part(tuple(stages), after) for after, stages in by_wait.items()]


def _index(wait: frozenset[Task]) -> int | None:
    """The index that all tasks of arrays in `wait` share."""
    found = {task.index for task in wait if task.index is not None}
    return found.pop() if len(found) == 1 else None


def _pairwise(group: Sequence[Stage], waits: Mapping[str, frozenset[Task]]) -> list[_Part]:
    rows: dict[_Row, list[tuple[int, Stage]]] = defaultdict(list)
    for stage in group:
        wait = waits[stage.name]
        index = _index(wait)
        assert index is not None, "only stages that wait for tasks of one index come here"
        arrays = frozenset(task.job for task in wait if task.index is not None)
        after = frozenset(task for task in wait if task.index is None)
        # A second stage that waits for the same task starts, or joins, a second array.
        row = 0
        while any(index == taken for taken, _ in rows[arrays, after, row]):
            row += 1
        rows[arrays, after, row].append((index, stage))
    return [
        _Part(tuple(s for _, s in row), after, arrays, tuple(i for i, _ in row))
        for (arrays, after, _), row in rows.items()
        if row
    ]


_Row = tuple[frozenset[int | str], frozenset[Task], int]
