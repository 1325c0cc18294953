"""The driver: carries a protocol out, writes what it gives, and can be stopped at any instant.

Between two steps everything that goes on lives in the state, the generator and `Output.records`;
a checkpoint is these three. So a run that is stopped, killed or cut and started again goes on to
the same bits as one that was never touched.
"""

from __future__ import annotations

import os
import time as clock
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.core import (
    Frame,
    InputError,
    Monitor,
    Potential,
    Protocol,
    Stopped,
    Structure,
    ZifglassError,
)
from zifglass.core.units import ps

from . import checkpoint as checkpoints
from .checkpoint import Checkpoint
from .course import Course
from .folder import RunFolder, identity_of, linkers_as_dict, sha256_of_arrays
from .output import Output
from .progress import Pace, Progress
from .settings import RunSettings
from .state import Array, State
from .stops import StopRequests
from .system import System, check_prediction, check_timestep, masses_for
from .watchdog import Check, ClosestApproach, Event, Watchdog, WatchdogStop, checks_of


@dataclass(frozen=True, eq=False)
class RunResult:
    """A finished run. structure: its last, positions unwrapped. time: fs. events: what the
    watchdog and the driver noted. segments: name, start and end (fs) and first and last step of
    every segment that ran, None for those whose condition was not met."""

    folder: Path
    structure: Structure
    time: float
    steps: int
    events: list[dict[str, Any]]
    segments: list[dict[str, Any]]


def run(
    protocol: Protocol,
    structure: Structure,
    potential: Potential,
    *,
    folder: str | Path,
    seed: int = 0,
    settings: RunSettings | None = None,
    melting: Monitor | None = None,
    checks: Sequence[Check] = (),
    max_wall: float | None = None,
    report: Callable[[Progress], None] | None = None,
    note: Callable[[str], None] | None = None,
    velocities: Array | None = None,
    fork: str | Path | None = None,
) -> RunResult:
    """Carry out `protocol` on `structure`; call again with the same arguments to go on.

    folder: where the run lives (see `folder.py`). seed: of velocities and stochastic thermostats.
    melting: the monitor whose verdict "liquid" ends `until: molten`. checks: monitors watched
    besides the built-in ones. max_wall: seconds after which to stop with a checkpoint. report:
    called about every two seconds. note: told one sentence at a time. velocities (atoms, 3) Å/fs:
    to start from instead of drawn ones (their centre of mass is brought to rest). fork: the folder
    of another run, whose last positions, velocities and cell this one starts from.

    Raises InputError where protocol, structure, potential or folder do not fit; Stopped after a
    signal or at max_wall, with everything saved; WatchdogStop when a check ends the run.
    """
    settings = settings or RunSettings()
    if protocol.needs_melting and melting is None:
        raise InputError(
            f"protocol {protocol.name!r} asks whether the structure has molten, and no melting "
            "monitor was given"
        )
    system = System(structure, masses_for(structure, protocol.masses), potential)
    for segment in protocol.segments:
        if not segment.is_minimisation:
            try:
                check_timestep(structure, system.masses, segment.timestep)
            except InputError as error:
                raise InputError(f"segment {segment.name!r}: {error.message}") from error
    with RunFolder(folder) as place, StopRequests(max_wall) as stops:
        identity = identity_of(protocol, structure, potential, seed, settings.velocities)
        if velocities is not None:
            identity["starting_velocities"] = sha256_of_arrays(velocities)
        identity["linkers"] = linkers_as_dict(settings.linkers)
        if fork is not None:
            # Seen from the run, so that a folder that holds both can be moved.
            identity["forked_from"] = os.path.relpath(fork, folder)
        place.settle(identity)
        rng = np.random.Generator(np.random.PCG64(seed))
        course = Course(protocol, system, rng, settings.velocities)
        watchdog = Watchdog(checks_of(settings.watch, checks), settings.watch.frames_before)
        output = Output(course, place, settings, watchdog, melting, note)
        job = _Run(course, output, Pace(course, report), settings)
        job.prepare(velocities, fork)
        place.begin(identity)
        return job.carry_out(stops)


