"""Physics rather than errors: the structure a potential makes against a reference trajectory.

Every row compares one quantity of two trajectories and says how far apart they are, with an error
bar, and how far apart two stretches of these lengths of *one* and the same system would be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from zifglass.analysis.accumulate import block_ranges
from zifglass.analysis.survey import Survey
from zifglass.core import InputError
from zifglass.core.statistics import mean_of_series, statistical_inefficiency
from zifglass.core.units import kB, kJ_per_mol

Array = NDArray[np.float64]
Distance = Callable[[Array, Array], float]
_resamples = 200
_fewest = 5


@dataclass(frozen=True)
class Row:
    """One line of the card.

    reference, model (with std): the quantity in `unit` where it is one number, else None.
    distance, distance_std: in `distance_unit`; what it is, `measure` says. chance, chance_std: the
    distance between two trajectories of one distribution that are as long as these. verdict: "same"
    where the distance is at most two chance_std beyond chance, else "different"; "unknown" where
    the errors come from fewer than five samples (blocks or frames) of the shorter trajectory.
    """

    quantity: str
    measure: str
    unit: str
    reference: float | None
    reference_std: float | None
    model: float | None
    model_std: float | None
    distance: float
    distance_std: float
    distance_unit: str
    chance: float
    chance_std: float
    samples: int

    @property
    def verdict(self) -> str:
        known = np.isfinite([self.distance, self.chance, self.chance_std]).all()
        if not known or self.samples < _fewest:
            return "unknown"
        beyond = abs(self.distance) - self.chance
        return "same" if beyond <= 2.0 * self.chance_std else "different"


@dataclass(frozen=True, eq=False)
class Scorecard:
    """rows: of what both trajectories could give. left_out: quantity → why. sources: reference,
    model. frames: of each."""

    rows: tuple[Row, ...]
    left_out: dict[str, str]
    sources: tuple[str, str]
    frames: tuple[int, int]


def scorecard(
    reference: Survey, model: Survey, *, rng: np.random.Generator, pair: str = "Zn-N"
) -> Scorecard:
    """Compare two surveys (`analysis.survey.survey`) of the same elements; pair: of the PMF.

    Numbers: signed difference model − reference, errors added in quadrature, chance 0 ± the same.
    Curves: a distance (Wright's R of an RDF, √(Σ(g₁ − g₂)²/Σg₁²); total variation ½Σ|p₁ − p₂| of a
    distribution; rms difference of the PMF in kJ/mol where both g exceed 0.01). Their error is a
    bootstrap over blocks of time of both, chance the mean distance of two resampled, centred sets
    about one common mean; blocks that are still correlated are stretched by their statistical
    inefficiency. rng: of the bootstrap.
    Raises InputError where the elements differ or nothing can be compared.
    """
    rows: list[Row] = []
    left_out = dict(reference.skipped) | dict(model.skipped)
    for name, build in _builders.items():
        if name in reference.results and name in model.results:
            rows += build(reference.results[name], model.results[name], rng)
    if {"rdf", "pmf"} <= set(reference.results) & set(model.results):
        rows += _pmf(reference.results, model.results, pair, rng)
    if not rows:
        raise InputError("there is nothing to compare: the two trajectories share no quantity")
    return Scorecard(
        tuple(rows), left_out, (reference.source, model.source), (reference.frames, model.frames)
    )


def _number(
    quantity: str,
    unit: str,
    sides: Sequence[tuple[float, float]],
    samples: int,
) -> Row:
    """sides: value and std of reference and model."""
    first, second = sides
    std = float(np.hypot(first[1], second[1]))
    values = (*first, *second)
    return Row(
        quantity, "difference", unit, *values, second[0] - first[0], std, unit, 0.0, std,
        samples,
    )  # fmt: skip


def _curve(
    quantity: str,
    measure: str,
    unit: str,
    distance: Distance,
    blocks: tuple[Array, Array],
    weights: tuple[Array, Array],
    rng: np.random.Generator,
) -> Row:
    """blocks: (blocks, bins) of reference and model; weights: (blocks,) of each."""
    means = [_mean(b, w) for b, w in zip(blocks, weights, strict=True)]
    found = distance(*means)
    nothing = (None, None, None, None)
    samples = min(len(b) for b in blocks)
    if samples < 2:
        nan = float("nan")
        return Row(quantity, measure, "", *nothing, found, nan, unit, nan, nan, samples)
    common = (means[0] + means[1]) / 2
    drawn = [_departures(b, w, m, rng) for b, w, m in zip(blocks, weights, means, strict=True)]
    apart, chance = [], []
    for moved in zip(*drawn, strict=True):
        apart.append(distance(means[0] + moved[0], means[1] + moved[1]))
        chance.append(distance(common + moved[0], common + moved[1]))
    spread = float(np.nanstd(apart, ddof=1)), float(np.nanstd(chance, ddof=1))
    return Row(
        quantity, measure, "", *nothing, found, spread[0], unit,
        float(np.nanmean(chance)), spread[1], samples,
    )  # fmt: skip


def _mean(blocks: Array, weights: Array) -> Array:
    return np.asarray(np.average(blocks, axis=0, weights=weights))


def _departures(blocks: Array, weights: Array, mean: Array, rng: np.random.Generator) -> Array:
    """(resamples, bins): means of as many blocks drawn with replacement, less `mean`, made as much
    larger as correlation between blocks hides."""
    count = len(blocks)
    finite = blocks[:, np.isfinite(blocks).all(axis=0)]
    # √(n/(n − 1)) as in an unbiased variance.
    stretch = np.sqrt(statistical_inefficiency(finite) * count / (count - 1))
    often = rng.multinomial(count, np.full(count, 1.0 / count), size=_resamples) * weights
    return np.asarray(stretch * (often @ blocks / often.sum(axis=1, keepdims=True) - mean))


def _wright(first: Array, second: Array) -> float:
    return float(np.sqrt(((first - second) ** 2).sum() / (first**2).sum()))


def _total_variation(first: Array, second: Array) -> float:
    return float(0.5 * np.abs(first / first.sum() - second / second.sum()).sum())


def _rdf(first: Any, second: Any, rng: np.random.Generator) -> list[Row]:
    if first.pairs != second.pairs or len(first.r) != len(second.r):
        raise InputError(
            f"the trajectories hold other elements: {', '.join(first.species)} and "
            f"{', '.join(second.species)}"
        )
    rows = []
    for a, b in first.pairs:
        row = first.row((a, b))
        blocks = first.blocks[:, row], second.blocks[:, row]
        if not all(block.any() for block in blocks):
            continue
        weights = first.block_weights, second.block_weights
        rows.append(_curve(f"rdf {a}-{b}", "Wright R", "1", _wright, blocks, weights, rng))
    return rows


def _pmf(
    first: dict[str, Any], second: dict[str, Any], pair: str, rng: np.random.Generator
) -> list[Row]:
    thermal = [kB * results["pmf"].temperature / kJ_per_mol for results in (first, second)]
    curves = [results["rdf"] for results in (first, second)]
    rows = [curve.row(pair) for curve in curves]
    seen = np.all([c.partial[row] > 0.01 for c, row in zip(curves, rows, strict=True)], axis=0)

    def rms(one: Array, other: Array) -> float:
        energies = [
            -kT * np.log(np.maximum(g[seen], 1e-3) / g.max())
            for kT, g in zip(thermal, (one, other), strict=True)
        ]
        return float(np.sqrt(np.mean((energies[0] - energies[1]) ** 2)))

    blocks = curves[0].blocks[:, rows[0]], curves[1].blocks[:, rows[1]]
    weights = curves[0].block_weights, curves[1].block_weights
    curve = _curve("pmf", "rms difference", "kJ/mol", rms, blocks, weights, rng)
    barrier = _number(
        "pmf barrier", "kJ/mol",
        [(results["pmf"].barrier, results["pmf"].barrier_std) for results in (first, second)],
        curve.samples,
    )  # fmt: skip
    return [curve, barrier] if np.isfinite(barrier.distance) else [curve]


def _angles(first: Any, second: Any, rng: np.random.Generator) -> list[Row]:
    blocks, weights = (first.blocks, second.blocks), (first.block_weights, second.block_weights)
    return [
        _number(
            "angle mean",
            "degree",
            [(first.mean, first.mean_std), (second.mean, second.mean_std)],
            min(len(first.blocks), len(second.blocks)),
        ),
        _curve("angles", "total variation", "1", _total_variation, blocks, weights, rng),
    ]


def _coordination(first: Any, second: Any, rng: np.random.Generator) -> list[Row]:
    longest = max(first.per_frame_distribution.shape[1], second.per_frame_distribution.shape[1])
    blocks = _in_blocks(first.per_frame_distribution, longest), _in_blocks(
        second.per_frame_distribution, longest
    )  # fmt: skip
    weights = _equal(blocks)
    return [
        _number(
            "coordination", "1", [(first.mean, first.mean_std), (second.mean, second.mean_std)],
            min(len(first.per_frame), len(second.per_frame)),
        ),
        _curve(
            "coordination distribution", "total variation", "1", _total_variation, blocks, weights,
            rng,
        ),
    ]  # fmt: skip


def _rings(first: Any, second: Any, rng: np.random.Generator) -> list[Row]:
    # Sizes that were counted whole in every frame of both.
    whole = min(int(first.complete_to.min()), int(second.complete_to.min()))
    columns = int((first.sizes[: second.counts.shape[1]] <= whole).sum())
    blocks = _in_blocks(first.counts[:, :columns], columns), _in_blocks(
        second.counts[:, :columns], columns
    )  # fmt: skip
    if not all(block.any() for block in blocks):
        return []
    return [_curve("rings", "total variation", "1", _total_variation, blocks, _equal(blocks), rng)]


def _pores(first: Any, second: Any, rng: np.random.Generator) -> list[Row]:
    pairs = [(result.porous_volume, result.porous_volume_std) for result in (first, second)]
    return [_number("porous volume", "cm³/kg", pairs, min(len(first.frames), len(second.frames)))]


def _linkers(first: Any, second: Any, rng: np.random.Generator) -> list[Row]:
    pairs = [(result.mean, result.mean_std) for result in (first, second)]
    samples = min(len(first.fraction), len(second.fraction))
    rows = [_number("broken linkers", "1", pairs, samples)]
    tenth = samples // 10
    if tenth >= 2:
        ends = [mean_of_series(result.fraction[-tenth:]) for result in (first, second)]
        last = [(end.mean, end.std) for end in ends]
        rows.append(_number("broken linkers at the end", "1", last, tenth))
    return rows


def _in_blocks(per_frame: Array, columns: int) -> Array:
    """(frames, k) → means of at most 20 consecutive stretches, zeros up to `columns`."""
    wide = np.zeros((len(per_frame), columns))
    wide[:, : per_frame.shape[1]] = per_frame
    return np.array([wide[part.start : part.stop].mean(axis=0) for part in block_ranges(len(wide))])


def _equal(blocks: tuple[Array, Array]) -> tuple[Array, Array]:
    return np.ones(len(blocks[0])), np.ones(len(blocks[1]))


_builders: dict[str, Callable[[Any, Any, np.random.Generator], list[Row]]] = {
    "rdf": _rdf,
    "angles": _angles,
    "coordination": _coordination,
    "rings": _rings,
    "pores": _pores,
    "linkers": _linkers,
}
