"""Published numbers as data. See README.md in this folder."""

from .compare import Comparison, Glasses, Ours, compare, not_run
from .reader import (
    Contradiction,
    Published,
    PublishedTable,
    PublishedValue,
    Statement,
    castel2024,
    number_as_printed,
)

__all__ = [
    "Comparison",
    "Contradiction",
    "Glasses",
    "Ours",
    "Published",
    "PublishedTable",
    "PublishedValue",
    "Statement",
    "castel2024",
    "compare",
    "not_run",
    "number_as_printed",
]
