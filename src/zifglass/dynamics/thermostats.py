"""What exchanges kinetic energy with a bath: half a step of it, on atoms and on the barostat.

Each thermostat is written for a set of velocities given by twice its kinetic energy and its
degrees of freedom, and returns the factor that multiplies them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt
from typing import Final, Protocol

import numpy as np

from zifglass.core.units import kB

from .state import Array, chain_length

_suzuki_yoshida: Final = (
    1.0 / (2.0 - 2.0 ** (1.0 / 3.0)),
    1.0 - 2.0 / (2.0 - 2.0 ** (1.0 / 3.0)),
    1.0 / (2.0 - 2.0 ** (1.0 / 3.0)),
)


class Thermostat(Protocol):
    """half_step: for velocities of `twice_kinetic` (eV) and `dof` degrees of freedom at `target`
    (K), over half of `dt` (fs): the factor for the velocities and the energy the bath took (eV).
    kinetic: what the bath's own variables hold, eV."""

    @property
    def damping(self) -> float: ...
    def half_step(
        self,
        chain: Array,
        twice_kinetic: float,
        dof: int,
        target: float,
        dt: float,
        rng: np.random.Generator,
    ) -> tuple[float, float]: ...
    def kinetic(self, chain: Array, dof: int, target: float) -> float: ...


@dataclass(frozen=True)
class NoThermostat:
    """NVE."""

    damping: float = 1.0

    def half_step(
        self,
        chain: Array,
        twice_kinetic: float,
        dof: int,
        target: float,
        dt: float,
        rng: np.random.Generator,
    ) -> tuple[float, float]:
        return 1.0, 0.0

    def kinetic(self, chain: Array, dof: int, target: float) -> float:
        return 0.0


@dataclass(frozen=True)
class NoseHooverChain:
    """Nosé–Hoover chain of three, factorised by Martyna, Tuckerman and Klein with a fourth-order
    Suzuki–Yoshida splitting (DOI 10.1080/00268979600100761). Masses Q₁ = N_f k_B T τ² and
    Q_k = k_B T τ² with τ = `damping`, fs."""

    damping: float

    def half_step(
        self,
        chain: Array,
        twice_kinetic: float,
        dof: int,
        target: float,
        dt: float,
        rng: np.random.Generator,
    ) -> tuple[float, float]:
        thermal = kB * target
        small = thermal * self.damping**2
        mass = (dof * small, small, small)
        v1, v2, v3 = chain.tolist()
        scale, taken = 1.0, 0.0
        for weight in _suzuki_yoshida:
            half = 0.5 * weight * dt
            quarter, eighth = 0.5 * half, 0.25 * half
            v3 += quarter * (mass[1] * v2 * v2 - thermal) / mass[2]
            drag = exp(-eighth * v3)
            v2 = drag * (drag * v2 + quarter * (mass[0] * v1 * v1 - thermal) / mass[1])
            drag = exp(-eighth * v2)
            v1 = drag * (drag * v1 + quarter * (twice_kinetic - dof * thermal) / mass[0])
            factor = exp(-half * v1)
            scale *= factor
            twice_kinetic *= factor * factor
            taken += thermal * half * (dof * v1 + v2 + v3)
            drag = exp(-eighth * v2)
            v1 = drag * (drag * v1 + quarter * (twice_kinetic - dof * thermal) / mass[0])
            drag = exp(-eighth * v3)
            v2 = drag * (drag * v2 + quarter * (mass[0] * v1 * v1 - thermal) / mass[1])
            v3 += quarter * (mass[1] * v2 * v2 - thermal) / mass[2]
        chain[:] = v1, v2, v3
        return scale, taken

    def kinetic(self, chain: Array, dof: int, target: float) -> float:
        small = kB * target * self.damping**2
        v1, v2, v3 = chain.tolist()
        return 0.5 * small * (dof * v1 * v1 + v2 * v2 + v3 * v3)


@dataclass(frozen=True)
class StochasticRescaling:
    """Canonical sampling through velocity rescaling (Bussi, Donadio, Parrinello,
    DOI 10.1063/1.2408420): the exact solution of its stochastic equation over the time given,
    relaxation time `damping`, fs."""

    damping: float

    def half_step(
        self,
        chain: Array,
        twice_kinetic: float,
        dof: int,
        target: float,
        dt: float,
        rng: np.random.Generator,
    ) -> tuple[float, float]:
        if twice_kinetic == 0.0:  # a barostat at rest: nothing to rescale yet
            return 1.0, 0.0
        kept = exp(-0.5 * dt / self.damping)
        one = float(rng.standard_normal())
        others = 2.0 * float(rng.standard_gamma(0.5 * (dof - 1))) if dof > 1 else 0.0
        # Kinetic energy per degree of freedom at the target, relative to all there is now.
        share = (1.0 - kept) * kB * target / twice_kinetic
        signed = sqrt(kept) + sqrt(share) * one
        squared = signed * signed + share * others
        return (
            sqrt(squared) if signed >= 0.0 else -sqrt(squared),
            0.5 * twice_kinetic * (1.0 - squared),
        )

    def kinetic(self, chain: Array, dof: int, target: float) -> float:
        return 0.0


assert chain_length == 3, "NoseHooverChain is written out for three"
