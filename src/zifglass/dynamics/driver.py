"""The driver: carries a protocol out, writes what it gives, and can be stopped at any instant.

Between two steps everything that goes on lives in `State`, the generator and the records of
`_Run._records`; a checkpoint is these three. So a run that is stopped, killed or cut and
started again goes on to the same bits as one that was never touched.
"""

from __future__ import annotations

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
    Segment,
    Stopped,
    Structure,
    ZifglassError,
)
from zifglass.core.units import GPa, ns, ps
from zifglass.io import ChunkWriter, join, write

from . import checkpoint as checkpoints
from .checkpoint import Checkpoint
from .folder import RunFolder, identity_of, sha256_of_arrays, versions
from .integrators import Integrator, integrator_for
from .minimise import Fire
from .settings import RunSettings
from .state import Array, State
from .stops import StopRequests
from .system import System, check_prediction, check_timestep, masses_for
from .thermo import ThermoTable
from .velocities import maxwell_boltzmann, rescaled
from .watchdog import Check, ClosestApproach, Event, RunFrame, Watchdog, WatchdogStop, checks_of


@dataclass(frozen=True)
class Progress:
    """Where a run is. time fs of duration fs; ns_per_day and seconds_left None until known."""

    segment: str
    step: int
    time: float
    duration: float
    temperature: float
    pressure_total: float
    energy: float
    ns_per_day: float | None
    seconds_left: float | None


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
        if fork is not None:
            identity["forked_from"] = str(fork)
        place.settle(identity)
        job = _Run(protocol, system, place, settings, seed, melting, checks, report, note)
        job.prepare(velocities, fork)
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
    def __init__(
        self,
        protocol: Protocol,
        system: System,
        place: RunFolder,
        settings: RunSettings,
        seed: int,
        melting: Monitor | None,
        checks: Sequence[Check],
        report: Callable[[Progress], None] | None,
        note: Callable[[str], None] | None,
    ) -> None:
        self.protocol, self.system, self.place, self.settings = protocol, system, place, settings
        self.melting = melting
        self.report, self.note = report, note
        self.watchdog = Watchdog(checks_of(settings.watch, checks), settings.watch.frames_before)
        self.state = State(len(system.structure))
        self.rng = np.random.Generator(np.random.PCG64(seed))
        self.thermo = ThermoTable(place.thermo)
        self.events: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.integrator: Integrator | None = None
        self.fire: Fire | None = None
        self.frames: ChunkWriter | None = None
        self.finished = False
        self._saved_step, self._saved_at = -1, clock.monotonic()
        self._reported_at = clock.monotonic()
        self._rate_from: tuple[float, float] | None = None

    # --- starting and going on -------------------------------------------------------------

    def prepare(self, velocities: Array | None, fork: str | Path | None) -> None:
        """Load the newest checkpoint that everything on disk agrees with, or start afresh."""
        self.finished = self.place.trajectory.exists()
        if not self.finished:
            self.frames = ChunkWriter(
                self.place.chunks,
                self.system.structure.numbers,
                precision=self.settings.precision,
                unwrapped=True,
                metadata={"protocol": self.protocol.name, "potential": self.system.potential.name},
            )
            for sentence in self.frames.notes:
                self._say(sentence)
        refused = []
        for path, found in checkpoints.newest_first(self.place.checkpoints):
            error = found if isinstance(found, InputError) else self._restore(found)
            if error is None:
                self._say(f"going on from step {int(self.state.step)} ({path.name})")
                return
            refused.append(error)
            self._say(f"{error}; the checkpoint before it is used")
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
        records = found.records
        state = State(len(self.system.structure), found.data)
        if self.finished and state.segment < len(self.protocol.segments):
            return InputError("the run has finished, and this checkpoint has not")
        frames, length = records["frames"], records["thermo"]
        if self.frames is not None and self.frames.frames < frames:
            return InputError(
                f"the trajectory holds {self.frames.frames} frames, fewer than the {frames} of the "
                "checkpoint",
                self.place.chunks,
            )
        try:
            self.thermo.truncate(length)
        except InputError as error:
            return error
        if self.frames is not None:
            self.frames.truncate(frames)
        self.state = state
        self.rng.bit_generator.state = found.generator
        self.events, self.history = records["events"], records["history"]
        self.watchdog.restore(records["watchdog"])
        if self.melting is not None:
            self.melting.restore(records["melting"])
        self._saved_step = int(self.state.step)
        if self.state.segment_step > 0:
            self._choose_integrator()
        return None

    def _start(self, velocities: Array | None, fork: str | Path | None) -> None:
        assert self.frames is not None
        self.frames.truncate(0)
        self.thermo.truncate(0)
        state, structure = self.state, self.system.structure
        if fork is not None:
            structure, velocities = last_state(fork, structure)
        state.positions[:] = structure.positions
        state.cell[:] = structure.cell
        if velocities is not None:
            masses = self.system.masses
            state.velocities[:] = velocities - masses @ velocities / masses.sum()
        check_prediction(self.system, state)
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
            while self.state.segment < len(self.protocol.segments):
                if stops.reason is not None:
                    self._stop(stops.reason)
                if self._checkpoint_due():
                    self.save()
                if self.state.segment_step == 0 and not self._enter():
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

    def _advance(self) -> None:
        state = self.state
        try:
            if self.fire is not None:
                self.fire.step(state, self.system)
            else:
                self._step_dynamics()
        except InputError as error:
            self._abandon(f"the potential or the structure cannot go on: {error}")
        if not np.isfinite(state.energy + state.forces.sum() + state.positions.sum()):
            self._abandon("energy, forces or positions are not numbers any more")
        state.segment_step += 1
        state.step += 1
        if self._record():
            self._leave()
        self._report_progress()

    def _step_dynamics(self) -> None:
        segment = self._segment
        assert self.integrator is not None
        low, high = self._temperatures()
        target = low + (high - low) * (self.state.segment_step + 0.5) / segment.n_steps
        self.integrator.step(
            self.state, self.system, dt=segment.timestep, target=target, rng=self.rng
        )

    @property
    def _segment(self) -> Segment:
        return self.protocol.segments[int(self.state.segment)]

    @property
    def time(self) -> float:
        """The protocol's clock, fs."""
        segment = self._segment if self.state.segment < len(self.protocol.segments) else None
        if segment is None or segment.is_minimisation:
            return self.state.segment_time
        return self.state.segment_time + self.state.segment_step * segment.timestep

    def _temperatures(self) -> tuple[float, float]:
        """(start, end) K of the segment; 0 where nothing has set a temperature (NVE)."""
        return self._segment.temperature or (self.state.reached, self.state.reached)

    # --- segments ---------------------------------------------------------------------------

    def _enter(self) -> bool:
        """Begin the segment; False where its condition is not met and it is passed over."""
        segment, state = self._segment, self.state
        if segment.when is not None and (segment.when == "molten") != self._molten():
            assert self.melting is not None
            self.history.append({"name": segment.name, "ran": False})
            self._say(
                f"segment {segment.name!r} is passed over, it wants {segment.when}: "
                f"{self.melting.verdict().sentence}"
            )
            state.segment += 1
            return False
        if segment.length_jump is not None:
            self._jump(segment.length_jump)
        state.start_cell[:] = state.cell
        self._choose_integrator()
        self.system.evaluate(state)
        self.history.append(
            {
                "name": segment.name,
                "ran": True,
                "start_fs": state.segment_time,
                "first_step": int(state.step),
            }
        )
        if self.fire is not None:
            self.fire.start(state)
        else:
            self._enter_dynamics()
        return True

    def _enter_dynamics(self) -> None:
        state, segment = self.state, self._segment
        assert self.integrator is not None
        low = self._temperatures()[0]
        if low > 0.0 and not state.velocities.any():
            drawn = maxwell_boltzmann(self.system.masses, low, rng=self.rng)
            if self.settings.velocities == "exact-temperature":
                drawn = rescaled(drawn, self.system.masses, low)
            state.velocities[:] = drawn
        if self._last_ensemble() != segment.ensemble:
            state.chain[:] = 0.0
            state.cell_chain[:] = 0.0
            state.strain_rate[:] = 0.0
        state.target = low
        if not state.started:
            state.started = 1.0
            state.bath = 0.0
            state.carried = self.integrator.conserved(state, self.system)
            self._add_frame()
            self._add_line()
        state.bath += state.carried - self.integrator.conserved(state, self.system)

    def _leave(self) -> None:
        state, segment = self.state, self._segment
        if self.fire is not None:
            state.velocities[:] = 0.0
            state.strain_rate[:] = 0.0
        else:
            assert self.integrator is not None
            state.carried = self.integrator.conserved(state, self.system)
            state.reached = self._target_at_end()
            state.segment_time += state.segment_step * segment.timestep
        self.history[-1] |= {"end_fs": state.segment_time, "last_step": int(state.step)}
        state.segment += 1
        state.segment_step = 0

    def _target_at_end(self) -> float:
        low, high = self._temperatures()
        return low + (high - low) * self.state.segment_step / self._segment.n_steps

    def _last_ensemble(self) -> str | None:
        """Of the segment of dynamics that ran right before this one."""
        ran = [entry["name"] for entry in self.history[:-1] if entry["ran"]]
        segments = {segment.name: segment for segment in self.protocol.segments}
        return segments[ran[-1]].ensemble if ran else None

    def _choose_integrator(self) -> None:
        segment = self._segment
        self.fire = self.integrator = None
        if segment.is_minimisation:
            self.fire = Fire(segment.ensemble == "minimise-cell", segment.pressure_total or 0.0)
        else:
            self.integrator = integrator_for(segment)

    def _jump(self, factors: tuple[float, float, float]) -> None:
        state = self.state
        cell = state.cell * np.array(factors)[:, None]
        change = np.linalg.solve(state.cell, cell)
        state.positions[:] = np.einsum("ij,jk->ik", state.positions, change)
        state.cell[:] = cell

    def _molten(self) -> bool:
        assert self.melting is not None
        return self.melting.verdict().word == "liquid"

    # --- what a step leaves behind ----------------------------------------------------------

    def _record(self) -> bool:
        """Lines, frames and looks that are due; whether the segment is over."""
        segment, step = self._segment, int(self.state.segment_step)
        if self.fire is not None:
            return self._record_minimisation(segment, step)
        if step % segment.stride("thermo") == 0:
            self._add_line()
        if step % segment.stride("frames") == 0:
            self._add_frame()
        over = step >= segment.n_steps
        if step % segment.stride("monitor") == 0:
            self._look()
            over = over or (segment.until == "molten" and self._molten())
        return over

    def _record_minimisation(self, segment: Segment, step: int) -> bool:
        assert self.fire is not None
        force, stress = self.fire.residual(self.state)
        done = force <= segment.force_tolerance and stress <= segment.stress_tolerance
        over = done or step >= segment.max_iterations
        if over and not done:
            self._event(
                Event(
                    "minimisation",
                    "warn",
                    f"the minimisation stopped after {step} iterations with a largest force "
                    f"component of {force:.3g} eV/Å and a largest stress of {stress / GPa:.3g} GPa",
                    self.time,
                    segment.name,
                )
            )
        if over or step % 10 == 0:
            self._add_line()
        return over

    def _add_line(self) -> None:
        state, conserved = self.state, float("nan")
        if self.integrator is not None:
            conserved = self.integrator.conserved(state, self.system)
        else:  # FIRE's velocities are no motion of atoms
            state = state.copy()
            state.velocities[:] = 0.0
        self.thermo.add(state, self.system, time=self.time, conserved=conserved)

    def _add_frame(self) -> None:
        state = self.state
        assert self.frames is not None
        self.frames.append(
            state.positions,
            state.cell,
            time=self.time,
            energy=state.energy,
            stress=state.stress,
            temperature=self.system.temperature(state),
            velocities=state.velocities if "velocities" in self.protocol.outputs else None,
            forces=state.forces if "forces" in self.protocol.outputs else None,
            extras={"kinetic_stress": self.system.kinetic_stress(state)},
        )

    def _look(self) -> None:
        frame = self._frame()
        if self.melting is not None:
            self.melting.update(frame)
        for event in self.watchdog.look(frame):
            self._event(event)
            if event.policy == "harvest":
                write(self.place.harvest, self.watchdog.recent(self.system.structure.numbers))
            if event.policy in ("stop", "harvest"):
                self._watchdog_stop(event)

    def _frame(self) -> RunFrame:
        state = self.state
        assert self.integrator is not None
        return RunFrame(
            Structure(self.system.structure.numbers, state.positions, state.cell),
            time=self.time,
            velocities=state.velocities.copy(),
            energy=state.energy,
            forces=state.forces.copy(),
            stress=state.stress.copy(),
            temperature=self.system.temperature(state),
            unwrapped=True,
            index=int(state.step),
            conserved=self.integrator.conserved(state, self.system),
            target=self._target_at_end(),
            segment=self._segment.name,
            origin=state.segment_time,
        )

    def _event(self, event: Event) -> None:
        self.events.append(event.as_dict())
        self._say(f"{event.check}: {event}")

    # --- ends -------------------------------------------------------------------------------

    def save(self) -> None:
        """A checkpoint; trajectory and thermo table are on disk before it says so."""
        if self.frames is not None:
            frames = self.frames.flush()
        else:
            frames = 0
        length = self.thermo.flush()
        step = int(self.state.step)
        checkpoints.save(self.place.checkpoints, self._checkpoint(frames, length), step)
        self._saved_step, self._saved_at = step, clock.monotonic()
        self._write_status("running")

    def _checkpoint(self, frames: int, length: int) -> Checkpoint:
        return Checkpoint(
            self.state.data,
            dict(self.rng.bit_generator.state),
            {
                "frames": frames,
                "thermo": length,
                "events": self.events,
                "history": self.history,
                "watchdog": self.watchdog.state(),
                "melting": None if self.melting is None else self.melting.state(),
            },
        )

    def _checkpoint_due(self) -> bool:
        if self.settings.checkpoint_steps is not None:
            return int(self.state.step) - max(self._saved_step, 0) >= self.settings.checkpoint_steps
        return clock.monotonic() - self._saved_at >= self.settings.checkpoint_seconds

    def _stop(self, reason: str) -> None:
        if int(self.state.step) != self._saved_step:
            self.save()
        self._write_status("stopped", reason=reason)
        raise Stopped(
            f"{reason}: stopped at {self.time / ps:.4f} ps with everything saved; run the same "
            "command again to go on"
        )

    def _abandon(self, sentence: str) -> None:
        """The state is not to be trusted any more."""
        event = Event("integrity", "stop", sentence, self.time, self._segment.name)
        if self.settings.watch.forces == "harvest" or self.settings.watch.distances == "harvest":
            recent = self.watchdog.recent(self.system.structure.numbers)
            if recent:
                write(self.place.harvest, recent)
        self._event(event)
        self._watchdog_stop(event)

    def _watchdog_stop(self, event: Event) -> None:
        """Keep what was written; the last checkpoint stays the last good state."""
        assert self.frames is not None
        self.frames.flush()
        self.thermo.flush()
        self._write_status("stopped by the watchdog", reason=str(event))
        harvested = f"; frames around it are in {self.place.harvest}" * self.place.harvest.exists()
        raise WatchdogStop(f"the watchdog stopped the run: {event}{harvested}")

    def _finish(self) -> None:
        if not self.finished:
            assert self.frames is not None
            if self.frames.frames + self.frames.pending == 0:
                self._add_frame()
            self.save()
            join(self.place.chunks, self.place.trajectory)
            self.finished = True
        for path in sorted(self.place.chunks.glob("chunk-*.h5"), reverse=True):
            path.unlink()
        if self.place.chunks.exists() and not any(self.place.chunks.iterdir()):
            self.place.chunks.rmdir()
        self._write_status("finished")

    def _result(self) -> RunResult:
        structure = Structure(self.system.structure.numbers, self.state.positions, self.state.cell)
        return RunResult(
            self.place.path,
            structure,
            self.state.segment_time,
            int(self.state.step),
            self.events,
            self.history,
        )

    # --- telling ----------------------------------------------------------------------------

    def _say(self, sentence: str) -> None:
        if self.note is not None:
            self.note(sentence)

    def _rate(self) -> float | None:
        """fs of simulated time per second of wall time since this process started stepping."""
        now = (clock.monotonic(), self.time)
        if self._rate_from is None:
            self._rate_from = now
        elapsed, gone = now[0] - self._rate_from[0], now[1] - self._rate_from[1]
        return gone / elapsed if elapsed > 0.0 and gone > 0.0 else None

    def _progress(self) -> Progress:
        done = self.state.segment >= len(self.protocol.segments)
        rate = self._rate()
        return Progress(
            segment="finished" if done else self._segment.name,
            step=int(self.state.step),
            time=self.time,
            duration=self.protocol.duration,
            temperature=self.system.temperature(self.state),
            pressure_total=self.system.pressure_total(self.state),
            energy=self.state.energy,
            ns_per_day=None if rate is None else rate * 86400.0 / ns,
            seconds_left=None if rate is None else (self.protocol.duration - self.time) / rate,
        )

    def _report_progress(self) -> None:
        if self._rate_from is None:
            self._rate()
        if self.report is None or clock.monotonic() - self._reported_at < 2.0:
            return
        self._reported_at = clock.monotonic()
        self.report(self._progress())

    def _write_status(self, word: str, **more: Any) -> None:
        progress = self._progress()
        self.place.write_status(
            {
                "status": word,
                "protocol": self.protocol.name,
                "segment": progress.segment,
                "step": progress.step,
                "time_ps": progress.time / ps,
                "duration_ps": progress.duration / ps,
                "temperature_K": progress.temperature,
                "pressure_total_GPa": progress.pressure_total / GPa,
                "ns_per_day": progress.ns_per_day,
                "seconds_left": progress.seconds_left,
                "segments": self.history,
                "events": self.events,
                "versions": versions(),
            }
            | more
        )
