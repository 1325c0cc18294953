"""`zifglass mechanics`: moduli and density, each with its error."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zifglass.cli.progress import Progress

if TYPE_CHECKING:
    from zifglass import mechanics
    from zifglass.core import Structure
    from zifglass.mechanics import ElasticFluctuations, Step, StrainSweepSettings

Change = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting, name=value; may be repeated."),
]
SettingsFile = Annotated[Path | None, typer.Option("--settings", help="YAML file of settings.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder of the results.")]
Seed = Annotated[int, typer.Option(min=0, help="Of everything random.")]

group = typer.Typer(
    help="Bulk modulus, elastic constants (GPa) and density (g/cm³), each with its error.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group, name="mechanics")


@group.command("fluctuations")
def fluctuations(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Flexible-cell NPT trajectories, or folders of runs; all independent."),
    ],
    output: Output,
    temperature: Annotated[float, typer.Option(help="Of the thermostat, K.")],
    settings: SettingsFile = None,
    change: Change = None,
    seed: Seed = 0,
) -> None:
    """Elastic tensor and bulk modulus from the fluctuations of a flexible cell.

    K = kT⟨V⟩/var V, and C = S⁻¹ from the strain against the mean cell. Equilibration is
    detected; errors are block-bootstrap ones. Several runs are analysed each and compared.
    """
    import numpy as np

    from zifglass import mechanics, read
    from zifglass.core.settings import read_settings
    from zifglass.core.structure import masses_of
    from zifglass.mechanics.sampling import FluctuationSettings

    chosen = read_settings(FluctuationSettings, settings, changes=change or ())
    estimates, found = [], {}
    for label, path in _labelled(runs):
        trajectory = read(path)
        result = mechanics.strain_fluctuations(
            trajectory,
            temperature=temperature,
            generator=np.random.default_rng(seed),
            settings=chosen,
        )
        mass = float(masses_of(trajectory.numbers).sum())
        folder = output / label if len(runs) > 1 else output
        _write_fluctuations(folder, result, mass)
        found[label] = (result, mass)
        estimates += mechanics.estimates_of_fluctuations(result, run=label, mass=mass)
        typer.echo(f"{label}: {result.verdict.word}; {result.verdict.sentence}")
    _write_settings(output, chosen.model_dump(), temperature=temperature, seed=seed)
    _print_table(estimates)
    if len(found) > 1:
        _write_comparison(output, estimates)


def _write_fluctuations(folder: Path, result: ElasticFluctuations, mass: float) -> None:
    from zifglass import mechanics
    from zifglass.mechanics import quantities
    from zifglass.report.figures.mechanics import running

    extremes = mechanics.directional_extremes(
        result.compliance, samples=result.compliance_samples[:200]
    )
    _write_quantities(
        folder,
        {**quantities.of_fluctuations(result, mass=mass), **quantities.of_extremes(extremes)},
        verdict={"word": result.verdict.word, "sentence": result.verdict.sentence},
        axes=result.axes,
        mean_cell=result.mean_cell,
        frames=result.n_frames,
        discarded_frames=result.discarded,
        frames_per_independent_sample=result.inefficiency,
        largest_strain_rms=result.strain_rms,
    )
    _write_csv(folder / "running.csv", *quantities.running_rows(result))
    running(folder / "running", result)


@group.command("strain-sweep")
def strain_sweep(
    structure: Annotated[Path, typer.Argument(help="The structure, with its cell.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Folder; the same command again goes on.")
    ],
    potential: Annotated[
        str | None, typer.Option(help="Name or file of the potential; runs what is missing.")
    ] = None,
    analyse: Annotated[
        Path | None,
        typer.Option(
            help="Run nothing: analyse the runs in this folder (preparation, compression-1, "
            "expansion-1…)."
        ),
    ] = None,
    settings: SettingsFile = None,
    change: Change = None,
    seed: Seed = 0,
    workers: Annotated[
        int, typer.Option(min=1, max=2, help="Processes: 2 runs both directions at once.")
    ] = 1,
    max_wall: Annotated[
        float | None,
        typer.Option(min=0, help="Minutes after which to stop, everything saved, status 75."),
    ] = None,
) -> None:
    """Bulk modulus (GPa) and density (g/cm³) from total pressures at a ladder of volumes.

    Minimisation, preparation, then steps of ramp and hold outwards in both directions until
    P = 0 is bracketed and a second-order Birch-Murnaghan curve fits at most five volumes, chosen
    by a stated rule.
    """
    from zifglass import mechanics, read
    from zifglass.core import InputError
    from zifglass.core.settings import read_settings

    if (potential is None) == (analyse is None):
        raise InputError("give --potential to run a sweep, or --analyse to analyse a finished one")
    chosen = read_settings(mechanics.StrainSweepSettings, settings, changes=change or ())
    start = read(structure)[-1].structure
    _write_settings(output, chosen.model_dump(), potential=potential, seed=seed)
    if potential is not None:
        sweep = _Sweep(output, start, potential, chosen, seed, max_wall, time.monotonic())
        _run_sweep(sweep, workers)
    holds = _finished_holds(analyse or output, chosen, n_atoms=len(start))
    _report_sweep(output, holds, float(start.masses.sum()), chosen)


@dataclass(frozen=True)
class _Sweep:
    """What every run of a sweep shares; goes to worker processes. max_wall: minutes."""

    folder: Path
    structure: Structure
    potential: str
    settings: StrainSweepSettings
    seed: int
    max_wall: float | None
    began: float


def _run_sweep(sweep: _Sweep, workers: int) -> None:
    """Run what `next_steps` asks for until it asks for nothing."""
    from concurrent.futures import ProcessPoolExecutor
    from functools import partial
    from multiprocessing import get_context

    from zifglass.mechanics import next_steps

    _run_one(sweep, None)
    carry_out = partial(_run_one, sweep)
    while True:
        holds = _finished_holds(sweep.folder, sweep.settings, n_atoms=len(sweep.structure))
        steps = next_steps(holds, sweep.settings)
        if not steps:
            return
        if workers == 1 or len(steps) == 1:
            for step in steps:
                carry_out(step)
        else:
            with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
                list(pool.map(carry_out, steps))


def _run_one(sweep: _Sweep, step: Step | None) -> None:
    """The preparation (None) or one step, each in a folder of its own; finished ones are kept."""
    from zifglass import dynamics, load_potential, mechanics

    name = "preparation" if step is None else step.name
    if _is_finished(sweep.folder / name):
        return
    if step is None:
        protocol = mechanics.preparation_protocol(sweep.settings)
    else:
        protocol = mechanics.step_protocol(step.direction, sweep.settings)
    left = None
    if sweep.max_wall is not None:
        left = max(0.0, 60.0 * sweep.max_wall - (time.monotonic() - sweep.began))
    with Progress(f"{name}: fs") as bar:
        dynamics.run(
            protocol,
            sweep.structure,
            load_potential(sweep.potential),
            folder=sweep.folder / name,
            seed=sweep.seed,
            max_wall=left,
            report=lambda p: bar.update(round(p.time), total=round(p.duration)),
            note=lambda sentence: typer.echo(f"{name}: {sentence}", err=True),
            fork=None if step is None else sweep.folder / step.start,
        )


def _is_finished(run: Path) -> bool:
    """By the run's own word; a folder with no status was made elsewhere and counts as whole."""
    status = run / "status.json"
    if not status.exists():
        return (run / "thermo.csv").exists()
    return bool(json.loads(status.read_text(encoding="utf-8")).get("status") == "finished")


