"""The two ways zifglass says no. Both print as one sentence, without a traceback."""

from __future__ import annotations

from os import PathLike


class ZifglassError(Exception):
    """Something failed; the message says what, where and what to do. Exit status 1."""

    exit_status = 1


class InputError(ZifglassError):
    """What the user gave cannot be used. Exit status 2.

    The message ends with where: ``(file:line)``, ``(file, frame 12)`` or ``(file)``.
    """

    exit_status = 2

    def __init__(
        self,
        message: str,
        path: str | PathLike[str] | None = None,
        *,
        line: int | None = None,
        frame: int | None = None,
    ) -> None:
        where = ""
        if path is not None:
            where = str(path)
            if line is not None:
                where += f":{line}"
            if frame is not None:
                where += f", frame {frame}"
        elif frame is not None:
            where = f"frame {frame}"
        super().__init__(f"{message} ({where})" if where else message)
        self.message = message
        self.path = None if path is None else str(path)
        self.line = line
        self.frame = frame

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (type(self), self.message, self.path, self.line, self.frame)


def _rebuild(
    cls: type[InputError], message: str, path: str | None, line: int | None, frame: int | None
) -> InputError:
    return cls(message, path, line=line, frame=frame)


class Stopped(ZifglassError):
    """A run ended early on request, with everything saved; run it again to go on. Status 75."""

    exit_status = 75
