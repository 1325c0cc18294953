"""The bibliography holds together: every entry is whole, and DOIs that say where agree with it."""

from __future__ import annotations

import re

import pytest

from zifglass.studies.citation import references

_entries = {key: r for key, r in references().items() if r.text.startswith("@article")}


def _fields(text: str) -> dict[str, str]:
    return dict(re.findall(r"^  (\w+) = \{+(.*?)\}+,?$", text, re.M))


@pytest.mark.parametrize("key", _entries)
def test_an_article_is_whole(key: str) -> None:
    entry = _fields(_entries[key].text)
    assert {"author", "title", "journal", "year", "pages", "doi"} <= set(entry)
    for author in entry["author"].split(" and "):
        assert author == "others" or re.fullmatch(r"[^,{}]+, [^,{}]+", author), author
    assert re.fullmatch(r"(19|20)\d\d", entry["year"])
    assert key.endswith(entry["year"])
    assert re.fullmatch(r"\d+", entry["pages"].lstrip("0"))
    assert re.fullmatch(r"10\.\d{4,5}/[^\s{}]+", entry["doi"])
    surname = entry["author"].split(",")[0].lower().translate(str.maketrans("üé", "ue"))
    assert key[:-4] in surname


def test_dois_that_say_where_agree() -> None:
    places = (
        r"10\.1103/PhysRev[A-Za-z]*\.(?P<volume>\d+)\.(?P<pages>\d+)",
        r"10\.1088/0953-8984/(?P<volume>\d+)/\d+/(?P<pages>\d+)",
        r"10\.1038/s41467-0(?P<year>\d\d)-\d+-.",
        r"10\.1038/(?P<volume>\d+)0(?P<pages>\d+)a0",
    )
    seen = 0
    for key, reference in _entries.items():
        entry = _fields(reference.text)
        for place in places:
            if said := re.fullmatch(place, entry["doi"]):
                seen += 1
                for name, value in said.groupdict().items():
                    assert entry[name].endswith(value), (key, name)
    assert seen >= 9  # the rest say nothing of their place