def _finished_holds(
    folder: Path, settings: StrainSweepSettings, *, n_atoms: int
) -> list[mechanics.Hold]:
    """Of every run in `folder`; the preparation first, its structure is what the others lose."""
    from zifglass.core import InputError

    if not _is_finished(folder / "preparation"):
        raise InputError("no finished preparation (preparation/thermo.csv) in this folder", folder)
    first, at_start = _hold_of(folder / "preparation", settings, n_atoms=n_atoms)
    holds = [first]
    for path in sorted(folder.glob("*-*/thermo.csv")):
        direction, _, number = path.parent.name.partition("-")
        known = direction in ("compression", "expansion") and number.isdigit()
        if known and _is_finished(path.parent):
            hold, _ = _hold_of(
                path.parent, settings, n_atoms=n_atoms, at_start=at_start,
                direction=direction, number=int(number),
            )  # fmt: skip
            holds.append(hold)
    return holds


def _hold_of(
    run: Path,
    settings: StrainSweepSettings,
    *,
    n_atoms: int,
    at_start: mechanics.StructuralState | None = None,
    direction: Any = "start",
    number: int = 0,
) -> tuple[mechanics.Hold, mechanics.StructuralState | None]:
    """The hold that ends a run, and its structure where the run left a trajectory."""
    from zifglass import mechanics, read

    columns = _read_columns(run / "thermo.csv")
    state = None
    path = next((p for p in (run / "trajectory.h5", run / "trajectory") if p.exists()), None)
    if path is not None:
        frames = read(path)
        if "segment" in columns and "time_ps" in columns and frames.times is not None:
            began = columns["time_ps"][columns["segment"] == columns["segment"][-1]].min()
            frames = frames[int((frames.times < began * 1e3).sum()) :]
        state = mechanics.structural_state(frames)
    hold = mechanics.hold_from_thermo(
        columns,
        settings=settings,
        direction=direction,
        number=number,
        n_atoms=n_atoms,
        structure=state,
        structure_at_start=at_start,
    )
    return hold, state


