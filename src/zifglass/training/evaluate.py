"""How far a potential is from labels: the columns of Table S3, with their errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.core import Frame, InputError, Potential, Quantity, as_trajectory
from zifglass.core.statistics import mean_of_series
from zifglass.core.structure import symbols_of
from zifglass.core.units import GPa, MPa, meV

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Differences prediction − label in `unit`: mean absolute error, root mean square, mean
    (bias), each with its standard error over frames, their correlation accounted for (NaN for
    one frame)."""

    unit: str
    mae: float
    mae_std: float
    rmse: float
    rmse_std: float
    bias: float
    bias_std: float


@dataclass(frozen=True, eq=False)
class Parity:
    """Predictions beside labels. energy, energy_label (frames,): meV/atom. forces, forces_label
    (frames, atoms, 3): eV/Å. stress, stress_label (frames, 3, 3): GPa, tension positive, NaN
    where there is no label. symbols (atoms,)."""

    energy: Array
    energy_label: Array
    forces: Array
    forces_label: Array
    stress: Array
    stress_label: Array
    symbols: NDArray[np.str_]


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One part of a data set against a potential.

    energy: meV/atom. forces: meV/Å, over components; forces_of: the same per element. stress: MPa,
    over the labelled ones of the nine components of the tensor (shear counts twice, as in nequip),
    None without labels. pressure: MPa, `pressure_virial` from the diagonal. stress_frames: frames
    with a labelled component; shear: whether shear is labelled in all of these.
    """

    source: str
    frames: int
    atoms: int
    energy: Errors
    forces: Errors
    forces_of: dict[str, Errors]
    stress: Errors | None
    pressure: Errors | None
    stress_frames: int
    shear: bool
    parity: Parity

    def quantities(self) -> dict[str, Quantity]:
        """The form of results.json."""
        found: dict[str, Quantity] = {}
        named = {"energy": self.energy, "force": self.forces}
        named |= {f"force_{symbol}": errors for symbol, errors in self.forces_of.items()}
        if self.stress is not None:
            named["stress"] = self.stress
        for name, errors in named.items():
            found[f"{name}_mae"] = _quantity(errors.mae, errors.mae_std, errors.unit)
            found[f"{name}_rmse"] = _quantity(errors.rmse, errors.rmse_std, errors.unit)
        found["energy_bias"] = _quantity(self.energy.bias, self.energy.bias_std, self.energy.unit)
        if self.pressure is not None:
            note = None if self.shear else "shear is not labelled: stress_* are of the diagonal"
            bias = self.pressure.bias, self.pressure.bias_std
            found["pressure_virial_bias"] = _quantity(*bias, "MPa", note)
        return found


def evaluate(
    potential: Potential,
    trajectory: Any,
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Predict every labelled frame and compare.

    Every frame needs energy and forces; stress where it is labelled, component by component.
    A mean over frames is the mean of the frames' own means. Raises InputError naming the frame
    without a label.
    """
    trajectory = as_trajectory(trajectory)
    numbers, count = trajectory.numbers, len(trajectory)
    ours = [_labelled(frame, trajectory.source) for frame in trajectory]
    predictions = []
    progress(0, count)
    for frame in ours:
        predictions.append(potential(frame.structure))
        progress(len(predictions), count)
    unknown = np.full((3, 3), np.nan)
    parity = Parity(
        energy=np.array([p.energy for p in predictions]) / len(numbers) / meV,
        energy_label=np.array([f.energy for f in ours]) / len(numbers) / meV,
        forces=np.array([p.forces for p in predictions]),
        forces_label=np.array([f.forces for f in ours]),
        stress=np.array([p.stress for p in predictions]) / GPa,
        stress_label=np.array([unknown if f.stress is None else f.stress for f in ours]) / GPa,
        symbols=np.array(symbols_of(numbers)),
    )
    forces = (parity.forces - parity.forces_label) / meV
    kinds = dict.fromkeys(parity.symbols.tolist())
    stress, pressure, labelled = _stress_errors(parity)
    return Evaluation(
        source=trajectory.source,
        frames=count,
        atoms=len(numbers),
        energy=_errors(parity.energy - parity.energy_label, "meV/atom"),
        forces=_errors(forces, "meV/Å"),
        forces_of={kind: _errors(forces[:, parity.symbols == kind], "meV/Å") for kind in kinds},
        stress=stress,
        pressure=pressure,
        stress_frames=int(labelled.any(axis=(1, 2)).sum()),
        shear=bool((labelled.all(axis=(1, 2)) | ~labelled.any(axis=(1, 2))).all()),
        parity=parity,
    )


def _quantity(value: float, std: float, unit: str, note: str | None = None) -> Quantity:
    if np.isfinite(std):
        return Quantity(value, std, unit, note)
    return Quantity(value, None, unit, "; ".join(filter(None, ("one frame: no error", note))))


def _labelled(frame: Frame, source: str) -> Frame:
    for name in ("energy", "forces"):
        value = getattr(frame, name)
        if value is None or not np.isfinite(value).all():
            raise InputError(
                f"to be evaluated a frame needs energy and forces; this one has no {name}",
                source,
                frame=frame.index,
            )
    return frame


def _stress_errors(parity: Parity) -> tuple[Errors | None, Errors | None, NDArray[np.bool_]]:
    labelled = np.isfinite(parity.stress_label)
    difference = (parity.stress - parity.stress_label) * GPa / MPa
    some = labelled.any(axis=(1, 2))
    stress = _errors(difference[some], "MPa") if some.any() else None
    diagonal = np.trace(difference, axis1=1, axis2=2) / -3.0
    whole = np.isfinite(diagonal)
    return stress, _errors(diagonal[whole], "MPa") if whole.any() else None, labelled


def _errors(differences: Array, unit: str) -> Errors:
    """From (frames, …) differences, NaN where there is no label."""
    frames = differences.reshape(len(differences), -1)
    mae, square, bias = (
        mean_of_series(np.nanmean(each, axis=1)) for each in (np.abs(frames), frames**2, frames)
    )
    rmse = float(np.sqrt(square.mean))
    rmse_std = square.std / (2 * rmse) if rmse else 0.0
    return Errors(unit, mae.mean, mae.std, rmse, rmse_std, bias.mean, bias.std)
