"""From a model's type names to atomic numbers."""

from __future__ import annotations

from collections.abc import Sequence

from zifglass.core import InputError
from zifglass.core.structure import number_of


def atomic_numbers(names: Sequence[str], species: Sequence[str] | None) -> tuple[int, ...]:
    """Atomic numbers of a model's types, in their order; `species` (element symbols) replaces
    names that are no elements. Raises InputError where they cannot be told."""
    if species is not None:
        if len(species) != len(names):
            raise InputError(
                f"this model has {len(names)} species ({' '.join(names)}), not {len(species)}"
            )
        return tuple(number_of(symbol) for symbol in species)
    try:
        return tuple(number_of(name) for name in names)
    except InputError:
        raise InputError(
            f"the types of this model, {' '.join(names)}, are not element symbols: name the "
            "elements in this order (--species)"
        ) from None
