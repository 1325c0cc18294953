"""The atomic unit of velocity, which only quantum codes use."""

from __future__ import annotations

from typing import Final

from zifglass.core.units import bohr
from zifglass.io.cp2k import atomic_time

velocity_unit: Final = bohr / atomic_time
"""One atomic unit of velocity, Bohr per atomic time, in Å/fs."""
