"""Progress of any command: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

_plain_every = 30.0  # s between plain lines


class Progress:
    """``with Progress("frames", 100) as bar: bar.update(7)``. Writes to standard error."""

    def __init__(self, what: str, total: int | None = None) -> None:
        self._what, self._total = what, total
        self._begin = self._last = time.monotonic()
        self._first: int | None = None
        self._bar: Bar | None = None
        self.note = ""
        """What else is worth telling at this point; may be changed at any time."""

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TextColumn("{task.fields[note]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
            )
            self._bar.start()
            self._task = self._bar.add_task(self._what, total=self._total, rate="", note="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, done: int, *, total: int | None = None, what: str | None = None) -> None:
        """`done` so far, counted from the start of the work (a restart begins above 0)."""
        if what is not None and what != self._what:
            self._what, self._begin, self._first = what, time.monotonic(), None
        self._total = total if total is not None else self._total
        if self._first is None:
            self._first = done
        now = time.monotonic()
        if self._bar is not None:
            rate = f"{(done - self._first) / max(now - self._begin, 1e-3):.3g}/s"
            self._bar.update(
                self._task, completed=done, total=self._total, description=self._what, rate=rate,
                note=self.note,
            )  # fmt: skip
            return
        if now - self._last >= _plain_every or (done == self._total and done > self._first):
            self._last = now
            print(self._line(done, now), file=sys.stderr, flush=True)

    def _line(self, done: int, now: float) -> str:
        text = f"{self._what}: {done}" + (f" of {self._total}" if self._total else "")
        here = done - (self._first or 0)
        if here and self._total and done < self._total:
            seconds = (now - self._begin) / here
            text += f", {seconds:.3g} s each, {(self._total - done) * seconds / 60:.1f} min left"
        return f"{text}; {self.note}" if self.note else text
