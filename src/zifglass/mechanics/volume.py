"""K from the volume of an NPT run alone: K = k_B T ⟨V⟩ / var V."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from zifglass.core.errors import InputError
from zifglass.core.statistics import (
    block_bootstrap,
    detect_equilibration,
    statistical_inefficiency,
)
from zifglass.core.units import kB

from .sampling import (
    FluctuationSettings,
    Spread,
    block_length,
    check_temperature,
    require_independent,
    trend,
)

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VolumeFluctuations:
    """K of one NPT run from its volume: moduli eV/Å³, volumes Å³; *_std are standard errors.

    discarded, inefficiency, n_independent: as in `ElasticFluctuations`.
    """

    temperature: float
    bulk_modulus: float
    bulk_modulus_std: float
    volume: float
    volume_std: float
    n_frames: int
    discarded: int
    inefficiency: float
    n_independent: float


def volume_fluctuations(
    volumes: Array,
    *,
    temperature: float,
    generator: np.random.Generator,
    settings: FluctuationSettings | None = None,
    source: str = "volumes",
) -> VolumeFluctuations:
    """K = k_B T ⟨V⟩ / var V of an NPT run, any barostat.

    volumes (frames,): Å³. With a barostat that keeps the shape of the box this K is the
    Voigt-like one of that shape, with a flexible one the Reuss K. Errors and refusals as in
    `strain_fluctuations`.
    """
    settings = settings or FluctuationSettings()
    check_temperature(temperature)
    volumes = np.asarray(volumes, dtype=np.float64)
    if volumes.ndim != 1 or not np.isfinite(volumes).all() or not (volumes > 0).all():
        raise InputError("volumes are one row of positive numbers, in Å³", source)
    if len(volumes) < 12 or np.ptp(volumes) <= 1e-12 * volumes.mean():
        raise InputError(
            f"{len(volumes)} frames with volumes from {volumes.min():.6g} to {volumes.max():.6g} "
            "Å³ hold no fluctuation to analyse: an NPT run is needed",
            source,
        )
    start = settings.discard
    if start is None:
        start = detect_equilibration(volumes).start
    used = volumes[start:]
    inefficiency = max(
        statistical_inefficiency(used), statistical_inefficiency((used - used.mean()) ** 2)
    )
    independent = require_independent(
        len(volumes),
        inefficiency,
        used=len(used),
        minimum=settings.min_independent_samples,
        source=source,
    )
    change, score = trend(used)
    if abs(score) > 5.0:
        raise InputError(
            f"the volume drifts by {100 * change / used.mean():+.2g} % over the run "
            f"({abs(score):.0f} standard errors): equilibrate longer, or look for a collapse "
            "(ZIF-4's closed-pore phase) in it",
            source,
        )
    length = block_length(inefficiency, len(used))
    boot = block_bootstrap(
        used,
        lambda v: [kB * temperature * v.mean() / v.var(), v.mean()],
        generator=generator,
        resamples=settings.bootstrap_samples,
        block_length=length,
    )
    bulk_std, volume_std = Spread(len(used) / length)(boot.samples)
    return VolumeFluctuations(
        temperature=temperature,
        bulk_modulus=float(boot.value[0]),
        bulk_modulus_std=float(bulk_std),
        volume=float(boot.value[1]),
        volume_std=float(volume_std),
        n_frames=len(volumes),
        discarded=start,
        inefficiency=inefficiency,
        n_independent=independent,
    )
