"""Pressure audit: does a potential put zero pressure at the right density?

A potential can have small force errors and still carry a pressure offset: of the potentials in
Table S4 the one trained hard on stress (λσ = 100) has its zero of pressure at 0.75 g/cm³ instead
of 1.16. P(V) of a crystal against a reference curve shows it at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass.core.errors import InputError
from zifglass.core.monitor import Verdict
from zifglass.core.potential import Potential
from zifglass.core.settings import Settings
from zifglass.core.structure import Structure
from zifglass.core.trajectory import Frame
from zifglass.core.units import GPa

from .equation_of_state import BirchMurnaghan, check_points, fit_second_order

Array = NDArray[np.float64]


class PressureAuditSettings(Settings):
    """What a potential may be off by."""

    pressure_offset: float = Field(
        default=0.25, gt=0, description="Largest mean pressure offset, GPa."
    )
    density_drift: float = Field(
        default=0.10, gt=0, description="Largest relative drift of the zero-pressure density."
    )


@dataclass(frozen=True, eq=False)
class PressureAudit:
    """volume (points,): Å³, ascending. pressure, reference_pressure ± their stds, offset = P − P
    of the reference (points,): eV/Å³.

    mean_offset ± mean_offset_std: their weighted mean; its error includes their scatter.
    density_drift ± density_drift_std: (ρ₀ − ρ₀ of the reference)/ρ₀ of the reference.
    fit, reference_fit: second-order Birch–Murnaghan curves. verdict: ``ok`` or ``shifted``.
    """

    volume: Array
    pressure: Array
    pressure_std: Array
    reference_pressure: Array
    reference_std: Array
    offset: Array
    mean_offset: float
    mean_offset_std: float
    density_drift: float
    density_drift_std: float
    fit: BirchMurnaghan
    reference_fit: BirchMurnaghan
    verdict: Verdict


def pressure_audit(
    volume: Array,
    pressure: Array,
    *,
    pressure_std: Array,
    reference_pressure: Array,
    reference_std: Array,
    settings: PressureAuditSettings | None = None,
) -> PressureAudit:
    """Compare P(V) of a potential with a reference at the same volumes.

    volume (points,): Å³. pressure, reference_pressure (points,): eV/Å³, BOTH total or BOTH
    virial (at 300 K the kinetic part alone, 0.26 GPa in ZIF-4, would fail the audit).
    pressure_std, reference_std (points,): standard errors, positive; for single points the
    accuracy they are good for.
    """
    s = settings or PressureAuditSettings()
    v, p, p_std = check_points(volume, pressure, pressure_std)
    _, r, r_std = check_points(volume, reference_pressure, reference_std)
    fit = fit_second_order(v, p, pressure_std=p_std)
    reference = fit_second_order(v, r, pressure_std=r_std)
    offset, error = p - r, np.hypot(p_std, r_std)
    weight = error**-2.0 / np.sum(error**-2.0)
    mean = float(weight @ offset)
    scatter = float(weight @ (offset - mean) ** 2) / (len(v) - 1)
    mean_std = float(np.sqrt(np.sum(error**-2.0) ** -1 + scatter))
    drift = reference.volume0 / fit.volume0 - 1.0
    drift_std = (1.0 + drift) * float(
        np.hypot(fit.volume0_std / fit.volume0, reference.volume0_std / reference.volume0)
    )
    shifted = abs(mean) > s.pressure_offset * GPa or abs(drift) > s.density_drift
    sentence = (
        f"the pressure is {mean / GPa:+.3f} ± {mean_std / GPa:.3f} GPa off the reference (limit "
        f"{s.pressure_offset:g}) and the density at zero pressure {drift:+.1%} ± {drift_std:.1%} "
        f"(limit {s.density_drift:.0%})"
    )
    return PressureAudit(
        volume=v,
        pressure=p,
        pressure_std=p_std,
        reference_pressure=r,
        reference_std=r_std,
        offset=offset,
        mean_offset=mean,
        mean_offset_std=mean_std,
        density_drift=drift,
        density_drift_std=drift_std,
        fit=fit,
        reference_fit=reference,
        verdict=Verdict("shifted" if shifted else "ok", sentence),
    )


def at_common_volumes(
    ours: tuple[Array, Array, Array], reference: tuple[Array, Array, Array]
) -> tuple[Array, Array, Array, Array, Array]:
    """(volumes, pressures, stds, reference pressures, their stds) where two sweeps, each (volumes,
    pressures, stds), have the same volume to 1e-5. Raises InputError on fewer than three."""
    same = np.isclose(ours[0][:, None], reference[0], rtol=1e-5)
    rows, columns = np.nonzero(same)
    if len(rows) < 3:
        raise InputError(f"{len(rows)} volumes are in both sweeps; an audit takes three")
    volumes, pressures, stds = (x[rows] for x in ours)
    return volumes, pressures, stds, reference[1][columns], reference[2][columns]


def labelled_pressures(frames: Iterable[Frame], *, source: str) -> tuple[Array, Array]:
    """(volumes (frames,) Å³, virial pressures (frames,) eV/Å³) of stress labels.

    Raises InputError naming the frame whose diagonal is not labelled."""
    found = []
    for frame in frames:
        diagonal = np.full(3, np.nan) if frame.stress is None else np.diag(frame.stress)
        if not np.isfinite(diagonal).all():
            raise InputError(
                "a reference pressure takes the diagonal of the stress; this frame has none",
                source,
                frame=frame.index,
            )
        found.append((frame.structure.volume, -float(diagonal.mean())))
    volumes, pressures = np.array(found).reshape(-1, 2).T
    return volumes, pressures


def virial_pressures(potential: Potential, structures: Sequence[Structure]) -> tuple[Array, Array]:
    """(volumes (n,) Å³, virial pressures (n,) eV/Å³) of structures as they are."""
    if not structures:
        raise InputError("a pressure curve takes at least one structure")
    return (
        np.array([s.volume for s in structures]),
        np.array([potential(s).pressure_virial for s in structures]),
    )
