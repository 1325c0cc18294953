"""The static limit: moduli at 0 K from a potential's stress, in seconds.

* elastic tensor: C_IJ = ∂σ_I/∂e_J by central differences, atoms relaxed at each strain
* K(V): relaxed P(V) and its equation of state

The sanity check before a long run; at 0 K there is no kinetic pressure, virial is total.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass.core.errors import InputError
from zifglass.core.monitor import Verdict
from zifglass.core.potential import Potential
from zifglass.core.settings import Settings
from zifglass.core.structure import Structure
from zifglass.core.trajectory import as_structure
from zifglass.core.units import GPa

from .elasticity import (
    Averages,
    averages,
    inverse,
    stiffness_eigenvalues,
    strain_matrix,
    stress_vector,
)
from .relaxation import RelaxationSettings, Relaxed, relax_cell, relax_positions
from .window import Point, WindowFit, WindowSettings, fit_window

Array = NDArray[np.float64]


class StaticSettings(Settings):
    """Finite strains at 0 K."""

    strain: float = Field(default=0.004, gt=0, lt=0.05, description="Largest strain component.")
    collapse: float = Field(
        default=0.08, gt=0, description="Relative loss of volume that counts as a collapse."
    )
    misfit: float = Field(
        default=0.03,
        gt=0,
        description="Relative change of volume above which the potential is in doubt.",
    )
    pressure_accuracy: float = Field(
        default=0.005, gt=0, description="What a relaxed pressure is good for, GPa."
    )
    relaxation: RelaxationSettings = Field(
        default=RelaxationSettings(), description="When atoms and cell count as relaxed."
    )


@dataclass(frozen=True, eq=False)
class StaticElasticity:
    """Moduli of a relaxed structure at 0 K.

    stiffness, stiffness_std, compliance (6, 6): eV/Å³ and Å³/eV, Voigt order, in the axes of the
    structure; the error is a numerical one, from the change when the strain is halved and from
    the asymmetry of ∂σ/∂e. averages, averages_std: Voigt, Reuss, Hill. eigenvalues (6,): of C.
    density: amu/Å³ of the relaxed cell. volume: Å³. stability: ``stable`` or ``unstable``
    (Born). collapse: ``ok``, ``collapsed`` if relaxation lost so much volume that it is
    likely another phase, ``doubtful`` if it changed by more than `misfit` (`zif4-fast` changes
    the ZIF-4 crystal by −0.3 %, ZIF-8, which it never saw, by +6 %).
    """

    structure: Structure
    stiffness: Array
    stiffness_std: Array
    compliance: Array
    averages: Averages
    averages_std: Averages
    eigenvalues: Array
    volume: float
    density: float
    stability: Verdict
    collapse: Verdict


def static_elasticity(
    potential: Potential, structure: Structure, *, settings: StaticSettings | None = None
) -> StaticElasticity:
    """Relax atoms and cell, then C by central differences of the relaxed stress.

    Each strain is taken at full and half size: 24 relaxations. Raises InputError where a
    relaxation does not converge or the tensor is singular.
    """
    s = settings or StaticSettings()
    structure = as_structure(structure)
    relaxed = relax_cell(potential, structure, settings=s.relaxation)
    collapse = _collapse(structure, relaxed.structure, s)
    full = _stress_slopes(potential, relaxed.structure, s.strain, s)
    half = _stress_slopes(potential, relaxed.structure, 0.5 * s.strain, s)
    # Central differences err as the square of the strain: the two sizes give its limit and error.
    slopes = half + (half - full) / 3.0
    stiffness = 0.5 * (slopes + slopes.T)
    error = np.hypot(half - full, 0.5 * np.abs(slopes - slopes.T))
    error = 0.5 * (error + error.T)
    compliance = inverse(stiffness)
    return StaticElasticity(
        structure=relaxed.structure,
        stiffness=stiffness,
        stiffness_std=error,
        compliance=compliance,
        averages=averages(stiffness, compliance),
        averages_std=_propagated(stiffness, error),
        eigenvalues=stiffness_eigenvalues(stiffness),
        volume=relaxed.structure.volume,
        density=relaxed.structure.density,
        stability=_stability(stiffness),
        collapse=collapse,
    )


def _stress_slopes(
    potential: Potential, structure: Structure, size: float, s: StaticSettings
) -> Array:
    """∂σ_I/∂e_J (6, 6), columns by strain component; e_J of `size` (a doubled shear is 2ε)."""
    slopes = np.empty((6, 6))
    for column in range(6):
        stresses = []
        for sign in (1.0, -1.0):
            strain = np.eye(3) + strain_matrix(sign * size * np.eye(6)[column])
            there = relax_positions(
                potential, structure.scaled_to(structure.cell @ strain), settings=s.relaxation
            )
            stresses.append(stress_vector(there.prediction.stress))
        slopes[:, column] = (stresses[0] - stresses[1]) / (2.0 * size)
    return slopes


def _propagated(stiffness: Array, error: Array) -> Averages:
    """First order: the response of each average to each independent component, in quadrature."""
    i, j = np.triu_indices(6)
    moved = np.repeat(stiffness[None], len(i), axis=0)
    k = np.arange(len(i))
    moved[k, i, j] += error[i, j]
    moved[k, j, i] = moved[k, i, j]
    here = averages(stiffness, inverse(stiffness))
    there = averages(moved, np.asarray(np.linalg.inv(moved)))
    return Averages(
        **{
            name: np.sqrt(np.sum((values - getattr(here, name)) ** 2))
            for name, values in there.items()
        }
    )


def _stability(stiffness: Array) -> Verdict:
    lowest = float(stiffness_eigenvalues(stiffness)[0])
    word = "stable" if lowest > 0 else "unstable"
    return Verdict(
        word, f"the lowest eigenvalue of the stiffness tensor is {lowest / GPa:.3g} GPa (Born)"
    )


def _collapse(before: Structure, after: Structure, s: StaticSettings) -> Verdict:
    change = after.volume / before.volume - 1.0
    if change < -s.collapse:
        return Verdict(
            "collapsed",
            f"relaxation changed the volume by {change:+.1%}: likely another phase (ZIF-4's "
            "closed-pore phase); these moduli are of that phase, not of the one given",
        )
    if abs(change) > s.misfit:
        return Verdict(
            "doubtful",
            f"relaxation changed the volume by {change:+.1%}, more than {s.misfit:.0%}: the "
            "structure was far from zero pressure, or the potential does not know this material; "
            "find out which before you use the moduli",
        )
    return Verdict("ok", f"relaxation changed the volume by {change:+.1%}")


@dataclass(frozen=True, eq=False)
class StaticCurve:
    """Relaxed P(V) at 0 K. structures: relaxed, by volume. window: the fit, see `window.py`."""

    structures: tuple[Structure, ...]
    window: WindowFit


def static_equation_of_state(
    potential: Potential,
    structure: Structure,
    *,
    volume_factors: Sequence[float] = (0.955, 0.97, 0.985, 1.0, 1.015, 1.03, 1.045),
    settings: StaticSettings | None = None,
    window: WindowSettings | None = None,
) -> StaticCurve:
    """K(V) from P(V): the cell scaled isotropically, atoms relaxed at each volume.

    Each volume starts from its neighbour's relaxed atoms, outwards from the structure's own, so
    that the framework follows one branch; where it falls into another phase, the pressure jumps
    and `window` keeps the rest out. volume_factors: of the structure's own volume.
    """
    s = settings or StaticSettings()
    structure = as_structure(structure)
    factors = sorted(set(volume_factors))
    if len(factors) < 3 or not factors[0] > 0:
        raise InputError(
            f"an equation of state takes at least 3 positive volume factors; got {volume_factors}"
        )
    start = min(range(len(factors)), key=lambda i: abs(factors[i] - 1.0))
    relaxed: dict[int, Relaxed] = {}
    for branch in (range(start, len(factors)), range(start - 1, -1, -1)):
        here = relaxed[start].structure if start in relaxed else structure
        for i in branch:
            cell = structure.cell * factors[i] ** (1 / 3)
            relaxed[i] = relax_positions(potential, here.scaled_to(cell), settings=s.relaxation)
            here = relaxed[i].structure
    ordered = [relaxed[i] for i in range(len(factors))]
    accuracy = s.pressure_accuracy * GPa
    points = [Point(r.structure.volume, r.prediction.pressure_virial, accuracy) for r in ordered]
    return StaticCurve(
        structures=tuple(r.structure for r in ordered),
        window=fit_window(points, start_volume=relaxed[start].structure.volume, settings=window),
    )
