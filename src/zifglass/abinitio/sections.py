"""CP2K's input language as a tree: what is written, what is read back, where two inputs differ.

The same language is used by inputs and by restart files. Supported: sections with a parameter,
keywords, default keywords (the lines of &COORD), comments (``!`` and ``#``), continuation lines
(``\\``), ``@SET`` with ``$NAME`` and ``${NAME}``. Other preprocessor lines are refused.

Source: CP2K manual 2023.1, https://manual.cp2k.org/cp2k-2023_1-branch/.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from zifglass.core import InputError

Line = tuple[str, str]

# Lines of these sections are values, not keywords: their first word is data.
VALUE_SECTIONS = frozenset(
    {"COORD", "VELOCITY", "FORCE", "THERMOSTAT_ENERGY", "RNG_INIT", "MASS", "BASIS", "POTENTIAL"}
)
_variable = re.compile(r"\$\{(\w+)\}|\$(\w+)")


@dataclass(frozen=True)
class Section:
    """``&NAME PARAMETER … &END NAME``; `lines` are (keyword, value) in order."""

    name: str
    parameter: str = ""
    lines: tuple[Line, ...] = ()
    sections: tuple[Section, ...] = ()

    def find(self, *path: str) -> Section | None:
        """The first section at `path` below this one, or None."""
        here: Section = self
        for name in path:
            below = next((s for s in here.sections if s.name == name.upper()), None)
            if below is None:
                return None
            here = below
        return here

    def value(self, keyword: str) -> str | None:
        """The value of the first line named `keyword`, or None."""
        wanted = keyword.upper()
        return next((value for name, value in self.lines if name.upper() == wanted), None)

    def rows(self) -> list[list[str]]:
        """The words of every line: the atoms of &COORD, the vectors of &VELOCITY."""
        return [[name, *value.split()] for name, value in self.lines]

    def text(self, indent: int = 0) -> str:
        """This section as CP2K reads it, one space deeper per level."""
        pad = " " * indent
        header = f"{pad}&{self.name} {self.parameter}".rstrip()
        body = [f"{pad} {name} {value}".rstrip() for name, value in self.lines]
        below = [section.text(indent + 1) for section in self.sections]
        return "\n".join([header, *body, *below, f"{pad}&END {self.name}"])


@dataclass(frozen=True)
class Input:
    """A whole CP2K input: its top sections in order."""

    sections: tuple[Section, ...]

    def find(self, *path: str) -> Section | None:
        """The first section at `path`, or None."""
        return Section("", sections=self.sections).find(*path)

    def text(self) -> str:
        """What is written to disk."""
        return "\n".join(section.text() for section in self.sections) + "\n"


def parse(text: str, *, source: str | Path | None = None) -> Input:
    """The tree of a CP2K input or restart file. Raises InputError naming file and line."""
    root: list[_Open] = [_Open("", "", 0)]
    variables: dict[str, str] = {}
    for number, line in _logical_lines(text):
        if line.startswith("@"):
            _set_variable(line, variables, source, number)
            continue
        line = _substitute(line, variables, source, number)
        if line.upper().startswith("&END"):
            _close(root, line, source, number)
        elif line.startswith("&"):
            name, _, parameter = line[1:].strip().partition(" ")
            root.append(_Open(name.upper(), parameter.strip(), number))
        else:
            name, _, value = line.replace("\t", " ").partition(" ")
            in_values = root[-1].name in VALUE_SECTIONS
            root[-1].lines.append((name if in_values else name.upper(), value.strip()))
    if len(root) > 1:
        raise InputError(
            f"section &{root[-1].name} is never closed: the file is cut short or an &END is "
            "missing",
            source,
            line=root[-1].number,
        )
    return Input(tuple(root[0].sections))


def read_input(path: str | Path) -> Input:
    """The tree of the CP2K input or restart file at `path`."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise InputError(f"cannot read this CP2K input: {error.strerror}", path) from error
    return parse(text, source=path)


def differences(a: Input, b: Input) -> list[str]:
    """What `a` says and `b` does not, and the reverse, one sentence each; empty if equivalent.

    Order of keywords and sections, case, number format (1E-5, 1.0000000000000001E-05) and
    spelling of logicals (T, .TRUE., ON, YES) do not count; the order of value lines does.
    """
    left, right = Counter(_flat(a)), Counter(_flat(b))
    return [f"only in the first: {item}" for item in sorted((left - right).elements())] + [
        f"only in the second: {item}" for item in sorted((right - left).elements())
    ]


class _Open:
    """A section whose &END has not come yet."""

    def __init__(self, name: str, parameter: str, number: int) -> None:
        self.name, self.parameter, self.number = name, parameter, number
        self.lines: list[Line] = []
        self.sections: list[Section] = []

    def closed(self) -> Section:
        return Section(self.name, self.parameter, tuple(self.lines), tuple(self.sections))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    pending, start = "", 0
    for number, raw in enumerate(text.splitlines(), start=1):
        line = re.split(r"[!#]", raw, maxsplit=1)[0] if "Wiener" not in raw else raw
        line = line.strip()
        start = start or number
        if line.endswith("\\"):
            pending += line[:-1] + " "
            continue
        line, pending = (pending + line).strip(), ""
        if line:
            yield start, line
        start = 0


def _set_variable(
    line: str, variables: dict[str, str], source: str | Path | None, number: int
) -> None:
    words = line.split(None, 2)
    if words[0].upper() != "@SET" or len(words) != 3:
        raise InputError(
            f"of CP2K's preprocessor only '@SET NAME value' is understood; got {line!r}: write "
            "the line out",
            source,
            line=number,
        )
    variables[words[1].upper()] = words[2].strip()


def _substitute(
    line: str, variables: dict[str, str], source: str | Path | None, number: int
) -> str:
    def value(match: re.Match[str]) -> str:
        name = (match[1] or match[2]).upper()
        if name not in variables:
            raise InputError(f"the variable {name} was never @SET", source, line=number)
        return variables[name]

    return _variable.sub(value, line)


def _close(root: list[_Open], line: str, source: str | Path | None, number: int) -> None:
    name = line[4:].strip().upper()
    if len(root) == 1:
        raise InputError(f"{line!r} closes nothing", source, line=number)
    if name and name != root[-1].name:
        raise InputError(
            f"&END {name} closes &{root[-1].name}, opened on line {root[-1].number}",
            source,
            line=number,
        )
    section = root.pop().closed()
    root[-1].sections.append(section)


def _flat(tree: Input) -> Iterator[str]:
    for section in tree.sections:
        yield from _flat_section(section, "")


def _flat_section(section: Section, above: str) -> Iterator[str]:
    parameter = _normal(section.parameter)
    label = section.name if parameter in ("", "TRUE") else f"{section.name} {parameter}"
    path = f"{above}/{label}"
    yield path
    ordered = section.name in VALUE_SECTIONS
    for index, (name, value) in enumerate(section.lines):
        key = f"{index} {_normal(name)}" if ordered else name.upper()
        yield f"{path}: {key} {_normal(value)}".rstrip()
    for below in section.sections:
        yield from _flat_section(below, path)


def _normal(value: str) -> str:
    return " ".join(_normal_word(word) for word in value.split())


def _normal_word(word: str) -> str:
    upper = word.upper()
    if upper in ("T", ".TRUE.", "TRUE", "ON", "YES"):
        return "TRUE"
    if upper in ("F", ".FALSE.", "FALSE", "OFF", "NO"):
        return "FALSE"
    try:
        return f"{float(upper.replace('D', 'E', 1)):.10g}"
    except ValueError:
        return upper
