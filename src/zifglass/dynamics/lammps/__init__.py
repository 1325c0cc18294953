"""The same protocol as a LAMMPS deck, run with our engine or on a cluster, and read back."""

from .collect import Collected, Thermo, collect, read_thermo
from .deck import Deck, write_deck
from .models import PairModel, from_file, through_fix_external
from .run import run_deck

__all__ = [
    "Collected",
    "Deck",
    "PairModel",
    "Thermo",
    "collect",
    "from_file",
    "read_thermo",
    "run_deck",
    "through_fix_external",
    "write_deck",
]
