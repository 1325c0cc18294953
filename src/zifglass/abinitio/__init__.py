"""CP2K: inputs, single points, molecular dynamics, labels. See README.md in this folder."""

from .inputs import aimd_input, single_point_input
from .labels import Labels, Rejected, label
from .output import SinglePoint, read_single_point
from .runner import Cp2k, find_cp2k
from .settings import Dynamics, LevelOfTheory

__all__ = [
    "Cp2k",
    "Dynamics",
    "Labels",
    "LevelOfTheory",
    "Rejected",
    "SinglePoint",
    "aimd_input",
    "find_cp2k",
    "label",
    "read_single_point",
    "single_point_input",
]
