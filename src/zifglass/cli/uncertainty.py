"""`zifglass potential uncertainty`: where a committee of potentials disagrees."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .potential import group, load

if TYPE_CHECKING:
    from zifglass.core import Frame


def register(app: typer.Typer) -> None:
    """Add the command to the group `potential`."""
    group.command("uncertainty")(uncertainty)


def uncertainty(
    trajectories: Annotated[
        list[Path], typer.Argument(help="Structures or trajectories, labelled or not.")
    ],
    committee: Annotated[
        list[str],
        typer.Option(help="A member: name, model file, or nequip:FILE. Two at least; repeat it."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="Folder for uncertainty.csv, .json and frames.extxyz."),
    ] = None,
    every: Annotated[int, typer.Option(min=1, help="Use every n-th frame.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use. [all]")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64, of the features.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, or cuda (through torch).")] = "cpu",
) -> None:
    """Standard deviation of a committee's forces (eV/Å, per atom) and energy (meV/atom), frame by
    frame; train one with `zifglass train --seeds 4`.

    frames.extxyz carries force_std per atom and force_std_max per frame, by which `zifglass
    dataset select --scalar force_std_max` chooses what to label. Where frames have forces of
    their own, the correlation of error and disagreement over atoms is told.
    """
    import numpy as np

    from zifglass.core.files import write_json
    from zifglass.core.statistics import mean_of_series
    from zifglass.io import read
    from zifglass.potentials.committee import Committee

    from .progress import Progress

    members = [load(name, threads=threads, dtype=dtype, device=device) for name in committee]
    judges = Committee(members)
    frames = [frame for path in trajectories for frame in read(path)[::every]]
    rows: list[dict[str, Any]] = []
    judged: list[Frame] = []
    pairs: list[Any] = []
    with Progress("frames", len(frames)) as bar:
        for frame in frames:
            row, told, against = _judge(judges, frame)
            rows.append(row)
            judged.append(told)
            pairs += against
            bar.update(len(rows))
    worst = max(rows, key=lambda row: row["force_std_max"])
    names = ("force_std_mean", "force_std_max", "energy_std", "stress_std")
    units = dict(zip(names, ("eV/Å", "eV/Å", "meV/atom", "MPa"), strict=True))
    means = {name: mean_of_series([row[name] for row in rows]) for name in names}
    for name, mean in means.items():
        error = f" ± {mean.std:.2g}" if np.isfinite(mean.std) else ""  # one frame has none
        typer.echo(f"{name:15} {mean.mean:.4g}{error} {units[name]}")
    typer.echo(
        f"{len(rows)} frames; the worst is {rows.index(worst)}: atom {worst['atom']} "
        f"({worst['element']}), {worst['force_std_max']:.3g} eV/Å"
    )
    found: dict[str, Any] = {
        name: {"value": mean.mean, "std": mean.std, "unit": units[name]}
        for name, mean in means.items()
    }
    if pairs:
        found["error_correlation"] = _correlation(pairs)
        typer.echo(
            f"over atoms, force error and disagreement correlate by "
            f"{found['error_correlation']['value']:.2f}"
        )
    if output is not None:
        _write(output, rows, judged, units)
        found["members"] = [{"name": m.name, "sha256": m.sha256} for m in members]
        write_json(output / "uncertainty.json", found)
        typer.echo(f"written to {output}")


def _judge(judges: Any, frame: Frame) -> tuple[dict[str, Any], Frame, list[Any]]:
    from dataclasses import replace

    import numpy as np

    from zifglass.core.structure import symbols_of
    from zifglass.core.units import MPa, meV
    from zifglass.potentials.committee import disagreement, mean_prediction

    predictions = judges.predictions(frame.structure)
    spread = disagreement(predictions)
    atom = int(np.argmax(spread.forces))
    row = {
        "time_fs": frame.time,
        "force_std_mean": float(spread.forces.mean()),
        "force_std_max": float(spread.forces[atom]),
        "energy_std": spread.energy / meV,
        "stress_std": spread.stress / MPa,
        "atom": atom,
        "element": symbols_of(frame.structure.numbers[[atom]])[0],
    }
    extras = dict(frame.extras) | {
        "force_std": spread.forces, "force_std_max": row["force_std_max"],
    }  # fmt: skip
    against = []
    if frame.forces is not None:
        off = mean_prediction(predictions).forces - frame.forces
        against = [np.stack([np.sqrt((off**2).sum(axis=1)), spread.forces])]
    return row, replace(frame, extras=extras), against


def _correlation(pairs: list[Any]) -> dict[str, Any]:
    import numpy as np

    both = np.concatenate(pairs, axis=1)
    value = float(np.corrcoef(both)[0, 1])
    # Fisher's z: the atoms of a frame are not independent, its number of frames is taken.
    std = (1 - value**2) / np.sqrt(max(1, len(pairs) - 3)) if len(pairs) > 3 else None
    return {"value": value, "std": std, "unit": "1"}


def _write(
    folder: Path, rows: list[dict[str, Any]], frames: list[Frame], units: dict[str, str]
) -> None:
    import numpy as np

    from zifglass.io import write
    from zifglass.report.structure import write_csv

    table = {"frame": np.arange(len(rows))}
    for name in rows[0]:
        title = f"{name} ({units[name]})" if name in units else name.replace("_fs", " (fs)")
        table[title] = np.array([row[name] for row in rows])
    write_csv(folder / "uncertainty.csv", table)
    write(folder / "frames.extxyz", frames)
