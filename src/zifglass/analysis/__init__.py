"""Structure from any trajectory. See README.md in this folder."""

from .angles import (
    Angles,
    angles,
)
from .bonds import (
    BondLifetimes,
    bonds,
)
from .coordination import (
    Coordination,
    coordination,
    coordination_of_centres,
)
from .linker_files import read_linker
from .linker_graphs import (
    LinkerGraph,
    benzimidazolate,
    imidazolate,
    known_linkers,
    methylimidazolate,
)
from .linker_settings import LinkerSettings, OwnLinker
from .linkers import (
    BrokenLinkers,
    Linkers,
    broken_linkers,
    linkers,
)
from .melting import melting
from .melting_clocks import Clock, Melting, MeltingSettings
from .melting_monitor import MeltingMonitor
from .msd import (
    Msd,
    msd,
)
from .network import (
    Network,
    NetworkSettings,
    network,
)
from .pmf import (
    Pmf,
    pmf,
)
from .pores import (
    Pores,
    PoreSettings,
    PoreSizes,
    pore_sizes,
    pores,
)
from .rdf import (
    Rdf,
    rdf,
)
from .rings import (
    FrameRings,
    RingCount,
    RingSettings,
    RingStatistics,
    frame_king_rings,
    frame_rings,
    king_rings,
    primitive_rings,
    rings,
)
from .scattering import (
    Comparison,
    ComparisonSettings,
    Measured,
    Scattering,
    compare,
    compare_scattering,
    distribution_of,
    mean_scattering,
    neutron,
    read_measured,
    xray,
)

__all__ = [
    "Angles",
    "BondLifetimes",
    "BrokenLinkers",
    "Clock",
    "Comparison",
    "ComparisonSettings",
    "Coordination",
    "FrameRings",
    "LinkerGraph",
    "LinkerSettings",
    "Linkers",
    "Measured",
    "Melting",
    "MeltingMonitor",
    "MeltingSettings",
    "Msd",
    "Network",
    "NetworkSettings",
    "OwnLinker",
    "Pmf",
    "PoreSettings",
    "PoreSizes",
    "Pores",
    "Rdf",
    "RingCount",
    "RingSettings",
    "RingStatistics",
    "Scattering",
    "angles",
    "benzimidazolate",
    "bonds",
    "broken_linkers",
    "compare",
    "compare_scattering",
    "coordination",
    "coordination_of_centres",
    "distribution_of",
    "frame_king_rings",
    "frame_rings",
    "imidazolate",
    "king_rings",
    "known_linkers",
    "linkers",
    "mean_scattering",
    "melting",
    "methylimidazolate",
    "msd",
    "network",
    "neutron",
    "pmf",
    "pore_sizes",
    "pores",
    "primitive_rings",
    "rdf",
    "read_linker",
    "read_measured",
    "rings",
    "xray",
]
