"""A number never travels without its uncertainty and unit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Quantity:
    """value ± std in `unit` (the unit of people: GPa, ps, g/cm³). std is None only where the
    number is exact (a count) or where `note` says why no error can be given."""

    value: Any
    std: Any
    unit: str
    note: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The form of results.json: {"value", "std", "unit"} and "note" where there is one."""
        result = {"value": self.value, "std": self.std, "unit": self.unit}
        return result | ({"note": self.note} if self.note else {})
