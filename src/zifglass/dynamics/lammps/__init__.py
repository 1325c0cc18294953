"""The same protocol as a LAMMPS deck, run with our engine or on a cluster, and read back."""

from .collect import Thermo, read_thermo
from .deck import Deck, write_deck
from .models import PairModel, from_file, through_fix_external
from .run import run_deck

__all__ = [
    "Deck",
    "PairModel",
    "Thermo",
    "from_file",
    "read_thermo",
    "run_deck",
    "through_fix_external",
    "write_deck",
]
