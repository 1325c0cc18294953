"""Results as people read them: GPa, g/cm³, Å³, each with its standard error and unit.

The inner results are in eV/Å³ and amu/Å³; these dictionaries are what results.json holds.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from zifglass.core.quantity import Quantity
from zifglass.core.units import GPa, g_per_cm3, ps

from .audit import PressureAudit
from .directions import DirectionalExtremes
from .elasticity import Averages
from .equation_of_state import BirchMurnaghan
from .fluctuations import ElasticFluctuations
from .static import StaticElasticity
from .strain_sweep import StrainSweep

Array = NDArray[np.float64]

_dimensionless = ("poisson", "anisotropy")


def of_sweep(sweep: StrainSweep) -> dict[str, Quantity]:
    """K₀, V₀ and ρ₀ of a strain sweep."""
    note = sweep.window.reason
    return {
        "bulk_modulus": Quantity(
            sweep.bulk_modulus / GPa, sweep.bulk_modulus_std / GPa, "GPa", note
        ),
        "volume_at_zero_pressure": Quantity(sweep.volume0, sweep.volume0_std, "Å³"),
        "density_at_zero_pressure": Quantity(
            sweep.density0 / g_per_cm3, sweep.density0_std / g_per_cm3, "g/cm³"
        ),
    }


def of_third_order(fit: BirchMurnaghan, *, mass: float) -> dict[str, Quantity]:
    """The same points with K₀' free; mass of the cell in amu."""
    density, density_std = fit.density0(mass)
    return {
        "third_order_bulk_modulus": Quantity(
            fit.bulk_modulus / GPa, fit.bulk_modulus_std / GPa, "GPa"
        ),
        "third_order_derivative": Quantity(fit.derivative, fit.derivative_std, "1"),
        "third_order_density": Quantity(density / g_per_cm3, density_std / g_per_cm3, "g/cm³"),
    }


def of_fluctuations(result: ElasticFluctuations, *, mass: float) -> dict[str, Quantity]:
    """Everything a flexible-cell run says; mass of the cell in amu."""
    density, density_std = result.density(mass)
    return {
        "bulk_modulus_volume": Quantity(
            result.bulk_modulus_volume / GPa, result.bulk_modulus_volume_std / GPa, "GPa"
        ),
        **_of_averages(result.averages, result.averages_std),
        "stiffness": Quantity(
            result.stiffness / GPa, result.stiffness_std / GPa, "GPa", f"axes {result.axes}"
        ),
        "compliance": Quantity(result.compliance * GPa, result.compliance_std * GPa, "1/GPa"),
        "stiffness_eigenvalues": Quantity(
            result.eigenvalues / GPa, result.eigenvalues_std / GPa, "GPa"
        ),
        "volume": Quantity(result.volume, result.volume_std, "Å³"),
        "density": Quantity(density / g_per_cm3, density_std / g_per_cm3, "g/cm³"),
        "volume_over_reuss": Quantity(
            result.identity, result.identity_std, "1", "an identity of one run, no confirmation"
        ),
        "independent_samples": Quantity(
            result.n_independent, None, "1", "itself an estimate, good to some 20 %"
        ),
    }


def of_static(result: StaticElasticity) -> dict[str, Quantity]:
    """The static tensor; its errors are numerical ones."""
    note = "numerical error of the finite differences"
    return {
        **_of_averages(result.averages, result.averages_std),
        "stiffness": Quantity(result.stiffness / GPa, result.stiffness_std / GPa, "GPa", note),
        "stiffness_eigenvalues": Quantity(
            result.eigenvalues / GPa, None, "GPa", f"error: see stiffness; {result.stability.word}"
        ),
        "volume": Quantity(result.volume, None, "Å³", "of the relaxed structure"),
        "density": Quantity(result.density / g_per_cm3, None, "g/cm³", "of the relaxed structure"),
    }


def of_audit(result: PressureAudit) -> dict[str, Quantity]:
    """The offset of a potential's pressures and what it does to the density."""
    return {
        "pressure_offset": Quantity(
            result.mean_offset / GPa, result.mean_offset_std / GPa, "GPa", "minus the reference"
        ),
        "density_drift": Quantity(
            result.density_drift, result.density_drift_std, "1", "relative, at zero pressure"
        ),
    }


def of_extremes(extremes: DirectionalExtremes) -> dict[str, Quantity]:
    """Least and largest moduli over all directions."""
    units = {
        "young": (1 / GPa, "GPa"),
        "linear_compressibility": (GPa, "1/GPa"),
        "shear": (1 / GPa, "GPa"),
        "poisson": (1.0, "1"),
    }
    found = {}
    for name, (scale, unit) in units.items():
        for word, extreme in zip(("least", "largest"), getattr(extremes, name), strict=True):
            std = None if extreme.std is None else extreme.std * scale
            along = np.array2string(extreme.n, precision=3)
            found[f"{name}_{word}"] = Quantity(extreme.value * scale, std, unit, f"along {along}")
    return found


def _of_averages(values: Averages, stds: Averages) -> dict[str, Quantity]:
    found = {}
    for (name, value), (_, std) in zip(values.items(), stds.items(), strict=True):
        plain = name.startswith(_dimensionless)
        scale, unit = (1.0, "1") if plain else (GPa, "GPa")
        full = name if plain else name.replace("_", "_modulus_", 1)
        found[full] = Quantity(float(value) / scale, float(std) / scale, unit)
    return found


def running_rows(result: ElasticFluctuations) -> tuple[list[str], Array]:
    """(names, rows): the running moduli as a table, GPa against frames and ps."""
    run = result.running
    i, j = np.triu_indices(6)
    times = run.frames * np.nan if run.times is None else run.times / ps
    names = ["frames", "time_ps", "K_volume_GPa", "K_reuss_GPa", "K_voigt_GPa"]
    names += [f"C{a + 1}{b + 1}_GPa" for a, b in zip(i, j, strict=True)]
    rows = np.column_stack(
        [
            run.frames,
            times,
            run.bulk_volume / GPa,
            run.averages.bulk_reuss / GPa,
            run.averages.bulk_voigt / GPa,
            run.stiffness[:, i, j] / GPa,
        ]
    )
    return names, rows


def pressure_rows(sweep: StrainSweep) -> tuple[list[str], list[list[object]]]:
    """(names, rows): P(V) as a table, GPa against Å³, with flags and the points fitted."""
    names = ["volume_A3", "pressure_total_GPa", "pressure_std_GPa", "fit_GPa", "fitted", "flags"]
    rows: list[list[object]] = []
    for k, point in enumerate(sweep.window.points):
        fit = float(sweep.window.fit.pressure_total(np.array(point.volume)))
        rows.append(
            [
                point.volume,
                point.pressure_total / GPa,
                point.pressure_std / GPa,
                fit / GPa,
                int(k in sweep.window.chosen),
                "; ".join(point.flags),
            ]
        )
    return names, rows


def hold_rows(sweep: StrainSweep) -> list[dict[str, object]]:
    """Every hold by name and unit: what it measured and how well."""
    return [
        {
            "step": f"{hold.direction}-{hold.number}" if hold.number else hold.direction,
            "volume_A3": hold.volume,
            "pressure_total_GPa": hold.pressure_total / GPa,
            "pressure_std_GPa": hold.pressure_std / GPa,
            "independent_samples": hold.n_independent,
            "drift_in_standard_errors": hold.drift,
            "temperature_K": hold.temperature,
            "coordination": hold.coordination,
            "flags": list(hold.flags),
        }
        for hold in sweep.holds
    ]
