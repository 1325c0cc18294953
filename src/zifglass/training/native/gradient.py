"""The gradient of the loss by two displaced energies instead of a derivative of derivatives.

The loss of a frame of N atoms and volume V is

    L = λ_E ((E − E*)/N)² + λ_F |F − F*|²/3N + λ_σ |σ − σ*|²/9,   F = −∂E/∂r,  σ = (1/V) ∂E/∂ε.

Its gradient needs ∂²E/∂r∂θ and ∂²E/∂ε∂θ along one direction alone: displace the atoms along
u = −2 λ_F (F − F*)/3N and strain the cell along η = 2 λ_σ (σ − σ*)/9V; then, with g(h) = ∂E/∂θ at
r + h u, ε = h η,

    ∂L/∂θ = [g(h) − g(−h)]/2h + (2 λ_E (E − E*)/N²) [g(h) + g(−h)]/2 + O(h²),

so one reverse pass over two weighted energies gives all of it. h moves no atom against its
neighbours by more than about `REACH`; a test compares with the exact gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from zifglass.training.settings import LossWeights

from .frames import Sample, batch_of
from .module import TrainableNetwork

REACH = 0.01
"""Å: the largest displacement of an atom against its neighbours."""


@dataclass(frozen=True)
class Errors:
    """Of a batch: energy (frames,) eV/atom, forces (atoms, 3) eV/Å, stress (frames, 3, 3) eV/Å³;
    prediction minus label."""

    energy: Tensor
    forces: Tensor
    stress: Tensor

    def loss(self, weights: LossWeights) -> float:
        """The weighted sum of mean squares."""
        known = self.stress[~self.stress.isnan()]
        stress = float((known**2).mean()) if len(known) else 0.0
        return float(
            weights.energy * (self.energy**2).mean()
            + weights.forces * (self.forces**2).mean()
            + weights.stress * stress
        )


def errors_of(model: TrainableNetwork, samples: Sequence[Sample]) -> Errors:
    """Errors of a batch; leaves no graph behind."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    try:
        batch = batch_of(samples)
        positions = batch.positions.requires_grad_(True)
        strain = torch.zeros((len(samples), 3, 3), dtype=torch.float64, requires_grad=True)
        energies = model(batch, 0.5 * (strain + strain.transpose(1, 2)))
        slope, virial = torch.autograd.grad(energies.sum(), (positions, strain))
    finally:
        for parameter in model.parameters():
            parameter.requires_grad_(True)
    atoms = torch.tensor([len(s) for s in samples], dtype=torch.float64)
    labels = torch.tensor([s.energy for s in samples], dtype=torch.float64)
    volumes = torch.tensor([s.volume for s in samples], dtype=torch.float64)
    return Errors(
        energy=(energies.detach() - labels) / atoms,
        forces=-slope - torch.cat([s.forces for s in samples]),
        stress=virial / volumes[:, None, None] - torch.stack([s.stress for s in samples]),
    )


def accumulate(model: TrainableNetwork, samples: Sequence[Sample], weights: LossWeights) -> Errors:
    """Add the gradient of the mean loss of a batch to the parameters; the errors before."""
    errors = errors_of(model, samples)
    displaced, factors, strains = [], [], []
    start = 0
    for index, sample in enumerate(samples):
        n, stop = len(sample), start + len(sample)
        u = -2.0 * weights.forces / (3 * n) * errors.forces[start:stop]
        start = stop
        stress = torch.nan_to_num(errors.stress[index])
        eta = 2.0 * weights.stress / (9 * sample.volume) * stress
        eta = 0.5 * (eta + eta.T)
        furthest = float(u.norm(dim=1).max() + eta.norm() * model.network.cutoff)
        h = REACH / max(furthest, 1e-12)
        energy = weights.energy * float(errors.energy[index]) / n
        for sign in (1.0, -1.0):
            displaced.append(replace(sample, positions=sample.positions + sign * h * u))
            strains.append(sign * h * eta)
            factors.append((sign / (2.0 * h) + energy) / len(samples))
    energies = model(batch_of(displaced), torch.stack(strains))
    (energies * torch.tensor(factors, dtype=torch.float64)).sum().backward()
    return errors
