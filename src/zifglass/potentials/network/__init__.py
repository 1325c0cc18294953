"""The NequIP network as data: the noun, its file, its mathematics. No torch, no nequip."""

from .file import load, save
from .harmonics import harmonics
from .noun import Network
from .parts import (
    L_MAX,
    Activation,
    Block,
    Dense,
    Layer,
    Linear,
    Path,
    RadialBasis,
    Readout,
)
from .wigner import wigner_3j

__all__ = [
    "L_MAX",
    "Activation",
    "Block",
    "Dense",
    "Layer",
    "Linear",
    "Network",
    "Path",
    "RadialBasis",
    "Readout",
    "harmonics",
    "load",
    "save",
    "wigner_3j",
]