def _read_columns(path: Path) -> dict[str, Any]:
    """The columns of a thermo table, by the names in its first line."""
    import numpy as np

    from zifglass.core import InputError

    with path.open(newline="", encoding="utf-8") as file:
        names, *rows = list(csv.reader(file)) or [[]]
    for line, row in enumerate(rows, start=2):
        if len(row) != len(names):
            raise InputError(f"expected {len(names)} columns, found {len(row)}", path, line=line)
    try:
        values = np.array(rows, dtype=float).reshape(len(rows), len(names))
    except ValueError as error:
        raise InputError(f"a thermo table holds numbers only: {error}", path) from None
    return dict(zip(names, values.T, strict=True))


def _report_sweep(
    output: Path, holds: Sequence[mechanics.Hold], mass: float, settings: StrainSweepSettings
) -> None:
    from zifglass import mechanics
    from zifglass.mechanics import quantities
    from zifglass.report.figures.mechanics import pressure_volume

    result = mechanics.analyse_sweep(holds, mass=mass, settings=settings)
    found = quantities.of_sweep(result)
    if len(result.window.chosen) >= 4:
        found |= quantities.of_third_order(result.third_order(), mass=mass)
    _write_quantities(
        output,
        found,
        window=result.window.reason,
        bracketed=result.bracketed,
        holds=quantities.hold_rows(result),
        still_wanted=[step.name for step in mechanics.next_steps(holds, settings)],
    )
    _write_csv(output / "pressure_volume.csv", *quantities.pressure_rows(result))
    pressure_volume(output / "pressure_volume", {"sweep": result})
    typer.echo(f"window: {result.window.reason}")
    k, rho = found["bulk_modulus"], found["density_at_zero_pressure"]
    typer.echo(
        f"K₀ = {k.value:.3f} ± {k.std:.3f} GPa, ρ₀ = {rho.value:.4f} ± {rho.std:.4f} g/cm³ "
        f"({result.temperature:g} K, second-order Birch-Murnaghan)"
    )


@group.command("static")
def static(
    structure: Annotated[Path, typer.Argument(help="The structure, with its cell.")],
    output: Output,
    potential: Annotated[str, typer.Option(help="Name or file of the potential.")],
    settings: SettingsFile = None,
    change: Change = None,
) -> None:
    """Elastic tensor at 0 K: atoms and cell relaxed, central differences of the stress (GPa).

    The sanity check before a long run. A structure that falls into another phase on relaxation
    (ZIF-4's closed-pore one) is reported.
    """
    from zifglass import load_potential, mechanics, read
    from zifglass.core.settings import read_settings
    from zifglass.io import write
    from zifglass.mechanics import quantities

    chosen = read_settings(mechanics.StaticSettings, settings, changes=change or ())
    result = mechanics.static_elasticity(
        load_potential(potential), read(structure)[-1].structure, settings=chosen
    )
    found = quantities.of_static(result)
    stable = result.stability.word == "stable"
    if stable:  # directional moduli of an unstable tensor have no meaning
        found |= quantities.of_extremes(mechanics.directional_extremes(result.compliance))
    _write_quantities(
        output,
        found,
        stability={"word": result.stability.word, "sentence": result.stability.sentence},
        collapse={"word": result.collapse.word, "sentence": result.collapse.sentence},
    )
    write(output / "relaxed.extxyz", [result.structure])
    _write_settings(output, chosen.model_dump(), potential=potential)
    for verdict in (result.stability, result.collapse):
        typer.echo(f"{verdict.word}: {verdict.sentence}")
    k = found["bulk_modulus_hill"]
    typer.echo(f"K (Hill, 0 K): {k.value:.3f} ± {k.std:.3f} GPa (numerical error)")


@group.command("compare")
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders with the results.json of sweeps and fluctuation runs."),
    ],
    output: Output,
) -> None:
    """The methods side by side (GPa, g/cm³) and one verdict on one material.

    Voigt is compared with Voigt, Reuss with Reuss, and only independent runs count.
    """
    from zifglass import mechanics

    estimates = []
    for label, folder in _labelled(results):
        estimates += mechanics.estimates_of_results(_results_in(folder), run=label)
    _print_table(estimates)
    _write_comparison(output, estimates)


