"""Nouns and primitives. See README.md in this folder."""

from .errors import InputError, Stopped, ZifglassError
from .monitor import Monitor, Verdict
from .potential import Potential, Prediction
from .protocol import Protocol, Segment
from .quantity import Quantity
from .structure import Structure
from .trajectory import ArrayTrajectory, Frame, Trajectory, as_structure, as_trajectory

__all__ = [
    "ArrayTrajectory",
    "Frame",
    "InputError",
    "Monitor",
    "Potential",
    "Prediction",
    "Protocol",
    "Quantity",
    "Segment",
    "Stopped",
    "Structure",
    "Trajectory",
    "Verdict",
    "ZifglassError",
    "as_structure",
    "as_trajectory",
]
