"""Moduli and density, each with its error. See README.md in this folder."""

from .audit import (
    PressureAudit,
    PressureAuditSettings,
    at_common_volumes,
    labelled_pressures,
    pressure_audit,
    virial_pressures,
)
from .directions import (
    DirectionalExtremes,
    directional_extremes,
    linear_compressibility,
    poisson_ratio,
    shear_modulus,
    transverse_extremes,
    young_modulus,
)
from .elasticity import Averages, averages, is_stable, stiffness_eigenvalues
from .ensembles import Ensemble, FiniteSize, ensemble, finite_size
from .equation_of_state import (
    BirchMurnaghan,
    birch_murnaghan_pressure,
    curve_from_density,
    fit_second_order,
    fit_third_order,
)
from .fluctuations import ElasticFluctuations, strain_fluctuations
from .holds import (
    Hold,
    StrainSweepSettings,
    StructuralState,
    hold_from_series,
    hold_from_thermo,
    structural_state,
    total_pressure_of,
)
from .sampling import FluctuationSettings
from .static import (
    StaticCurve,
    StaticElasticity,
    StaticSettings,
    static_elasticity,
    static_equation_of_state,
)
from .strain_sweep import (
    Step,
    StrainSweep,
    analyse_sweep,
    next_steps,
    preparation_protocol,
    step_protocol,
)
from .verdict import (
    Estimate,
    MechanicsVerdict,
    compare_methods,
    estimates_of_fluctuations,
    estimates_of_results,
    estimates_of_sweep,
)
from .volume import VolumeFluctuations, volume_fluctuations
from .window import Point, WindowFit, WindowSettings, fit_window

__all__ = [
    "Averages",
    "BirchMurnaghan",
    "DirectionalExtremes",
    "ElasticFluctuations",
    "Ensemble",
    "Estimate",
    "FiniteSize",
    "FluctuationSettings",
    "Hold",
    "MechanicsVerdict",
    "Point",
    "PressureAudit",
    "PressureAuditSettings",
    "StaticCurve",
    "StaticElasticity",
    "StaticSettings",
    "Step",
    "StrainSweep",
    "StrainSweepSettings",
    "StructuralState",
    "VolumeFluctuations",
    "WindowFit",
    "WindowSettings",
    "analyse_sweep",
    "at_common_volumes",
    "averages",
    "birch_murnaghan_pressure",
    "compare_methods",
    "curve_from_density",
    "directional_extremes",
    "ensemble",
    "estimates_of_fluctuations",
    "estimates_of_results",
    "estimates_of_sweep",
    "finite_size",
    "fit_second_order",
    "fit_third_order",
    "fit_window",
    "hold_from_series",
    "hold_from_thermo",
    "is_stable",
    "labelled_pressures",
    "linear_compressibility",
    "next_steps",
    "poisson_ratio",
    "preparation_protocol",
    "pressure_audit",
    "shear_modulus",
    "static_elasticity",
    "static_equation_of_state",
    "step_protocol",
    "stiffness_eigenvalues",
    "strain_fluctuations",
    "structural_state",
    "total_pressure_of",
    "transverse_extremes",
    "virial_pressures",
    "volume_fluctuations",
    "young_modulus",
]