@group.command("ensemble")
def ensemble(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders with a results.json each, one per glass, of one method."),
    ],
    output: Output,
) -> None:
    """Several glasses: mean ± s.d. of K (GPa) and density (g/cm³), and each one's error."""
    import numpy as np

    from zifglass import mechanics
    from zifglass.core import InputError
    from zifglass.core.files import write_json

    found = {label: _results_in(folder) for label, folder in _labelled(results)}
    tables = {}
    for name in sorted(set.intersection(*(set(one) for one in found.values())) - {"about"}):
        entries = [one[name] for one in found.values()]
        scalar = all(isinstance(e["value"], float) and e["std"] for e in entries)
        if not scalar or not name.startswith(("bulk_modulus", "density")):
            continue
        whole = mechanics.ensemble(
            list(found),
            np.array([e["value"] for e in entries]),
            stds=np.array([e["std"] for e in entries]),
        )
        unit = entries[0]["unit"]
        tables[name] = {**vars(whole), "unit": unit}
        typer.echo(
            f"{name:28} {whole.mean:.4g} ± {whole.spread:.2g} {unit} (s.d. of {len(entries)}; "
            f"sampling error of one {whole.sampling:.2g})"
        )
    if not tables:
        raise InputError("these results have no modulus or density in common: one method each")
    write_json(output / "ensemble.json", tables)


def _results_in(folder: Path) -> dict[str, Any]:
    from zifglass.core import InputError

    path = folder / "results.json" if folder.is_dir() else folder
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read these results: {error.strerror}", path) from error
    except ValueError as error:
        raise InputError(f"this is not JSON: {error}", path) from None
    if not isinstance(found, dict):
        raise InputError("results are named quantities", path)
    return found


def _labelled(runs: Sequence[Path]) -> Iterable[tuple[str, Path]]:
    """Each run with the shortest tail of its path that tells them apart."""
    from zifglass.core import InputError

    for depth in range(1, max(len(path.parts) for path in runs) + 1):
        labels = ["-".join(path.parts[-depth:]).strip("/") for path in runs]
        if len(set(labels)) == len(labels):
            return zip(labels, runs, strict=True)
    raise InputError("the same run is given twice; a run cannot confirm itself")


def _print_table(estimates: Sequence[Any]) -> None:
    from zifglass.mechanics.verdict import table

    for row in table(estimates):
        density = ""
        if row["density_g_per_cm3"] is not None:
            density = (
                f"  ρ₀ = {row['density_g_per_cm3']:.4f} ± {row['density_std_g_per_cm3']:.4f} g/cm³"
            )
        typer.echo(
            f"{row['run']:20} {row['method']:20} {row['average']:6} K = "
            f"{row['bulk_modulus_GPa']:.3f} ± {row['bulk_modulus_std_GPa']:.3f} GPa{density}"
        )


def _write_comparison(output: Path, estimates: Sequence[Any]) -> None:
    from zifglass import mechanics
    from zifglass.core.files import write_json
    from zifglass.core.units import GPa
    from zifglass.mechanics.verdict import table

    compared = mechanics.compare_methods(estimates)
    write_json(
        output / "verdict.json",
        {
            "verdict": compared.verdict.word,
            "sentence": compared.verdict.sentence,
            "probability": compared.probability,
            "estimates": table(estimates),
            "pairs": [
                {
                    "first": f"{c.first.method} ({c.first.average}) of {c.first.run}",
                    "second": f"{c.second.method} ({c.second.average}) of {c.second.run}",
                    "relation": c.relation,
                    "difference_GPa": c.difference / GPa,
                    "std_GPa": c.std / GPa,
                }
                for c in compared.comparisons
            ],
        },
    )
    typer.echo(f"{compared.verdict.word}: {compared.verdict.sentence}")


def _write_quantities(folder: Path, quantities: dict[str, Any], **more: Any) -> None:
    from zifglass.core.files import write_json

    named = {name: quantity.as_dict() for name, quantity in quantities.items()}
    write_json(folder / "results.json", {**named, "about": more})


def _write_settings(folder: Path, settings: dict[str, Any], **more: Any) -> None:
    from zifglass.core.files import write_json

    write_json(folder / "settings.json", {**settings, **more})


def _write_csv(path: Path, names: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    from zifglass.core.files import atomic_path

    with atomic_path(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([f"{x:.8g}" if isinstance(x, float) else x for x in row] for row in rows)
