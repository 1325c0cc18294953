"""From a crystal to a glass, watched and resumable. See README.md in this folder."""

from .driver import RunResult, last_state, run
from .progress import Progress
from .protocol_file import protocol_as_dict, protocol_from, read_protocol, write_protocol
from .protocols import (
    crystal_preparation,
    flexible_npt,
    liquid,
    melt_quench,
    named_protocol,
    strain_sweep,
)
from .settings import RunSettings, WatchSettings
from .thermo import read_thermo
from .velocities import maxwell_boltzmann, rescaled
from .watchdog import Check, RunFrame, WatchdogStop

__all__ = [
    "Check",
    "Progress",
    "RunFrame",
    "RunResult",
    "RunSettings",
    "WatchSettings",
    "WatchdogStop",
    "crystal_preparation",
    "flexible_npt",
    "last_state",
    "liquid",
    "maxwell_boltzmann",
    "melt_quench",
    "named_protocol",
    "protocol_as_dict",
    "protocol_from",
    "read_protocol",
    "read_thermo",
    "rescaled",
    "run",
    "strain_sweep",
    "write_protocol",
]
