"""Units: multiply by the unit on the way in, divide by it on the way out.

Inside zifglass everything is in eV, Å, fs, atomic mass units (amu) and kelvin; numbers
outside are whatever a unit below says. ``5 * GPa`` is a stress in eV/Å³ and
``stress / GPa`` is a number of gigapascals.

Constants: CODATA 2018 (DOI 10.1103/RevModPhys.93.025010). Trap: CP2K 2023 and LAMMPS carry
older sets; the relative differences (1e-8 .. 1e-6) are below every tolerance used here.

The internal units do not form a closed set: amu Å²/fs² is not an eV. Every kinetic formula
therefore carries :data:`kinetic_unit` (eV per amu Å²/fs²) explicitly.
"""

from __future__ import annotations

from typing import Final

_elementary_charge = 1.602176634e-19  # C, exact
_boltzmann = 1.380649e-23  # J/K, exact
_atomic_mass = 1.66053906660e-27  # kg
_avogadro = 6.02214076e23  # 1/mol, exact

eV: Final = 1.0
angstrom: Final = 1.0
fs: Final = 1.0
amu: Final = 1.0
kelvin: Final = 1.0

meV: Final = 1e-3 * eV
ps: Final = 1e3 * fs
ns: Final = 1e6 * fs
nm: Final = 10.0 * angstrom
bohr: Final = 0.529177210903 * angstrom
hartree: Final = 27.211386245988 * eV
rydberg: Final = 0.5 * hartree
joule: Final = eV / _elementary_charge
kJ_per_mol: Final = 1e3 * joule / _avogadro
kcal_per_mol: Final = 4.184 * kJ_per_mol

pascal: Final = joule / (1e10 * angstrom) ** 3
MPa: Final = 1e6 * pascal
GPa: Final = 1e9 * pascal
bar: Final = 1e5 * pascal
atm: Final = 101325.0 * pascal

g_per_cm3: Final = (1e-3 / _atomic_mass) * amu / (1e8 * angstrom) ** 3
cm3_per_kg: Final = (1e8 * angstrom) ** 3 / ((1.0 / _atomic_mass) * amu)

kB: Final = _boltzmann / _elementary_charge * eV / kelvin
"""Boltzmann's constant, eV/K."""

kinetic_unit: Final = _atomic_mass * 1e10 / _elementary_charge
"""eV in one amu Å²/fs²: kinetic energy = kinetic_unit * ½ m v²."""
