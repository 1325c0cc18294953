"""What a run leaves behind: frames, thermo lines, looks of the monitors, events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zifglass.core import InputError, Monitor, Structure
from zifglass.core.units import GPa
from zifglass.io import ChunkWriter, join, write

from .course import Course
from .folder import RunFolder
from .settings import RunSettings
from .thermo import ThermoTable
from .watchdog import Event, RunFrame, Watchdog


class Output:
    """Trajectory, thermo table, monitors and events of the run in `place`."""

    def __init__(
        self,
        course: Course,
        place: RunFolder,
        settings: RunSettings,
        watchdog: Watchdog,
        melting: Monitor | None,
        note: Callable[[str], None] | None,
    ) -> None:
        self.course, self.place = course, place
        self.watchdog, self.melting, self.note = watchdog, melting, note
        self.thermo = ThermoTable(place.thermo)
        self.events: list[dict[str, Any]] = []
        self.finished = place.trajectory.exists()
        self._frames: ChunkWriter | None = None
        if not self.finished:
            self._frames = self._writer(settings)
            for sentence in self._frames.notes:
                self.say(sentence)

    def _writer(self, settings: RunSettings) -> ChunkWriter:
        system = self.course.system
        return ChunkWriter(
            self.place.chunks,
            system.structure.numbers,
            precision=settings.precision,
            unwrapped=True,
            metadata={"protocol": self.course.protocol.name, "potential": system.potential.name},
        )

    def say(self, sentence: str) -> None:
        """Tell the one who runs it."""
        if self.note is not None:
            self.note(sentence)

    # --- a step's ---------------------------------------------------------------------------

    def record(self) -> list[Event]:
        """Lines, frames and looks that are due; the alarms of the look."""
        if self.course.is_due("thermo"):
            self.add_line()
        if self.course.is_due("frames"):
            self.add_frame()
        return self._look() if self.course.is_due("monitor") else []

    def record_minimisation(self, *, over: bool) -> None:
        """A line at every tenth iteration and the last."""
        if over or int(self.course.state.segment_step) % 10 == 0:
            self.add_line()

    def add_line(self) -> None:
        """To the thermo table."""
        course, state = self.course, self.course.state
        if course.integrator is None:  # FIRE's velocities are no motion of atoms
            state = state.copy()
            state.velocities[:] = 0.0
        self.thermo.add(state, course.system, time=course.time, conserved=course.conserved())

    def add_frame(self) -> None:
        """To the trajectory."""
        state, system, outputs = self.course.state, self.course.system, self.course.protocol.outputs
        assert self._frames is not None
        self._frames.append(
            state.positions,
            state.cell,
            time=self.course.time,
            energy=state.energy,
            stress=state.stress,
            temperature=system.temperature(state),
            velocities=state.velocities if "velocities" in outputs else None,
            forces=state.forces if "forces" in outputs else None,
            extras={"kinetic_stress": system.kinetic_stress(state)},
        )

    # --- monitors and events ----------------------------------------------------------------

    def is_molten(self) -> bool:
        """The melting monitor's verdict."""
        assert self.melting is not None
        return self.melting.verdict().word == "liquid"

    def _look(self) -> list[Event]:
        frame = self._frame()
        if self.melting is not None:
            self.melting.update(frame)
        return self.watchdog.look(frame)

    def _frame(self) -> RunFrame:
        course, state = self.course, self.course.state
        return RunFrame(
            Structure(course.system.structure.numbers, state.positions, state.cell),
            time=course.time,
            velocities=state.velocities.copy(),
            energy=state.energy,
            forces=state.forces.copy(),
            stress=state.stress.copy(),
            temperature=course.system.temperature(state),
            unwrapped=True,
            index=int(state.step),
            conserved=course.conserved(),
            target=course.target,
            segment=course.segment.name,
            origin=state.segment_time,
        )

    def add_event(self, event: Event) -> None:
        """Note and tell it."""
        self.events.append(event.as_dict())
        self.say(f"{event.check}: {event}")

    def unconverged(self, force: float, stress: float) -> None:
        """Note a minimisation that reached its limit; largest force eV/Å, stress eV/Å³."""
        step, segment = int(self.course.state.segment_step), self.course.segment.name
        sentence = (
            f"the minimisation stopped after {step} iterations with a largest force component of "
            f"{force:.3g} eV/Å and a largest stress of {stress / GPa:.3g} GPa"
        )
        self.add_event(Event("minimisation", "warn", sentence, self.course.time, segment))

    def harvest(self) -> None:
        """The last looks, ready for labelling."""
        recent = self.watchdog.recent(self.course.system.structure.numbers)
        if recent:
            write(self.place.harvest, recent)

    # --- on disk ----------------------------------------------------------------------------

    def flush(self) -> tuple[int, int]:
        """Trajectory, then thermo table to disk; their lengths, in frames and bytes."""
        frames = 0 if self._frames is None else self._frames.flush()
        return frames, self.thermo.flush()

    def cut(self, frames: int, length: int) -> InputError | None:
        """Back to the lengths of a checkpoint, or say why not; nothing is cut unless both are
        there."""
        if self._frames is not None and self._frames.frames < frames:
            return InputError(
                f"the trajectory holds {self._frames.frames} frames, fewer than the {frames} of "
                "the checkpoint",
                self.place.chunks,
            )
        try:
            self.thermo.truncate(length)
        except InputError as error:
            return error
        if self._frames is not None:
            self._frames.truncate(frames)
        return None

    def records(self, frames: int, length: int) -> dict[str, Any]:
        """What a checkpoint keeps of all this."""
        return {
            "frames": frames,
            "thermo": length,
            "events": self.events,
            "history": self.course.history,
            "watchdog": self.watchdog.state(),
            "melting": None if self.melting is None else self.melting.state(),
        }

    def restore(self, records: dict[str, Any]) -> None:
        """Events and monitors as `records` kept them."""
        self.events = records["events"]
        self.watchdog.restore(records["watchdog"])
        if self.melting is not None:
            self.melting.restore(records["melting"])

    def ensure_frame(self) -> None:
        """A protocol of minimisations alone leaves its last state."""
        assert self._frames is not None
        if self._frames.frames + self._frames.pending == 0:
            self.add_frame()

    def join(self) -> None:
        """The chunks into one file; what is left of them goes."""
        if not self.finished:
            join(self.place.chunks, self.place.trajectory)
            self.finished = True
        for path in sorted(self.place.chunks.glob("chunk-*.h5"), reverse=True):
            path.unlink()
        if self.place.chunks.exists() and not any(self.place.chunks.iterdir()):
            self.place.chunks.rmdir()
