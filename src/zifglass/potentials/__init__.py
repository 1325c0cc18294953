"""structure → energy, forces, stress. See README.md in this folder.

Importing this loads neither torch nor ASE's calculators nor nequip.
"""

from .calculator import AseCalculatorPotential, ase_calculator, nequip_calculator_potential
from .loading import load_network, load_potential

__all__ = [
    "AseCalculatorPotential",
    "ase_calculator",
    "load_network",
    "load_potential",
    "nequip_calculator_potential",
]
