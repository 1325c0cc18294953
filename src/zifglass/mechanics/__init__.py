"""Moduli and density, each with its error. See README.md in this folder."""

from .directions import DirectionalExtremes, directional_extremes
from .elasticity import Averages, averages, is_stable, stiffness_eigenvalues
from .equation_of_state import (
    BirchMurnaghan,
    birch_murnaghan_pressure,
    fit_second_order,
    fit_third_order,
)
from .fluctuations import (
    ElasticFluctuations,
    FluctuationSettings,
    VolumeFluctuations,
    strain_fluctuations,
    volume_fluctuations,
)
from .window import Point, WindowFit, WindowSettings, fit_window

__all__ = [
    "Averages",
    "BirchMurnaghan",
    "DirectionalExtremes",
    "ElasticFluctuations",
    "FluctuationSettings",
    "Point",
    "VolumeFluctuations",
    "WindowFit",
    "WindowSettings",
    "averages",
    "birch_murnaghan_pressure",
    "directional_extremes",
    "fit_second_order",
    "fit_third_order",
    "fit_window",
    "is_stable",
    "stiffness_eigenvalues",
    "strain_fluctuations",
    "volume_fluctuations",
]
