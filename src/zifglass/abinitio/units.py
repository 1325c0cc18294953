"""Atomic units of time and velocity, which only quantum codes use (CODATA 2018)."""

from __future__ import annotations

from typing import Final

from zifglass.core.units import bohr, fs

atomic_time: Final = 2.4188843265857e-2 * fs
velocity_unit: Final = bohr / atomic_time
"""One atomic unit of velocity, Bohr per atomic time, in Å/fs."""
