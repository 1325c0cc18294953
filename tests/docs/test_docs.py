"""What the pages say is so: their Python runs, their commands and options exist, their links lead
somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from zifglass.cli.main import app

_root = Path(__file__).resolve().parents[2]
_guides = [_root / "README.md", *sorted((_root / "docs").rglob("*.md"))]
_pages = [
    *_guides,
    *(_root / name for name in ("CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((_root / "src" / "zifglass").rglob("README.md")),
]
_fence = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)


def _names(pages: list[Path]) -> list[str]:
    return [str(page.relative_to(_root)) for page in pages]


def _python(page: Path) -> list[str]:
    return [code for language, code in _fence.findall(page.read_text()) if language == "python"]


_with_python = [page for page in _guides if _python(page)]


def test_readme_and_quickstart_hold_examples() -> None:
    assert {"README.md", "docs/quickstart.md"} <= set(_names(_with_python))
    (example,) = _python(_root / "README.md")
    assert len([line for line in example.splitlines() if line.strip()]) <= 15


@pytest.mark.parametrize("page", _with_python, ids=_names(_with_python))
def test_python_blocks_run(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    """The blocks of a page one after another, as a reader would run them."""
    blocks = _python(page)
    if any("castel2024-nequip" in block for block in blocks):
        request.getfixturevalue("published")
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {"__name__": page.stem}
    for block in blocks:
        exec(compile(block, str(page), "exec"), names)


def _command_lines(text: str) -> Iterator[str]:
    """Everything written as code that starts with ``zifglass``, continued lines joined."""
    fenced = "\n".join(code for language, code in _fence.findall(text) if language != "python")
    rest = _fence.sub("", text)
    indented = "\n".join(re.findall(r"^ {4}(\S.*)$", rest, re.M))
    for line in (fenced + "\n" + indented).replace("\\\n", " ").splitlines():
        if line.removeprefix("$ ").startswith("zifglass "):
            yield line.removeprefix("$ ")
    for span in re.findall(r"`([^`]+)`", rest):
        if " ".join(span.split()).startswith("zifglass "):
            yield " ".join(span.split())


def _command(words: list[str]) -> tuple[object, list[str]]:
    """The command that `words` begin with, and the words after it."""
    command = typer.main.get_command(app)
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"no command {words[0]!r}"
        command, words = command.commands[words[0]], words[1:]
    return command, words


@pytest.mark.parametrize("page", _pages, ids=_names(_pages))
def test_commands_and_options_exist(page: Path) -> None:
    for line in _command_lines(page.read_text()):
        words = shlex.split(line, comments=True)[1:]
        try:
            command, rest = _command(words)
        except AssertionError as error:
            pytest.fail(f"{line}: {error}")
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        used = {word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)}
        assert used <= known, f"{line}: no option {', '.join(sorted(used - known))}"


def test_the_search_for_commands_finds_them() -> None:
    text = "`zifglass md x`\n\n    zifglass relax a\n\n"
    text += "```console\nzifglass potential \\\n check b # c\n```\n"
    assert sorted(_command_lines(text)) == [
        "zifglass md x", "zifglass potential   check b # c", "zifglass relax a",
    ]  # fmt: skip
    assert len(list(_command_lines((_root / "README.md").read_text()))) >= 4
    with pytest.raises(AssertionError, match="no command 'boil'"):
        _command(["potential", "boil"])


@pytest.mark.parametrize("page", _pages, ids=_names(_pages))
def test_relative_links_lead_somewhere(page: Path) -> None:
    text = _fence.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.split("#")[0]).exists(), target


def test_every_room_has_its_page() -> None:
    rooms = [path.parent for path in (_root / "src" / "zifglass").glob("*/__init__.py")]
    assert len(rooms) >= 10
    assert [room.name for room in rooms if not (room / "README.md").is_file()] == []
