"""Every structural quantity of one trajectory, frames in parallel. What `zifglass analyse` runs.

Frames are cut into blocks (`accumulate.block_ranges`), blocks go to processes, and what they
gathered is merged in the order of time: the result does not depend on how many processes there
were. Each process reads its own frames, one at a time.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core import Frame, InputError, Trajectory, ZifglassError
from ..core.machine import end_with_parent
from ..core.neighbors import neighbor_list
from .accumulate import block_ranges
from .angles import AnglesAccumulator, AnglesSettings
from .bonds import BondsAccumulator, BondsSettings
from .coordination import CoordinationAccumulator, CoordinationSettings
from .frame_times import frame_spacing, frame_ticks, frame_times
from .linker_settings import LinkerSettings
from .linkers import LinkerAccumulator
from .melting import melting
from .melting_clocks import Melting, MeltingSettings
from .msd import msd
from .network import NetworkSettings, network
from .pmf import pmf_of_rdf
from .pore_series import pore_series
from .pores import Pores, PoreSettings, PoreSizes, pore_sizes, pores
from .rdf import RdfAccumulator
from .rings import RingAccumulator
from .scattering import ScatteringAccumulator
from .survey_settings import IN_TIME, QUANTITIES, Quantity, SurveySettings

__all__ = ["IN_TIME", "QUANTITIES", "Quantity", "Survey", "SurveySettings", "survey"]

Report = Callable[[int, int], None]
_clocks: dict[Quantity, Callable[[Trajectory], object]] = {
    "msd": frame_ticks, "bonds": frame_spacing, "melting": frame_times,
}  # fmt: skip
_few = 3  # frames that are not worth starting processes for


@dataclass(frozen=True, eq=False)
class Survey:
    """results: quantity → its typed result. skipped: quantity → why it could not be had.
    notes: what was assumed or left out. span: first and last time, fs, or None."""

    source: str
    formula: str
    atoms: int
    frames: int
    span: tuple[float, float] | None
    results: dict[str, Any]
    skipped: dict[str, str]
    notes: tuple[str, ...]


@dataclass
class _Job:
    """One piece of work for a process; `size` is what it counts for in the progress: its frames,
    and one for a look at the pores of a frame."""

    key: tuple[str, str, int]
    call: Callable[..., Any]
    arguments: tuple[Any, ...]
    size: int = 0


def survey(
    trajectories: Mapping[str, Trajectory],
    *,
    settings: SurveySettings | None = None,
    processes: int = 1,
    report: Report = lambda done, total: None,
) -> dict[str, Survey]:
    """All quantities that `settings` ask for of every trajectory, on `processes` processes.

    Without a choice, quantities in time are left out (and said so in `skipped`) where there is
    one frame or no clock, bond lifetimes where times are uneven; asked for by name they are
    refused. report(done, total) is called as frames and pores are done. Raises InputError on
    overlapping atoms and on what the quantities refuse, with the frame, ZifglassError where a
    process is killed.
    """
    settings = settings or SurveySettings()
    choices = {name: _wanted(trajectory, settings) for name, trajectory in trajectories.items()}
    settled = {name: _settled(trajectories[name], settings, choices[name][0]) for name in choices}
    jobs = [
        job
        for name, trajectory in trajectories.items()
        for job in _jobs(name, trajectory, settled[name][0], choices[name][0])
    ]
    total = sum(job.size for job in jobs)
    # A process takes a second to start: not for a handful of frames without pores.
    pores = sum(job.key[1] in ("pores", "sizes") for job in jobs)
    alone = total - pores <= _few and pores < 2
    done, answers = 0, {}
    report(0, total)
    for key, answer, size in _run(jobs, 1 if alone else processes):
        done += size
        answers[key] = answer
        report(done, total)
    return {
        name: _survey(
            trajectory,
            settings,
            choices[name],
            settled[name][1],
            {
                (quantity, start): answer
                for (owner, quantity, start), answer in answers.items()
                if owner == name
            },
        )
        for name, trajectory in trajectories.items()
    }


def _survey(
    trajectory: Trajectory,
    settings: SurveySettings,
    choice: tuple[tuple[Quantity, ...], dict[str, str]],
    remarks: list[str],
    answers: dict[tuple[str, int], Any],
) -> Survey:
    wanted, skipped = choice
    notes = [*trajectory.notes, *remarks]
    results = _results(trajectory, settings, wanted, answers, notes)
    times = trajectory.times
    return Survey(
        source=trajectory.source,
        formula=trajectory[0].structure.formula,
        atoms=len(trajectory.numbers),
        frames=len(trajectory),
        span=None if times is None else (float(times[0]), float(times[-1])),
        results=results,
        skipped=skipped,
        notes=tuple(notes),
    )


def _wanted(
    trajectory: Trajectory, settings: SurveySettings
) -> tuple[tuple[Quantity, ...], dict[str, str]]:
    wanted = QUANTITIES if settings.quantities is None else settings.quantities
    skipped: dict[str, str] = {}
    for quantity in IN_TIME:
        try:
            if quantity in wanted:
                _clocks[quantity](trajectory)
        except InputError as error:
            if settings.quantities is not None:
                raise
            skipped[quantity] = error.message
    return tuple(q for q in wanted if q not in skipped), skipped


def _settled(
    trajectory: Trajectory, settings: SurveySettings, wanted: tuple[Quantity, ...]
) -> tuple[SurveySettings, list[str]]:
    """Where linkers of the user's own are looked for: settings with how many of each there are by
    the first frame, so that every frame is judged alike; and which of them it lacks."""
    chosen = settings.linkers
    if not (chosen.own and {"linkers", "rings", "melting"} & set(wanted)):
        return settings, []
    try:
        found = chosen.find(trajectory[0])
    except InputError as error:
        raise InputError(error.message, trajectory.source, frame=0) from error
    fixed = LinkerSettings(own=chosen.own, expected=found.expected)
    lacking = [f"{sentence} ({trajectory.source})" for sentence in chosen.absent(found)]
    return settings.model_copy(update={"linkers": fixed}), lacking


def _jobs(
    name: str, trajectory: Trajectory, settings: SurveySettings, wanted: tuple[Quantity, ...]
) -> list[_Job]:
    jobs = []
    if "melting" in wanted:
        jobs.append(_Job((name, "melting", 0), _melting_of, (trajectory, settings)))
    if "msd" in wanted:
        jobs.append(_Job((name, "msd", 0), msd, (trajectory,)))
    jobs += [
        _Job((name, "frames", part.start), _fill, (trajectory, part, settings, wanted), len(part))
        for part in block_ranges(len(trajectory))
    ]
    if "pores" in wanted:
        # After the frames, which refuse bad input at once; sizes first, they take longest.
        jobs += [
            _Job((name, "sizes", i), _sizes_of, (trajectory, i, settings.pores), 1)
            for i in sorted(_spread(len(trajectory), settings.size_frames))
        ]
        jobs += [
            _Job((name, "pores", i), _pores_of, (trajectory, i, settings.pores), 1)
            for i in sorted(_spread(len(trajectory), settings.pore_frames))
        ]
    return jobs


def _spread(frames: int, count: int) -> set[int]:
    """At most `count` of `frames`, evenly spread, the first and the last among them."""
    chosen = np.linspace(0, frames - 1, min(count, frames)).round().astype(int)
    return set(chosen.tolist())


def _run(jobs: list[_Job], processes: int) -> Iterator[tuple[tuple[str, str, int], Any, int]]:
    if processes == 1:
        for job in jobs:
            yield job.key, job.call(*job.arguments), job.size
        return
    with _pool(processes) as pool:
        running: dict[Future[Any], _Job] = {
            pool.submit(job.call, *job.arguments): job for job in jobs
        }
        while running:
            finished, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in finished:
                job = running.pop(future)
                yield job.key, future.result(), job.size


@contextmanager
def _pool(processes: int) -> Iterator[ProcessPoolExecutor]:
    """Spawned processes (OpenMP hangs after a fork), ended at once when a job fails."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=end_with_parent)
    try:
        yield pool
    except BrokenProcessPool as error:
        raise ZifglassError(
            f"one of the {processes} processes of this analysis was killed from outside, perhaps "
            "for want of memory; run it again, with fewer processes (--processes 1)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass
class _Block:
    """The accumulators of one block of frames; one neighbour search serves the network."""

    settings: SurveySettings
    wanted: tuple[Quantity, ...]
    numbers: NDArray[np.int64]
    scattering: set[int]
    step: float  # fs between frames; NaN where no quantity in time is wanted
    filled: dict[str, Any] = field(default_factory=dict)
    temperatures: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        s = self.settings
        if {"rdf", "pmf"} & set(self.wanted):
            self.filled["rdf"] = RdfAccumulator(self.numbers, s.rdf)
        if "angles" in self.wanted:
            angle = AnglesSettings(
                first=s.donor, centre=s.metal, second=s.donor,
                first_cutoff=s.cutoff, second_cutoff=s.cutoff,
            )  # fmt: skip
            self.filled["angles"] = AnglesAccumulator(self.numbers, angle)
        if "coordination" in self.wanted:
            near = CoordinationSettings(centre=s.metal, neighbour=s.donor, cutoff=s.cutoff)
            self.filled["coordination"] = CoordinationAccumulator(self.numbers, near)
        if "bonds" in self.wanted:
            bond = BondsSettings(centre=s.metal, neighbour=s.donor, cutoff=s.cutoff)
            self.filled["bonds"] = BondsAccumulator(self.numbers, self.step, bond)
        if "linkers" in self.wanted:
            self.filled["linkers"] = LinkerAccumulator(
                graphs=s.linkers.graphs, expected=s.linkers.expected
            )
        if "rings" in self.wanted:
            self.filled["rings"] = RingAccumulator(settings=s.rings)
        if "scattering" in self.wanted:
            self.filled["scattering"] = ScatteringAccumulator(self.numbers, s.scattering)
        self._net = partial(
            network,
            settings=_network_settings(s),
            graphs=s.linkers.graphs,
            expected=s.linkers.expected,
        )

    def update(self, frame: Frame, index: int) -> None:
        if frame.temperature is not None:
            self.temperatures.append(frame.temperature)
        pairs = neighbor_list(frame.structure, self.settings.cutoff)
        near = np.nonzero(pairs.distances < self.settings.overlap)[0]
        if len(near):
            i, j, distance = (x[near[0]] for x in (pairs.i, pairs.j, pairs.distances))
            raise InputError(f"atoms {i} and {j} overlap: they are {distance:.3g} Å apart")
        for name in ("rdf", "angles", "coordination", "bonds"):
            if name in self.filled:
                self.filled[name].update(frame)
        if "scattering" in self.filled and index in self.scattering:
            self.filled["scattering"].update(frame)
        if "rings" in self.filled:
            net = self._net(frame, pairs=pairs)
            self.filled["rings"].add(net, frame.time)
            if "linkers" in self.filled:
                self.filled["linkers"].add(net.linkers, frame.time)
        elif "linkers" in self.filled:
            self.filled["linkers"].update(frame)


def _fill(
    trajectory: Trajectory, part: range, settings: SurveySettings, wanted: tuple[Quantity, ...]
) -> _Block:
    chosen = _spread(len(trajectory), settings.scattering_frames)
    step = frame_spacing(trajectory) if "bonds" in wanted else float("nan")
    block = _Block(settings, wanted, trajectory.numbers, chosen, step)
    for index in part:
        try:
            block.update(trajectory[index], index)
        except InputError as error:
            if error.path is not None or error.frame is not None:
                raise
            raise InputError(error.message, trajectory.source, frame=index) from error
    return block


def _results(
    trajectory: Trajectory,
    settings: SurveySettings,
    wanted: tuple[Quantity, ...],
    answers: dict[tuple[str, int], Any],
    notes: list[str],
) -> dict[str, Any]:
    blocks = [answers[key] for key in sorted(answers) if key[0] == "frames"]
    total = blocks[0]
    for block in blocks[1:]:
        for name, accumulator in total.filled.items():
            accumulator.merge(block.filled[name])
    results = {name: accumulator.finalise() for name, accumulator in total.filled.items()}
    if "pmf" in wanted:
        temperature = settings.temperature
        if temperature is None:
            temperature = _temperature([t for b in blocks for t in b.temperatures], notes)
        pair = f"{settings.metal}-{settings.donor}"
        results["pmf"] = pmf_of_rdf(results["rdf"], pair, temperature=temperature)
    if "pores" in wanted:
        results["pores"] = pore_series(answers)
    if "linkers" in wanted and results["linkers"].expected and not results["linkers"].intact.any():
        notes.append(
            "not one linker is whole in any frame: check the elements (species map), the units and "
            "the cell"
        )
    results |= {q: answers[q, 0] for q in ("msd", "melting") if q in wanted}
    return {quantity: results[quantity] for quantity in QUANTITIES if quantity in wanted}


def _temperature(known: list[float], notes: list[str]) -> float:
    if known:
        return float(np.mean(known))
    notes.append("the frames carry no temperature: the PMF is for 300 K")
    return 300.0


def _network_settings(settings: SurveySettings) -> NetworkSettings:
    return NetworkSettings(metal=settings.metal, donor=settings.donor, cutoff=settings.cutoff)


def _melting_of(trajectory: Trajectory, settings: SurveySettings) -> Melting:
    return melting(
        trajectory,
        settings=MeltingSettings(network=_network_settings(settings)),
        graphs=settings.linkers.graphs,
        expected=settings.linkers.expected,
    )


def _pores_of(trajectory: Trajectory, index: int, settings: PoreSettings) -> Pores:
    return pores(trajectory[index], settings=settings)


def _sizes_of(trajectory: Trajectory, index: int, settings: PoreSettings) -> PoreSizes:
    return pore_sizes(trajectory[index], settings=settings)
