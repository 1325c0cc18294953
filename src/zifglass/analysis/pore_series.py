"""Pores of several frames of a trajectory: volume and surface of some, sizes of fewer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..core.statistics import mean_of_series
from .pores import Pores, PoreSizes


@dataclass(frozen=True, eq=False)
class PoreSeries:
    """Pores of some frames. frames (n,): their numbers. each (n,): what `pores` gave. Means over
    the frames with standard errors (of one frame: its sampling error): porous_volume cm³/kg,
    surface_area m²/g. sizes: those of fewer frames, or None where none were asked for."""

    frames: NDArray[np.int64]
    each: tuple[Pores, ...]
    porous_volume: float
    porous_volume_std: float
    surface_area: float
    surface_area_std: float
    sizes: SizeSeries | None


@dataclass(frozen=True, eq=False)
class SizeSeries:
    """Pore sizes of some frames. frames (n,): their numbers. each (n,): what `pore_sizes` gave.
    Mean diameters over the frames, Å, with standard errors (of one frame: 0, exact)."""

    frames: NDArray[np.int64]
    each: tuple[PoreSizes, ...]
    largest_included_sphere: float
    largest_included_sphere_std: float
    largest_free_sphere: float
    largest_free_sphere_std: float


def pore_series(answers: Mapping[tuple[str, int], Any]) -> PoreSeries:
    """From what `pores` and `pore_sizes` gave, under ("pores", frame) and ("sizes", frame)."""
    frames, each = _frames_of("pores", answers)
    sized, sizes = _frames_of("sizes", answers)
    diameters = ("largest_included_sphere", "largest_free_sphere")
    return PoreSeries(
        frames=frames,
        each=each,
        **_means(each, ("porous_volume", "surface_area")),
        sizes=SizeSeries(sized, sizes, **_means(sizes, diameters)) if sizes else None,
    )


def _frames_of(
    quantity: str, answers: Mapping[tuple[str, int], Any]
) -> tuple[NDArray[np.int64], tuple[Any, ...]]:
    found = sorted(frame for name, frame in answers if name == quantity)
    return np.array(found, dtype=np.int64), tuple(answers[quantity, frame] for frame in found)


def _means(each: tuple[Any, ...], names: tuple[str, ...]) -> dict[str, float]:
    columns: dict[str, float] = {}
    for name in names:
        average = mean_of_series([getattr(one, name) for one in each])
        columns[name] = average.mean
        # One frame: the sampling error of Zeo++; sizes are exact for the radii.
        alone = getattr(each[0], f"{name}_std", 0.0)
        columns[f"{name}_std"] = average.std if len(each) > 1 else alone
    return columns
