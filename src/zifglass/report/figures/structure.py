"""Figures of structural quantities: one trajectory with its error, or many beside their mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.core.units import ps

from .style import COLOURS, LINES, band, figure

Results = Mapping[str, Any]
"""Label (a trajectory's name) → the result of one quantity."""

_most_in_legend = len(COLOURS)


def draw(quantity: str, results: Results, path: str | Path) -> None:
    """Write the figure of `quantity` for one or many trajectories to `path`.png and .svg."""
    _drawings[quantity](results, Path(path))


def _curves(axes: Any, results: Results, pick: Callable[[Any], tuple[Any, Any, Any]]) -> None:
    """One: a line with its band. Many: thin lines, and their mean ± s.d. where the grids agree."""
    if len(results) == 1:
        x, y, y_std = pick(next(iter(results.values())))
        band(axes, x, y, y_std)
        return
    drawn = [pick(result) for result in results.values()]
    for index, (label, (x, y, _)) in enumerate(zip(results, drawn, strict=True)):
        axes.plot(
            x, y, LINES[index % 4], color=COLOURS[index % len(COLOURS)], linewidth=0.9,
            label=label if len(results) <= _most_in_legend else None,
        )  # fmt: skip
    if all(len(x) == len(drawn[0][0]) and np.allclose(x, drawn[0][0]) for x, _, _ in drawn):
        heights = np.array([y for _, y, _ in drawn])
        with np.errstate(invalid="ignore"):
            band(
                axes, drawn[0][0], heights.mean(axis=0), heights.std(axis=0, ddof=1),
                label="mean ± s.d.", color="black",
            )  # fmt: skip
    _legend(axes)


def _legend(axes: Any) -> None:
    """Beside the axes, so that it covers nothing."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), borderaxespad=0.0)


def _rdf(results: Results, path: Path) -> None:
    first = next(iter(results.values()))
    shown = [pair for pair in first.pairs if first.partial[first.row(pair)].any()]
    rows = -(-len(shown) // 2)
    with figure(path, rows=rows, columns=2, size=(4.6, 2.1)) as (drawing, panels):
        panels = np.atleast_1d(panels).ravel()
        for index, (axes, pair) in enumerate(zip(panels, shown, strict=False)):
            _curves(axes, results, partial(_of_pair, pair=pair))
            axes.axhline(1.0, color="0.6", linewidth=0.6, zorder=0)
            axes.set(ylabel=f"g(r), {pair[0]}–{pair[1]}", xlim=(0, first.edges[-1]))
            axes.set_ylim(bottom=0)
            if index < len(shown) - 2:
                axes.tick_params(labelbottom=False)
            else:
                axes.set_xlabel("r (Å)")
        for axes in panels[len(shown) :]:
            axes.set_visible(False)
        _shared_legend(drawing, panels)


def _of_pair(rdf: Any, pair: tuple[str, str]) -> tuple[Any, Any, Any]:
    return (rdf.r, *rdf.of(pair))


def _shared_legend(drawing: Any, panels: Any) -> None:
    """One legend above all panels in place of one beside each."""
    handles, labels = panels[0].get_legend_handles_labels()
    for axes in panels:
        if axes.get_legend():
            axes.get_legend().remove()
    if labels:
        drawing.legend(handles, labels, loc="outside upper center", ncols=min(len(labels), 3))


def _pmf(results: Results, path: Path) -> None:
    with figure(path) as (_, axes):
        _curves(axes, results, lambda pmf: _finite(pmf.r, pmf.energy, pmf.energy_std))
        first = next(iter(results.values()))
        top = max(np.max(p.energy[np.isfinite(p.energy)], initial=1.0) for p in results.values())
        axes.set(
            xlabel="r (Å)", ylabel=f"PMF at {first.temperature:.0f} K (kJ/mol)",
            xlim=(1.5, 6.5), ylim=(-0.05 * top, 1.05 * top),
        )  # fmt: skip


def _finite(r: Any, energy: Any, std: Any) -> tuple[Any, Any, Any]:
    return r, np.where(np.isfinite(energy), energy, np.nan), std


def _angles(results: Results, path: Path) -> None:
    with figure(path) as (_, axes):
        _curves(axes, results, lambda a: (a.degrees, a.density, a.density_std))
        axes.axvline(109.47, color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xlabel="angle (degree)", ylabel="density (1/degree)", xlim=(50, 180))
        axes.set_ylim(bottom=0)
        if len(results) == 1:
            (only,) = results.values()
            for number, density, count in zip(
                only.coordinations, only.by_coordination, only.by_coordination_count, strict=True
            ):
                if count >= 0.01 * only.count and len(only.coordinations) > 1:
                    axes.plot(only.degrees, density, ":", linewidth=1.0, label=f"of {number}")
            _legend(axes)


def _coordination(results: Results, path: Path) -> None:
    in_time = all(r.times is not None and len(r.times) > 1 for r in results.values())
    with figure(path, columns=2 if in_time else 1) as (_, panels):
        axes = panels[0] if in_time else panels
        width = 0.8 / len(results)
        for index, (label, result) in enumerate(results.items()):
            axes.bar(
                result.numbers + (index - (len(results) - 1) / 2) * width,
                result.distribution, width, yerr=np.nan_to_num(result.distribution_std),
                label=label if 1 < len(results) <= _most_in_legend else None,
                color=COLOURS[index % len(COLOURS)],
            )  # fmt: skip
        axes.set(xlabel="neighbours within the cutoff", ylabel="fraction of centres")
        axes.xaxis.get_major_locator().set_params(integer=True)
        seen = [n for r in results.values() for n in r.numbers[r.distribution > 0]]
        axes.set_xlim(min(seen) - 1.5, max(seen) + 1.5)
        if in_time:
            for index, (label, result) in enumerate(results.items()):
                panels[1].plot(
                    result.times / ps, result.per_frame, linewidth=0.9,
                    color=COLOURS[index % len(COLOURS)],
                    label=label if 1 < len(results) <= _most_in_legend else None,
                )  # fmt: skip
            panels[1].set(xlabel="time (ps)", ylabel="mean coordination")
        _legend(panels[1] if in_time else axes)


def _linkers(results: Results, path: Path) -> None:
    with figure(path) as (_, axes):
        alone = all(len(result.fraction) == 1 for result in results.values())
        for index, (name, result) in enumerate(results.items()):
            colour = COLOURS[index % len(COLOURS)]
            if alone:
                axes.plot(index, result.fraction, "o", color=colour)
                continue
            known = result.times is not None
            x = result.times / ps if known else np.arange(len(result.fraction))
            label = name if 1 < len(results) <= _most_in_legend else None
            axes.plot(x, result.fraction, linewidth=1.0, color=colour, label=label)
            axes.set_xlabel("time (ps)" if known else "frame")
        if alone:
            _name_ticks(axes, list(results))
        axes.set_ylabel("fraction of broken linkers")
        axes.set_ylim(-0.002, max(axes.get_ylim()[1], 0.05))
        _legend(axes)


def _name_ticks(axes: Any, names: list[str]) -> None:
    slanted = len(names) > 2
    axes.set_xticks(
        range(len(names)), names, rotation=30 if slanted else 0, ha="right" if slanted else "center"
    )
    axes.set_xlim(-0.6, len(names) - 0.4)


def _rings(results: Results, path: Path) -> None:
    with figure(path, size=(5.6, 3.3)) as (_, axes):
        width = 0.8 / len(results)
        largest = 2
        for index, (label, result) in enumerate(results.items()):
            seen = np.nonzero(np.nan_to_num(result.per_metal) > 0)[0]
            largest = max(largest, int(result.sizes[seen[-1]]) if len(seen) else 2)
            axes.bar(
                result.sizes + (index - (len(results) - 1) / 2) * width, result.per_metal, width,
                yerr=np.nan_to_num(result.per_metal_std),
                label=label if 1 < len(results) <= _most_in_legend else None,
                color=COLOURS[index % len(COLOURS)],
            )  # fmt: skip
        axes.set(xlabel="ring size (metal atoms)", ylabel="rings per metal atom")
        axes.set_xlim(1.4, largest + 0.6)
        axes.xaxis.get_major_locator().set_params(integer=True)
        _legend(axes)


def _pores(results: Results, path: Path) -> None:
    with figure(path) as (_, axes):
        for index, result in enumerate(results.values()):
            axes.errorbar(
                index, result.porous_volume, result.porous_volume_std, fmt="o", capsize=4,
                color=COLOURS[index % len(COLOURS)],
            )  # fmt: skip
        _name_ticks(axes, list(results))
        axes.set_ylabel("porous volume (cm³/kg)")
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])


def _scattering(results: Results, path: Path) -> None:
    with figure(path, columns=2) as (drawing, (left, right)):
        _curves(left, results, lambda s: (s.q, s.f, s.f_std))
        _curves(right, results, lambda s: (s.r, s.d, s.d_std))
        left.set(xlabel="Q (Å⁻¹)", ylabel="X-ray F(Q)")
        right.set(xlabel="r (Å)", ylabel="D(r) (Å⁻²)")
        _shared_legend(drawing, (left, right))


def _msd(results: Results, path: Path) -> None:
    with figure(path) as (_, axes):
        for index, (label, result) in enumerate(results.items()):
            # Beyond half the trajectory few origins are left and the curve is noise.
            half = slice(0, max(2, len(result.lags) // 2))
            for k, symbol in enumerate(result.species):
                name = symbol if len(results) == 1 else f"{symbol}, {label}"
                colour = COLOURS[(k if len(results) == 1 else index) % len(COLOURS)]
                band(
                    axes, result.lags[half] / ps, result.msd[k][half], result.msd_std[k][half],
                    label=name if len(results) * len(result.species) <= 12 else None,
                    color=colour, linestyle=LINES[(0 if len(results) == 1 else k) % 4],
                )  # fmt: skip
        axes.set(xlabel="lag (ps)", ylabel="MSD (Å²)")
        axes.set_ylim(bottom=0)
        _legend(axes)


def _bonds(results: Results, path: Path) -> None:
    with figure(path) as (_, axes):
        for index, (label, result) in enumerate(results.items()):
            half = slice(0, max(2, len(result.lags) // 2))
            colour = COLOURS[index % len(COLOURS)]
            name = "" if len(results) == 1 else f", {label}"
            lags = result.lags[half] / ps
            band(
                axes, lags, result.continuous[half], result.continuous_std[half],
                label=f"never broken{name}", color=colour,
            )  # fmt: skip
            band(
                axes, lags, result.intermittent[half], result.intermittent_std[half],
                label=f"there again{name}", color=colour, linestyle="--",
            )  # fmt: skip
        axes.set(xlabel="lag (ps)", ylabel="surviving bonds", ylim=(0, 1.02))
        _legend(axes)


def _melting(results: Results, path: Path) -> None:
    with figure(path, rows=3, size=(6.0, 2.4)) as (drawing, panels):
        for index, (label, result) in enumerate(results.items()):
            colour = COLOURS[index % len(COLOURS)]
            for axes, clock in zip(panels, result.clocks, strict=True):
                axes.plot(clock.times / ps, clock.values, color=colour, label=label)
                axes.set(ylabel=clock.label)
                if index == 0:
                    axes.axhline(clock.levels[0], color="0.4", linewidth=0.8, linestyle=":")
                    axes.axhline(clock.levels[1], color="0.4", linewidth=0.8, linestyle="--")
                if clock.onset is not None:
                    axes.axvline(clock.onset / ps, color=colour, linewidth=0.9, alpha=0.6)
        panels[-1].set_xlabel("time (ps); dotted: solid level, dashed: liquid level")
        if len(results) == 1:
            (only,) = results.values()
            drawing.suptitle(f"{only.verdict.word} (confidence {only.verdict.confidence:.2f})")
        elif len(results) <= _most_in_legend:
            _legend(panels[0])


_drawings: dict[str, Callable[[Results, Path], None]] = {
    "rdf": _rdf,
    "pmf": _pmf,
    "angles": _angles,
    "coordination": _coordination,
    "linkers": _linkers,
    "rings": _rings,
    "pores": _pores,
    "scattering": _scattering,
    "msd": _msd,
    "bonds": _bonds,
    "melting": _melting,
}
