"""Steps of the optimiser over the frames, each epoch in an order of its own; resumable."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zifglass.core.files import atomic_path
from zifglass.core.units import MPa, eV, meV
from zifglass.potentials.network import Network
from zifglass.training.nequip_config import optimizer_arguments
from zifglass.training.settings import TrainingSettings

from . import together
from .frames import Sample
from .gradient import Errors, accumulate, errors_of
from .module import TrainableNetwork


@dataclass(frozen=True)
class Epoch:
    """What an epoch gave; errors are mean absolute ones: meV/atom, meV/Å, MPa. The validation's
    are of the averaged weights."""

    epoch: int
    loss_train: float
    loss_validation: float
    energy_mae_train: float
    energy_mae_validation: float
    force_mae_train: float
    force_mae_validation: float
    stress_mae_train: float
    stress_mae_validation: float
    learning_rate: float
    seconds: float


class Descent:
    """A training of `network` on `train`, one call of `step_epoch` at a time.

    The weights validated and given by `network` are averages with decay settings.averaging.
    """

    def __init__(
        self,
        network: Network,
        settings: TrainingSettings,
        train: Sequence[Sample],
        validation: Sequence[Sample],
    ) -> None:
        self.settings = settings
        self.model = TrainableNetwork(network)
        self._train, self._validation = list(train), list(validation)
        self._parameters = list(self.model.parameters())
        self._average = [p.detach().clone() for p in self._parameters]
        self._optimizer = _optimizer(self._parameters, settings)
        self.epoch = 0
        self._steps = 0

    @property
    def steps_per_epoch(self) -> int:
        return math.ceil(len(self._train) / self.settings.batch)

    def step_epoch(self) -> Epoch:
        """Every training frame once, then the validation."""
        start = time.monotonic()
        rng = np.random.default_rng([self.settings.seed, self.epoch])
        order = rng.permutation(len(self._train))
        totals = _Totals()
        for first in range(0, len(order), self.settings.batch):
            samples = [self._train[i] for i in order[first : first + self.settings.batch]]
            totals.add(self._step(samples), self.settings)
        trained, validated = totals.means(), self._validate().means()
        self.epoch += 1
        return Epoch(
            epoch=self.epoch,
            loss_train=trained["loss"],
            loss_validation=validated["loss"],
            energy_mae_train=trained["energy"],
            energy_mae_validation=validated["energy"],
            force_mae_train=trained["forces"],
            force_mae_validation=validated["forces"],
            stress_mae_train=trained["stress"],
            stress_mae_validation=validated["stress"],
            learning_rate=self._rate(),
            seconds=time.monotonic() - start,
        )

    def averaged(self) -> Network:
        """The network with its averaged weights."""
        with self._averages():
            return self.model.trained()

    def state(self) -> dict[str, Any]:
        """All that has a memory; plain tensors and numbers."""
        return {
            "weights": [p.detach().clone() for p in self._parameters],
            "average": [a.clone() for a in self._average],
            "optimizer": self._optimizer.state_dict(),
            "epoch": self.epoch,
            "steps": self._steps,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`."""
        with torch.no_grad():
            for parameter, weight in zip(self._parameters, state["weights"], strict=True):
                parameter.copy_(weight)
        self._average = [a.clone() for a in state["average"]]
        self._optimizer.load_state_dict(state["optimizer"])
        self.epoch, self._steps = state["epoch"], state["steps"]

    def _step(self, samples: Sequence[Sample]) -> Errors:
        for group in self._optimizer.param_groups:
            group["lr"] = self._rate()
        self._optimizer.zero_grad(set_to_none=True)
        samples = together.share(samples, at_least_one=True)
        errors = accumulate(self.model, samples, self.settings.loss)
        together.mean_gradients(self._parameters)
        self._optimizer.step()
        self._steps += 1
        # Early averages forget the start faster.
        decay = min(self.settings.averaging, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._average, [p.detach() for p in self._parameters], 1 - decay)
        return errors

    def _rate(self) -> float:
        s = self.settings
        done = min(1.0, self._steps / (self.steps_per_epoch * s.epochs))
        low = s.learning_rate_stop
        return low + 0.5 * (s.learning_rate - low) * (1 + math.cos(math.pi * done))

    def _validate(self) -> _Totals:
        totals = _Totals()
        with self._averages():
            for sample in together.share(self._validation):
                totals.add(errors_of(self.model, [sample]), self.settings)
        return totals

    def _averages(self) -> _Swapped:
        return _Swapped(self._parameters, self._average)


def _optimizer(parameters: list[Any], settings: TrainingSettings) -> torch.optim.Optimizer:
    arguments = optimizer_arguments(settings)
    module, _, name = str(arguments.pop("_target_")).rpartition(".")
    made: torch.optim.Optimizer = getattr(import_module(module), name)(parameters, **arguments)
    return made


class _Swapped:
    """While entered, the parameters hold the averages."""

    def __init__(self, parameters: list[Any], average: list[Any]) -> None:
        self._parameters, self._average = parameters, average

    def __enter__(self) -> None:
        self._kept = [p.detach().clone() for p in self._parameters]
        self._put(self._average)

    def __exit__(self, *exception: object) -> None:
        self._put(self._kept)

    def _put(self, values: list[Any]) -> None:
        with torch.no_grad():
            for parameter, value in zip(self._parameters, values, strict=True):
                parameter.copy_(value)


class _Totals:
    """Means over frames of loss and absolute errors, those of all processes together."""

    def __init__(self) -> None:
        self._sums = np.zeros(5)

    def add(self, errors: Errors, settings: TrainingSettings) -> None:
        stress = errors.stress[~errors.stress.isnan()]
        values = (
            errors.loss(settings.loss),
            float(errors.energy.abs().mean()) * eV / meV,
            float(errors.forces.abs().mean()) * eV / meV,
            float(stress.abs().mean()) / MPa if len(stress) else math.nan,
            1.0,
        )
        self._sums += len(errors.energy) * np.array(values)

    def means(self) -> dict[str, float]:
        """loss, energy, forces, stress."""
        *sums, frames = together.total(self._sums)
        names = ("loss", "energy", "forces", "stress")
        return {name: float(sum_ / frames) for name, sum_ in zip(names, sums, strict=True)}


def descend(
    start: Callable[[], Network],
    settings: TrainingSettings,
    train: Callable[[Network], list[Sample]],
    validation: Callable[[Network], list[Sample]],
    folder: Path,
    *,
    report: Callable[[Epoch], None] = lambda epoch: None,
    enough: Callable[[], bool] = lambda: False,
) -> Network:
    """Train until settings.epochs, or until `enough` says so between two epochs in any process.

    folder: holds ``state.pt`` and ``curves.csv``; the same call goes on from them, to the same
    bits. Returns the network of averaged weights.
    """
    network = start()
    descent = Descent(network, settings, train(network), validation(network))
    folder.mkdir(parents=True, exist_ok=True)
    kept, curves = folder / "state.pt", folder / "curves.csv"
    rows: list[dict[str, Any]] = []
    if kept.exists():
        descent.restore(torch.load(kept, weights_only=True))
        with curves.open(newline="", encoding="utf-8") as file:
            rows = [dict(row) for row in csv.DictReader(file)][: descent.epoch]
    while descent.epoch < settings.epochs and not together.any_says(enough()):
        epoch = descent.step_epoch()
        if not together.is_first():
            continue
        rows.append(asdict(epoch))
        _write_rows(curves, rows)
        with atomic_path(kept) as temporary:
            torch.save(descent.state(), temporary)
        report(epoch)
    return descent.averaged()


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
