"""The ionic kinetic part in stress labels: is it there, and how to take it out.

A label should be the virial part. Labels from an MD run's stress file are total:
``label = virial + q · kinetic`` with q = 1 where kinetic = −(1/V) Σ m v⊗v (tension positive). q is
measured by whatever the set allows, the strongest first:

1. velocities: the kinetic tensor fluctuates, and positions know nothing of it; q is its slope in
   a least squares fit together with the intramolecular virial (which takes the noise away);
2. a potential: the mean of (label − prediction) over the mean kinetic part;
3. the mean pressure alone: in a run near zero total pressure the virial pressure is about
   −N k_B T/V, a contaminated one about 0. This suspects, it does not prove.

No published data set is known to say which it holds; SI Table S4's shifts have this size.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from zifglass.core import ArrayTrajectory, Frame, InputError, Potential, Trajectory
from zifglass.core.kinetics import kinetic_stress
from zifglass.core.statistics import statistical_inefficiency
from zifglass.core.structure import masses_of
from zifglass.core.units import GPa, kB, kinetic_unit

from .labelled import Indices, LabelledSet
from .molecules import intramolecular_stress

Array = NDArray[np.float64]
Evidence = Literal["velocities", "potential", "mean pressure"]

DEUTERIUM_MASS = 2.014101777
_six = (np.array([0, 1, 2, 1, 0, 0]), np.array([0, 1, 2, 2, 2, 1]))  # xx yy zz yz xz xy


@dataclass(frozen=True)
class KineticPart:
    """share: q ± std, 0 for a virial label, 1 for a total one. pressure: GPa, the mean kinetic
    pressure it is a share of. evidence: what it was measured by."""

    share: float
    std: float
    pressure: float
    evidence: Evidence

    @property
    def decided(self) -> bool:
        """Whether 0 and 1 are told apart by four standard errors."""
        return self.evidence != "mean pressure" and self.std < 0.25

    @property
    def present(self) -> bool:
        """Whether the labels are nearer to total than to virial."""
        return self.share > 0.5


def kinetic_share(
    data: LabelledSet,
    *,
    potential: Potential | None = None,
    frames: Indices,
    hydrogen_mass: float | None = None,
    thermal: float | None = None,
) -> KineticPart | None:
    """How much of the kinetic part the stress labels hold, by the strongest evidence at hand.

    frames: for predictions. thermal: k_B T (eV) where frames have neither velocities nor
    temperature. None if there is no stress or no temperature at all.
    """
    if data.stress is None:
        return None
    temperatures = _temperatures(data, hydrogen_mass, thermal)
    if temperatures is None:
        return None
    pressure = float(np.nanmean(len(data.numbers) * kB * temperatures / data.volumes)) / GPa
    by_velocities = _by_velocities(data, hydrogen_mass, pressure)
    if by_velocities is not None and by_velocities.decided:
        return by_velocities
    if potential is not None:
        return _by_potential(data, potential, frames, temperatures, pressure)
    if by_velocities is not None and by_velocities.std < 0.5:
        return by_velocities
    return _by_mean(data, temperatures, pressure)


def hydrogen_mass_of(data: LabelledSet) -> float | None:
    """Deuterium or hydrogen, by equipartition: the mass with which H is as hot as the others.

    Where all atoms are hydrogen, the mass that gives the frames' own temperature. None where
    neither says.
    """
    hydrogen = data.numbers == 1
    if data.velocities is None or not hydrogen.any():
        return None
    light = float(masses_of([1])[0])
    square = np.nansum(data.velocities**2, axis=2).mean(axis=0)
    if not hydrogen.all():
        others = masses_of(data.numbers)[~hydrogen] * square[~hydrogen]
        target = float(others.mean()) / float(square[hydrogen].mean())
    elif data.temperatures is not None:
        freedom = max(1, 3 * len(data.numbers) - 3)
        twice = freedom * kB * float(np.nanmean(data.temperatures)) / kinetic_unit
        target = twice / float(square.sum())
    else:
        return None
    # Half-way on a logarithmic scale between 1.008 and 2.014 is 1.42.
    return DEUTERIUM_MASS if target > np.sqrt(light * DEUTERIUM_MASS) else light


def without_kinetic_part(
    trajectory: Trajectory,
    *,
    hydrogen_mass: float | None = None,
    temperature: float | None = None,
) -> Iterator[Frame]:
    """The frames with ``stress − kinetic`` for a label that holds the total.

    With velocities the whole tensor is exact; with a temperature (the frame's, else
    `temperature`, K) its isotropic part N k_B T/V is, and shear is left as it is. Raises
    InputError for a frame with neither.
    """
    masses = masses_of(trajectory.numbers)
    if hydrogen_mass is not None:
        masses = np.where(trajectory.numbers == 1, hydrogen_mass, masses)
    for index, frame in enumerate(trajectory):
        if frame.stress is None:
            yield frame
            continue
        volume = frame.structure.volume
        known = frame.temperature if frame.temperature is not None else temperature
        if frame.velocities is not None:
            kinetic = kinetic_stress(masses, frame.velocities, volume)
        elif known is not None:
            kinetic = -np.eye(3) * len(frame.structure) * kB * known / volume
        else:
            raise InputError(
                "taking the kinetic part out needs velocities or a temperature; this frame has "
                "neither: give the temperature of the run",
                trajectory.source,
                frame=index,
            )
        yield replace(frame, stress=frame.stress - kinetic)


def corrected(
    trajectory: Trajectory, *, hydrogen_mass: float | None = None, temperature: float | None = None
) -> ArrayTrajectory:
    """`without_kinetic_part` as a trajectory in memory."""
    frames = without_kinetic_part(trajectory, hydrogen_mass=hydrogen_mass, temperature=temperature)
    return ArrayTrajectory(frames, source=trajectory.source)


def masses_with(numbers: Indices, hydrogen_mass: float | None) -> Array:
    """Standard masses (atoms,) amu but for hydrogen."""
    masses = masses_of(numbers)
    return masses if hydrogen_mass is None else np.where(numbers == 1, hydrogen_mass, masses)


def _temperatures(
    data: LabelledSet, hydrogen_mass: float | None, thermal: float | None
) -> Array | None:
    if data.velocities is not None:
        masses = masses_with(data.numbers, hydrogen_mass or hydrogen_mass_of(data))
        twice = kinetic_unit * np.einsum("a,fak->f", masses, data.velocities**2)
        return np.asarray(twice / (3 * len(data.numbers) * kB))
    if data.temperatures is not None:
        return data.temperatures
    return None if thermal is None else np.full(len(data), thermal / kB)


def _by_velocities(
    data: LabelledSet, hydrogen_mass: float | None, pressure: float
) -> KineticPart | None:
    if data.velocities is None or data.stress is None or len(data) < 3:
        return None
    masses = masses_with(data.numbers, hydrogen_mass or hydrogen_mass_of(data))
    momenta = masses[None, :, None] * data.velocities
    kinetic = -kinetic_unit * np.einsum("fai,faj->fij", momenta, data.velocities)
    kinetic /= data.volumes[:, None, None]
    columns = [kinetic]
    inner = _inner(data)
    if inner is not None:
        columns.append(inner)
    rows: list[Array] = []
    frames: list[Indices] = []
    for run in data.runs():
        centred = [x[run] - x[run].mean(axis=0) for x in (data.stress, *columns)]
        rows.append(np.stack([x[:, _six[0], _six[1]].ravel() for x in centred], axis=1))
        frames.append(np.repeat(run, 6))
    table, frame = np.concatenate(rows), np.concatenate(frames)
    good = np.isfinite(table).all(axis=1)
    table, frame = table[good], frame[good]
    freedom = len(table) - 6 * len(rows) - len(columns)
    if freedom < 6:
        return None
    y, x = table[:, 0], table[:, 1:]
    normal = x.T @ x
    if np.linalg.cond(normal) > 1e12:
        return None
    slope = np.linalg.solve(normal, x.T @ y)
    residual = y - x @ slope
    variance = float(residual @ residual) / freedom * np.linalg.inv(normal)[0, 0]
    # Frames close in time are not independent: the error grows by what their products remember.
    scores = np.bincount(frame, weights=residual * x[:, 0], minlength=len(data))
    std = float(np.sqrt(variance * statistical_inefficiency(scores)))
    return KineticPart(float(slope[0]), std, pressure, "velocities")


def _inner(data: LabelledSet) -> Array | None:
    """The intramolecular virial stress of every frame (n, 3, 3), None without molecules."""
    if data.forces is None:
        return None
    tensors = []
    for index in range(len(data)):
        tensor = intramolecular_stress(data.structure(index), data.forces[index])
        if tensor is None:
            return None
        tensors.append(tensor)
    return np.array(tensors)


def _by_potential(
    data: LabelledSet,
    potential: Potential,
    frames: Indices,
    temperatures: Array,
    pressure: float,
) -> KineticPart:
    assert data.stress is not None
    shares = []
    for index in frames:
        predicted = potential(data.structure(int(index))).pressure_virial
        labelled = -float(np.trace(data.stress[index])) / 3
        kinetic = len(data.numbers) * kB * temperatures[index] / data.volumes[index]
        shares.append((labelled - predicted) / kinetic)
    values = np.array(shares)
    values = values[np.isfinite(values)]
    std = float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else np.inf
    return KineticPart(float(values.mean()), std, pressure, "potential")


def _by_mean(data: LabelledSet, temperatures: Array, pressure: float) -> KineticPart:
    assert data.stress is not None
    labelled = -np.trace(data.stress, axis1=1, axis2=2) / 3
    kinetic = len(data.numbers) * kB * temperatures / data.volumes
    share = 1.0 + float(np.nanmean(labelled)) / float(np.nanmean(kinetic))
    return KineticPart(share, np.inf, pressure, "mean pressure")
