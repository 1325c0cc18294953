"""Structure from any trajectory. See README.md in this folder."""

from .coordination import Coordination, coordination, coordination_of_centres
from .rdf import Rdf, rdf

__all__ = [
    "Coordination",
    "Rdf",
    "coordination",
    "coordination_of_centres",
    "rdf",
]
