"""YAML as people write it: a key is its text, none comes twice, and the line of each is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import yaml

from .errors import InputError

Keys = tuple[str, ...]
_MERGE: Final = "tag:yaml.org,2002:merge"
_TEXT: Final = "tag:yaml.org,2002:str"


@dataclass(frozen=True)
class Origin:
    """Where settings were said. path: the file; lines: of every key in it, by its way from the
    top; changes: of the form ``a.b=c``, which came after it."""

    path: str | Path | None = None
    lines: Mapping[Keys, int] = field(default_factory=dict)
    changes: tuple[tuple[Keys, str], ...] = ()

    def changed(self, changes: Iterable[str]) -> Origin:
        """With changes that come after those known."""
        more = ((tuple(text.partition("=")[0].strip().split(".")), text) for text in changes)
        return replace(self, changes=(*self.changes, *more))

    def below(self, *above: str) -> Origin:
        """Of the group of that way from the top."""
        n = len(above)
        lines = {keys[n:]: line for keys, line in self.lines.items() if keys[:n] == above}
        changes = ((keys[n:], text) for keys, text in self.changes if keys[:n] == above)
        return replace(self, lines=lines, changes=tuple(changes))

    def over(self, other: Origin) -> Origin:
        """Of settings that replace those of `other`."""
        return replace(
            self, lines={**other.lines, **self.lines}, changes=(*other.changes, *self.changes)
        )

    def error(self, message: str, keys: Keys) -> InputError:
        """`message` of the setting `keys`, with the change that made it or its file and line."""
        for changed, text in reversed(self.changes):
            n = min(len(changed), len(keys))
            if n and changed[:n] == keys[:n]:
                return InputError(message, f"in {text}")
        above = (keys[:n] for n in range(len(keys), -1, -1))
        line = next((self.lines[way] for way in above if way in self.lines), None)
        return InputError(message, self.path, line=line)

    @contextmanager
    def at(self, *keys: str) -> Iterator[None]:
        """Give an InputError of the block the place of `keys`, where it has none of its own."""
        try:
            yield
        except InputError as error:
            if error.path is not None:
                raise
            raise self.error(error.message, keys) from error


def read_yaml(path: str | Path, *, what: str) -> tuple[Any, Origin]:
    """The content of a YAML file, unchecked, and where each key of it stands.

    what: completes "cannot read …" and "this is no …". Raises InputError with file and line where
    it cannot be read, is no YAML, or names a key twice in one group.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"this is no text in UTF-8, so no {what}", path) from error
    except OSError as error:
        raise InputError(f"cannot read this {what}: {error.strerror}", path) from error
    lines: dict[Keys, int] = {}
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is None:
            return None, Origin(path)
        _look(node, (), lines, path, ())
        return loader.construct_document(node), Origin(path, lines)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        sentence = f"this is not YAML: it holds the control character {error.character:#04x}"
        raise InputError(sentence, path, line=line) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "unreadable"
        at = None if mark is None else mark.line + 1
        raise InputError(f"this is not YAML: {problem}", path, line=at) from None
    except ValueError as error:  # such as the 31st of a shorter month
        raise InputError(f"this is not YAML: {error}", path) from None


def _look(
    node: yaml.Node, above: Keys, lines: dict[Keys, int], path: str | Path, within: tuple[int, ...]
) -> None:
    """Note the line of every key below `node`, and make each its text: yes and 010 are names."""
    if id(node) in within:
        raise InputError("a part of this holds itself", path, line=node.start_mark.line + 1)
    within = (*within, id(node))
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            lines[(*above, str(number))] = item.start_mark.line + 1
            _look(item, (*above, str(number)), lines, path, within)
    elif isinstance(node, yaml.MappingNode):
        own: set[str] = set()
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise InputError("a key is one word, this is a group", path, line=line)
            if key.tag == _MERGE:
                continue
            key.tag = _TEXT
            if key.value in own:
                first = lines[(*above, key.value)]
                raise InputError(
                    f"{key.value!r} stands here and in line {first}; remove one", path, line=line
                )
            own.add(key.value)
            lines[(*above, key.value)] = line
            _look(value, (*above, key.value), lines, path, within)
