"""What was found, in sentences: verdicts, and numbers with their errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from zifglass.core import Quantity

from ..page import Notice
from ..page.tables import quantity_text
from .account import Account
from .results import is_scalar, label

_most_said = 3  # quantities in a sentence


def verdict_of_melting(melting: Quantity) -> str:
    """Its sentence, with the confidence at the end where anything was decided."""
    confidence, _, said = (melting.note or "").partition(". ")
    if not said:
        confidence, said = "", confidence
    word = str(melting.value)
    if word == "undecided":
        return f"{_capital(said.removeprefix('undecided: '))}."
    return f"{_capital(said)}{f' ({confidence})' * bool(confidence)}."


def conclusion_of_structure(found: Mapping[str, Quantity]) -> list[str]:
    """Coordination, linkers and pores, of what was analysed."""
    said = []
    if (near := found.get("coordination")) is not None:
        said.append(f"the coordination is {quantity_text(near)}")
    if (broken := found.get("broken_linker_fraction")) is not None:
        share = f"the fraction of broken linkers is {quantity_text(broken)}"
        said.append(share if broken.value else "no linker is broken")
    if (pores := found.get("porous_volume")) is not None:
        said.append(f"the porous volume is {quantity_text(pores)}")
    return [_sentence(said)] if said else []


def conclusion_of_run(found: Mapping[str, Quantity], names: Sequence[str]) -> list[str]:
    """The quantities `names` that the run's results hold."""
    said = [
        f"the {_in_words(name)} is {quantity_text(found[name])}" for name in names if name in found
    ]
    return [_sentence(said)] if said else []


def lead(account: Account) -> str:
    """What one of a few says in the summary of them all."""
    if account.conclusions:
        return " ".join(account.conclusions)
    numbers = [
        f"{_in_words(name)} {quantity_text(q)}"
        for name, q in list(account.key.items())[:_most_said]
    ]
    text = " ".join(account.sentences[:2])
    return f"{text} {_capital('; '.join(numbers))}." if numbers else text


def verdicts(account: Account) -> list[Notice]:
    """What was judged or is amiss: all but that it has finished."""
    return [notice for notice in account.notices if notice.word != "finished"]


def of_one_kind(kind: str, accounts: Sequence[Account]) -> str:
    """What many say together: the only one's own words, else how often each verdict was given and
    from where to where the numbers go."""
    if len(accounts) == 1:
        told = [f"{notice.word}: {notice.text}" for notice in verdicts(accounts[0])]
        return f"{kind}: {' '.join([*told, lead(accounts[0])])}"
    words = Counter(notice.word for account in accounts for notice in verdicts(account))
    said = [
        f"{word} {count} times" if count > 1 else f"{word} once" for word, count in words.items()
    ]
    names = dict.fromkeys(name for account in accounts for name in account.key)
    scalars = [n for n in names if all(is_scalar(a.key[n]) for a in accounts if n in a.key)]
    for name in scalars[:_most_said]:
        said.append(f"{_in_words(name)} {_span([a.key[name] for a in accounts if name in a.key])}")
    return f"{kind}, {len(accounts)} times{': ' * bool(said)}{'; '.join(said)}."


def _span(values: Sequence[Quantity]) -> str:
    """From the least to the greatest, each with its error."""
    known = [q for q in values if np.isfinite(float(q.value))]
    if not known:
        return quantity_text(values[0])
    low, high = (pick(known, key=lambda q: float(q.value)) for pick in (min, max))
    same = quantity_text(low) == quantity_text(high)
    return quantity_text(low) if same else f"{quantity_text(low)} to {quantity_text(high)}"


def _in_words(name: str) -> str:
    known = {"pressure_total": "total pressure"}
    return known.get(name, label(name, inside=True))


def _sentence(parts: Sequence[str]) -> str:
    """``a, b and c.``"""
    head, last = parts[:-1], parts[-1]
    return f"{_capital(', '.join(head) + ' and ' + last if head else last)}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