def last_state(folder: str | Path, like: Structure) -> tuple[Structure, Array]:
    """Structure and velocities (atoms, 3) Å/fs of the newest whole checkpoint of a run of the
    atoms of `like`."""
    for path, found in checkpoints.newest_first(Path(folder) / "checkpoints"):
        if isinstance(found, InputError):
            continue
        try:
            state = State(len(like), found.data)
        except ValueError as error:
            raise InputError("that run holds another number of atoms", path) from error
        return Structure(like.numbers, state.positions, state.cell), state.velocities
    raise InputError("there is no whole checkpoint to branch off from", folder)


class _Run:
    """The loop, its checkpoints and its ends."""

    def __init__(self, course: Course, output: Output, pace: Pace, settings: RunSettings) -> None:
        self.course, self.output, self.pace, self.settings = course, output, pace, settings
        self.place = output.place
        self._saved_step, self._saved_at = -1, clock.monotonic()

    # --- starting and going on -------------------------------------------------------------

    def prepare(self, velocities: Array | None, fork: str | Path | None) -> None:
        """Load the newest checkpoint that everything on disk agrees with, or start afresh."""
        refused = []
        for path, found in checkpoints.newest_first(self.place.checkpoints):
            error = found if isinstance(found, InputError) else self._restore(found)
            if error is None:
                step = int(self.course.state.step)
                self.output.say(f"going on from step {step} ({path.name})")
                return
            refused.append(error)
            self.output.say(f"{error}; the checkpoint before it is used")
            path.replace(path.with_suffix(".unusable"))
        if refused:
            raise InputError(
                f"no checkpoint of this run can be used: {refused[-1]}; start again in another "
                "folder",
                self.place.path,
            )
        self._start(velocities, fork)

    def _restore(self, found: Checkpoint) -> InputError | None:
        """Take up `found`, or say why not; nothing is cut unless all of it fits."""
        course, records = self.course, found.records
        state = State(len(course.system.structure), found.data)
        if self.output.finished and state.segment < len(course.protocol.segments):
            return InputError("the run has finished, and this checkpoint has not")
        error = self.output.cut(records["frames"], records["thermo"])
        if error is not None:
            return error
        course.rng.bit_generator.state = found.generator
        course.take_up(state, records["history"])
        self.output.restore(records)
        self._saved_step = int(state.step)
        return None

    def _start(self, velocities: Array | None, fork: str | Path | None) -> None:
        if self.output.finished:
            raise InputError(
                "this run has finished, and its checkpoints are gone; start again in another "
                "folder",
                self.place.path,
            )
        if (error := self.output.cut(0, 0)) is not None:
            raise error
        course = self.course
        state, system, structure = course.state, course.system, course.system.structure
        if fork is not None:
            structure, velocities = last_state(fork, structure)
        state.positions[:] = structure.positions
        state.cell[:] = structure.cell
        if velocities is not None:
            masses = system.masses
            state.velocities[:] = velocities - masses @ velocities / masses.sum()
        check_prediction(system, state)
        closest = ClosestApproach(self.settings.watch.distance_fraction)
        closest.update(Frame(structure))
        if self.settings.watch.distances != "off" and closest.verdict().word != "ok":
            raise InputError(
                "the starting structure has atoms on top of each other: "
                f"{closest.verdict().sentence}"
            )

    # --- the loop ---------------------------------------------------------------------------

    def carry_out(self, stops: StopRequests) -> RunResult:
        """Step until the protocol's end."""
        try:
            while not self.course.is_over:
                if stops.reason is not None:
                    self._stop(stops.reason)
                if self._checkpoint_due():
                    self.save()
                if self.course.state.segment_step == 0 and not self._enter():
                    continue
                self._advance()
            self._finish()
        except (Stopped, WatchdogStop):
            raise
        except ZifglassError as error:
            with suppress(ZifglassError):  # a full disk has no room for this either
                self._write_status("failed", error=str(error))
            raise
        return self._result()

    def _enter(self) -> bool:
        """Begin the segment; False where its condition is not met and it is passed over."""
        segment, output = self.course.segment, self.output
        if segment.when is not None and (segment.when == "molten") != output.is_molten():
            assert output.melting is not None
            self.course.pass_over()
            output.say(
                f"segment {segment.name!r} is passed over, it wants {segment.when}: "
                f"{output.melting.verdict().sentence}"
            )
            return False
        if self.course.enter():
            output.add_frame()
            output.add_line()
        return True

    def _advance(self) -> None:
        state = self.course.state
        try:
            self.course.step()
        except InputError as error:
            self._abandon(f"the potential or the structure cannot go on: {error}")
        if not np.isfinite(state.energy + state.forces.sum() + state.positions.sum()):
            self._abandon("energy, forces or positions are not numbers any more")
        state.segment_step += 1
        state.step += 1
        if self._record():
            self.course.leave()
        self.pace.tell()

    def _record(self) -> bool:
        """Write and watch what is due; whether the segment is over."""
        segment, step = self.course.segment, int(self.course.state.segment_step)
        if self.course.fire is not None:
            return self._record_minimisation()
        for event in self.output.record():
            self._alarm(event)
        if step >= segment.n_steps:
            return True
        looked = segment.until == "molten" and self.course.is_due("monitor")
        return looked and self.output.is_molten()

    def _record_minimisation(self) -> bool:
        segment, state = self.course.segment, self.course.state
        assert self.course.fire is not None
        force, stress = self.course.fire.residual(state)
        done = force <= segment.force_tolerance and stress <= segment.stress_tolerance
        over = done or int(state.segment_step) >= segment.max_iterations
        if over and not done:
            self.output.unconverged(force, stress)
        self.output.record_minimisation(over=over)
        return over

    # --- checkpoints ------------------------------------------------------------------------

    def save(self) -> None:
        """A checkpoint; trajectory and thermo table are on disk before it says so."""
        records = self.output.records(*self.output.flush())
        state, step = self.course.state, int(self.course.state.step)
        kept = Checkpoint(state.data, dict(self.course.rng.bit_generator.state), records)
        checkpoints.save(self.place.checkpoints, kept, step)
        self._saved_step, self._saved_at = step, clock.monotonic()
        self._write_status("running")

    def _checkpoint_due(self) -> bool:
        if self.settings.checkpoint_steps is not None:
            gone = int(self.course.state.step) - max(self._saved_step, 0)
            return gone >= self.settings.checkpoint_steps
        return clock.monotonic() - self._saved_at >= self.settings.checkpoint_seconds

    # --- ends -------------------------------------------------------------------------------

    def _stop(self, reason: str) -> None:
        if int(self.course.state.step) != self._saved_step:
            self.save()
        self._write_status("stopped", reason=reason)
        raise Stopped(
            f"{reason}: stopped at {self.course.time / ps:.4f} ps with everything saved; run the "
            "same command again to go on"
        )

    def _alarm(self, event: Event) -> None:
        self.output.add_event(event)
        if event.policy == "harvest":
            self.output.harvest()
        if event.policy in ("stop", "harvest"):
            self._watchdog_stop(event)

    def _abandon(self, sentence: str) -> None:
        """The state is not to be trusted any more."""
        event = Event("integrity", "stop", sentence, self.course.time, self.course.segment.name)
        if "harvest" in (self.settings.watch.forces, self.settings.watch.distances):
            self.output.harvest()
        self.output.add_event(event)
        self._watchdog_stop(event)

    def _watchdog_stop(self, event: Event) -> None:
        """Keep what was written; the last checkpoint stays the last good state."""
        self.output.flush()
        self._write_status("stopped by the watchdog", reason=str(event))
        harvested = f"; frames around it are in {self.place.harvest}" * self.place.harvest.exists()
        raise WatchdogStop(f"the watchdog stopped the run: {event}{harvested}")

    def _finish(self) -> None:
        if not self.output.finished:
            self.output.ensure_frame()
            self.save()
        self.output.join()
        self._write_status("finished")

    def _result(self) -> RunResult:
        state = self.course.state
        structure = self.course.system.structure
        return RunResult(
            self.place.path,
            Structure(structure.numbers, state.positions, state.cell),
            state.segment_time,
            int(state.step),
            self.output.events,
            self.course.history,
        )

    def _write_status(self, word: str, **more: Any) -> None:
        self.place.write_status(self.pace.status(word, self.output.events) | more)
