"""CP2K: inputs, single points, molecular dynamics, labels. See README.md in this folder."""

from .aimd import Stage, run_aimd, table_s1
from .inputs import aimd_input, single_point_input
from .labels import Labels, Rejected, label
from .md import MdTrajectory, read_md
from .md_files import MdFiles, find_md_files
from .output import SinglePoint, read_single_point
from .runner import Cp2k, find_cp2k
from .settings import AimdSettings, Dynamics, LevelOfTheory

__all__ = [
    "AimdSettings",
    "Cp2k",
    "Dynamics",
    "Labels",
    "LevelOfTheory",
    "MdFiles",
    "MdTrajectory",
    "Rejected",
    "SinglePoint",
    "Stage",
    "aimd_input",
    "find_cp2k",
    "find_md_files",
    "label",
    "read_md",
    "read_single_point",
    "run_aimd",
    "single_point_input",
    "table_s1",
]
