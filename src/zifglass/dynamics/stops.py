"""Requests to stop: signals, and the wall time that was granted."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any, Final

_signals: Final = tuple(
    getattr(signal, name)
    for name in ("SIGTERM", "SIGINT", "SIGUSR1", "SIGUSR2")
    if hasattr(signal, name)
)


class StopRequests:
    """While entered, SIGTERM, SIGINT, SIGUSR1 and SIGUSR2 only set `reason`; so does the end of
    `max_wall` seconds. Outside the main thread signals are left alone."""

    def __init__(self, max_wall: float | None = None) -> None:
        self._deadline = None if max_wall is None else time.monotonic() + max_wall
        self._max_wall = max_wall
        self._reason: str | None = None
        self._previous: dict[int, Any] = {}

    @property
    def reason(self) -> str | None:
        """Why to stop, or None."""
        if (
            self._reason is None
            and self._deadline is not None
            and time.monotonic() >= self._deadline
        ):
            self._reason = f"the wall time of {self._max_wall:g} s is used up"
        return self._reason

    def __enter__(self) -> StopRequests:
        if threading.current_thread() is threading.main_thread():
            for number in _signals:
                self._previous[number] = signal.signal(number, self._note)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._reason = f"{signal.Signals(number).name} received"
