"""Moduli from the fluctuations of a flexible-cell NPT trajectory, with their errors.

* volume:  K = k_B T ⟨V⟩ / var V
* strain:  S_ijkl = ⟨V⟩ / (k_B T) · cov(η_ij, η_kl),  C = S⁻¹

η is the Lagrange strain against the mean cell, from the metric of each cell (`cell_moments`):
turning cells or renaming their vectors changes nothing. Finite strains make the definition
matter at relative order ⟨η²⟩ (10⁻³ for one cell of ZIF-4 at 300 K); the result carries the rms
strain. The two K of one trajectory agree up to that order (1/K_R = Σ S_iijj): a check, no
confirmation.

Errors: circular block bootstrap over blocks longer than the correlation of the squared strains,
whose statistical inefficiency also says how many independent samples there are. The inverse of
a covariance matrix from n samples is too large by (n − 1)/(n − 8) for six components; C is
corrected for that (Hartlap et al., DOI 10.1051/0004-6361:20066170, Eq. 17).

Sources: Parrinello and Rahman, DOI 10.1063/1.443248; SI of Castel et al., strain-fluctuation
method.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from zifglass.core.errors import InputError
from zifglass.core.monitor import Verdict
from zifglass.core.statistics import block_bootstrap
from zifglass.core.trajectory import Trajectory
from zifglass.core.units import GPa, kB

from .cell_moments import (
    CellMoments,
    mean_strain,
    moments_of,
    orientation,
    strain_covariance,
    strain_modes,
    stretch_of,
    volume_moments,
)
from .convergence import RunningModuli, convergence_verdict, running_moduli
from .elasticity import Averages, averages, rotate_compliance, stiffness_eigenvalues
from .sampling import (
    CellInefficiency,
    FluctuationSettings,
    Spread,
    block_length,
    cell_inefficiency,
    check_flexible,
    check_settled,
    check_stationary,
    check_temperature,
    equilibrated_from,
    require_independent,
)
from .trajectory_cells import TrajectoryCells

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ElasticFluctuations:
    """Moduli of one flexible-cell NPT run; *_std are standard errors.

    bulk_modulus_volume: eV/Å³, from the volume alone. stiffness, compliance (6, 6): eV/Å³ and
    Å³/eV, Voigt order, in the axes of `mean_cell` (3, 3) Å; `axes` says which those are.
    averages: Voigt, Reuss, Hill. eigenvalues (6,): of C, all positive in a stable body.
    volume: Å³. temperature: K. n_frames: of the trajectory; discarded: of those, left out at
    the start. inefficiency: frames per independent sample; n_independent: how many of these.
    block_frames: frames per bootstrap block. strain_rms: of the largest strain mode.
    identity, identity_std: K_volume/K_Reuss, 1 up to sampling and finite strain.
    stiffness_samples, compliance_samples (samples, 6, 6): the bootstrap. running, verdict: K(t),
    C_ij(t), and whether they have settled.
    """

    temperature: float
    volume: float
    volume_std: float
    bulk_modulus_volume: float
    bulk_modulus_volume_std: float
    compliance: Array
    compliance_std: Array
    stiffness: Array
    stiffness_std: Array
    averages: Averages
    averages_std: Averages
    eigenvalues: Array
    eigenvalues_std: Array
    identity: float
    identity_std: float
    mean_cell: Array
    axes: str
    strain_rms: float
    n_frames: int
    discarded: int
    inefficiency: float
    n_independent: float
    block_frames: int
    stiffness_samples: Array
    compliance_samples: Array
    running: RunningModuli
    verdict: Verdict

    def density(self, mass: float) -> tuple[float, float]:
        """(ρ, its standard error), amu/Å³, of a cell that weighs `mass` amu."""
        density = mass / self.volume
        return density, density * self.volume_std / self.volume

    @property
    def stability(self) -> Verdict:
        """Born, at zero stress: ``stable``, or ``not told`` within two standard errors of zero."""
        lowest, std = float(self.eigenvalues[0]), float(self.eigenvalues_std[0])
        return Verdict(
            "stable" if lowest > 2.0 * std else "not told",
            f"the lowest eigenvalue of the stiffness tensor is {lowest / GPa:.3g} ± "
            f"{std / GPa:.2g} GPa (Born)",
        )


def strain_fluctuations(
    cells: Array | Iterable[Array] | Trajectory,
    *,
    temperature: float,
    generator: np.random.Generator,
    frame_interval: float | None = None,
    settings: FluctuationSettings | None = None,
    source: str = "cells",
) -> ElasticFluctuations:
    """Elastic tensor and bulk moduli from the cells of a flexible NPT run.

    cells: (frames, 3, 3) Å, rows are the vectors; or chunks of it (streamed, memory bounded);
    or a trajectory. temperature: K, of the thermostat. frame_interval: fs between frames, for
    the time axis of the running moduli; a trajectory brings its own.

    Raises InputError on too few frames (saying how many it takes), a cell that never moves or
    only moves in some ways (a tensor needs all six), a drifting or collapsing run, a trajectory
    at another temperature.
    """
    settings = settings or FluctuationSettings()
    check_temperature(temperature)
    if isinstance(cells, Trajectory):
        frames = TrajectoryCells(cells)
        source, frame_interval = cells.source, frames.interval
        moments = moments_of(frames, source=source, max_blocks=settings.max_blocks)
        frames.check_temperature(temperature)
    else:
        moments = moments_of(_chunks(cells), source=source, max_blocks=settings.max_blocks)
    if moments.n_frames < settings.min_independent_samples:
        raise InputError(
            f"{moments.n_frames} frames are too few for the covariance of six strains with an "
            f"error bar: at least {settings.min_independent_samples} independent ones are needed",
            source,
        )
    sums = moments.blocks()
    check_flexible(sums, source=source)
    start = _discarded_blocks(sums, moments, settings)
    left_out, sums = sums[:start], sums[start:]
    inefficiency = cell_inefficiency(sums, block_frames=moments.block_frames)
    require_independent(
        moments.n_frames,
        inefficiency.worst,
        used=float(sums[:, 0].sum()),
        minimum=settings.min_independent_samples,
        source=source,
    )
    if settings.discard is None:
        check_settled(left_out, sums, source=source)
    check_stationary(sums, source=source)
    return _analyse(
        moments,
        sums,
        temperature=temperature,
        inefficiency=inefficiency,
        frame_interval=frame_interval,
        generator=generator,
        settings=settings,
    )


def _discarded_blocks(sums: Array, moments: CellMoments, settings: FluctuationSettings) -> int:
    if settings.discard is None:
        return equilibrated_from(sums[: moments.n_blocks])
    if settings.discard >= moments.n_frames:
        raise InputError(
            f"{settings.discard} frames are to be discarded, but there are only {moments.n_frames}",
            moments.source,
        )
    return ceil(settings.discard / moments.block_frames)


def _analyse(
    moments: CellMoments,
    sums: Array,
    *,
    temperature: float,
    inefficiency: CellInefficiency,
    frame_interval: float | None,
    generator: np.random.Generator,
    settings: FluctuationSettings,
) -> ElasticFluctuations:
    first = moments.first_cell
    assert first is not None
    first_volume = float(np.linalg.det(first))
    total = sums.sum(axis=0)
    turn, axes = orientation(total)

    def moduli(rows: Array) -> _Moduli:
        return _Moduli.of(rows, kB * temperature / first_volume, turn, inefficiency.mean)

    length = block_length(max(1.0, inefficiency.worst / moments.block_frames), len(sums))
    boot = block_bootstrap(
        sums,
        lambda rows: rows.sum(axis=0),
        generator=generator,
        resamples=settings.bootstrap_samples,
        block_length=length,
    )
    value, samples = moduli(total), moduli(boot.samples)
    std = Spread(len(sums) / length)
    averages_std = samples.averages.map(std)
    running = running_moduli(
        sums,
        lambda rows: moduli(rows).judged(),
        points=settings.running_points,
        inefficiency=inefficiency.worst,
        frame_interval=frame_interval,
    )
    bulk_std = float(std(samples.bulk_volume))
    identity = (
        float(value.bulk_volume / value.averages.bulk_reuss),
        float(std(samples.bulk_volume / samples.averages.bulk_reuss)),
    )
    return ElasticFluctuations(
        temperature=temperature,
        volume=float(value.volume) * first_volume,
        volume_std=float(std(samples.volume)) * first_volume,
        bulk_modulus_volume=float(value.bulk_volume),
        bulk_modulus_volume_std=bulk_std,
        compliance=value.compliance,
        compliance_std=std(samples.compliance),
        stiffness=value.stiffness,
        stiffness_std=std(samples.stiffness),
        averages=value.averages,
        averages_std=averages_std,
        eigenvalues=stiffness_eigenvalues(value.stiffness),
        eigenvalues_std=std(stiffness_eigenvalues(samples.stiffness)),
        identity=identity[0],
        identity_std=identity[1],
        mean_cell=first @ stretch_of(mean_strain(total)) @ turn,
        axes=axes,
        strain_rms=float(np.sqrt(strain_modes(total)[0][-1])),
        n_frames=moments.n_frames,
        discarded=moments.n_frames - int(total[0]),
        inefficiency=inefficiency.worst,
        n_independent=float(total[0]) / inefficiency.worst,
        block_frames=length * moments.block_frames,
        stiffness_samples=samples.stiffness,
        compliance_samples=samples.compliance,
        running=running,
        verdict=convergence_verdict(
            running,
            bulk_volume_std=bulk_std,
            averages_std=averages_std,
            identity=identity,
            tolerance=settings.tolerance,
        ),
    )


@dataclass(frozen=True, eq=False)
class _Moduli:
    """Everything that follows from summed rows (..., 39); volume relative to the first cell."""

    volume: Array
    bulk_volume: Array
    compliance: Array
    stiffness: Array
    averages: Averages

    @classmethod
    def of(cls, sums: Array, energy: float, turn: Array, inefficiency: float) -> _Moduli:
        """energy: k_B T / V₁, eV/Å³. turn (3, 3): into the axes reported."""
        change, variance = volume_moments(sums)
        volume = 1.0 + change
        # Of doubled shears: the factors 2 and 4 of S as a Voigt matrix are already inside.
        compliance = strain_covariance(sums) * (volume / energy)[..., None, None]
        compliance = rotate_compliance(compliance, turn.T)
        independent = sums[..., 0] / inefficiency
        unbiased = (independent - 8.0) / (independent - 1.0)
        stiffness = unbiased[..., None, None] * np.linalg.inv(compliance)
        return cls(
            volume=volume,
            bulk_volume=energy * volume / variance,
            compliance=compliance,
            stiffness=stiffness,
            averages=averages(stiffness, compliance),
        )

    def judged(self) -> tuple[Array, Array, Averages]:
        return self.bulk_volume, self.stiffness, self.averages


def _chunks(cells: Array | Iterable[Array]) -> Iterator[Array]:
    """Of a whole array, pieces; of an iterable, its own."""
    if not isinstance(cells, np.ndarray):
        yield from cells
        return
    if cells.ndim != 3 or cells.shape[1:] != (3, 3):
        raise InputError(
            "fluctuations need the full cell of every frame, (frames, 3, 3) in Å; got shape "
            f"{cells.shape} (box lengths alone cannot show shear)"
        )
    for start in range(0, len(cells), 1 << 16):
        yield cells[start : start + (1 << 16)]
