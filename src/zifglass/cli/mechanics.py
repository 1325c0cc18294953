"""`zifglass mechanics`: moduli and density, each with its error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .linkers import LinkerOption, with_linkers
from .reading import SpeciesMapOption, TimestepOption, UnitsOption

if TYPE_CHECKING:
    from zifglass import dynamics

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
    species_map: SpeciesMapOption = None,
    timestep: TimestepOption = None,
    units: UnitsOption = None,
    settings: SettingsFile = None,
    change: Change = None,
    seed: Seed = 0,
) -> None:
    """Elastic tensor and bulk modulus (GPa) from the fluctuations of a flexible cell.

    K = kT⟨V⟩/var V, and C = S⁻¹ from the strain against the mean cell. Equilibration is
    detected; errors are block-bootstrap ones. Several runs are analysed each and compared.
    Moduli and density (g/cm³) are those at the barostat's pressure.
    """
    import numpy as np

    from zifglass import mechanics, read
    from zifglass.core.files import check_writable
    from zifglass.core.settings import read_settings
    from zifglass.core.structure import masses_of
    from zifglass.mechanics.sampling import FluctuationSettings
    from zifglass.report.mechanics import write_fluctuations

    chosen = read_settings(FluctuationSettings, settings, changes=change or ())
    check_writable(output)
    estimates, found = [], 0
    for label, path in _labelled(runs):
        trajectory = read(path, species_map=species_map, timestep=timestep, units=units)
        result = mechanics.strain_fluctuations(
            trajectory,
            temperature=temperature,
            generator=np.random.default_rng(seed),
            settings=chosen,
        )
        mass = float(masses_of(trajectory.numbers).sum())
        folder = output / label if len(runs) > 1 else output
        write_fluctuations(folder, result, mass=mass)
        found += 1
        estimates += mechanics.estimates_of_fluctuations(result, run=label, mass=mass)
        typer.echo(f"{label}: {result.verdict.word}; {result.verdict.sentence}")
        typer.echo(
            f"{label}: {result.stability.word}; {result.stability.sentence}; "
            f"{result.n_independent:.0f} independent samples, {result.discarded} of "
            f"{result.n_frames} frames left out as equilibration"
        )
        if trajectory[0].temperature is None:
            _note(f"{label}: the frames carry no temperature; {temperature:g} K is taken as given")
    _write_settings(output, chosen.model_dump(), temperature=temperature, seed=seed)
    _print_table(estimates)
    if found > 1:
        _write_comparison(output, estimates)


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
    linker: LinkerOption = None,
) -> None:
    """Bulk modulus (GPa) and density (g/cm³) from total pressures at a ladder of volumes.

    Minimisation, preparation, then steps of ramp and hold outwards in both directions until
    P = 0 is bracketed and a second-order Birch-Murnaghan curve fits at most five volumes, chosen
    by a stated rule.
    """
    from zifglass import mechanics, read
    from zifglass.core import InputError
    from zifglass.core.files import check_writable
    from zifglass.core.settings import read_settings
    from zifglass.report.mechanics import write_sweep
    from zifglass.studies.sweep import Sweep, finished_holds, run_sweep

    if (potential is None) == (analyse is None):
        raise InputError("give --potential to run a sweep, or --analyse to analyse a finished one")
    chosen = read_settings(mechanics.StrainSweepSettings, settings, changes=change or ())
    start = read(structure)[-1].structure
    chosen = with_linkers(chosen, linker, lambda: {str(structure): start})
    check_writable(output)
    if potential is not None:
        sweep = Sweep(
            output,
            start,
            potential,
            chosen,
            seed,
            deadline=None if max_wall is None else time.monotonic() + 60.0 * max_wall,
            reporter=_bar,
            note=_note,
        )
        run_sweep(sweep, workers=workers)
    holds = finished_holds(analyse or output, chosen, n_atoms=len(start))
    if abs(holds[0].volume / start.volume - 1.0) > 1e-3:
        raise InputError(
            f"this sweep begins at {holds[0].volume:.1f} Å³, {structure} has {start.volume:.1f}: "
            "give the structure it began with (its mass sets the density)",
            analyse or output,
        )
    result, found = write_sweep(output, holds, mass=float(start.masses.sum()), settings=chosen)
    _write_settings(output, chosen.model_dump(mode="json"), potential=potential, seed=seed)
    typer.echo(f"window: {result.window.reason}")
    k, rho = found["bulk_modulus"], found["density_at_zero_pressure"]
    typer.echo(
        f"K₀ = {k.value:.3f} ± {k.std:.3f} GPa, ρ₀ = {rho.value:.4f} ± {rho.std:.4f} g/cm³ "
        f"({result.temperature:g} K, second-order Birch-Murnaghan)"
    )


@contextmanager
def _bar(name: str) -> Iterator[Callable[[dynamics.Progress], None]]:
    from zifglass.cli.progress import Progress

    with Progress(f"{name}: fs") as bar:
        yield lambda p: bar.update(round(p.time), total=round(p.duration))


def _note(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


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
    from zifglass.core.files import check_writable
    from zifglass.core.settings import read_settings
    from zifglass.report.mechanics import write_static

    chosen = read_settings(mechanics.StaticSettings, settings, changes=change or ())
    check_writable(output)
    result = mechanics.static_elasticity(
        load_potential(potential), read(structure)[-1].structure, settings=chosen
    )
    found = write_static(output, result)
    _write_settings(output, chosen.model_dump(), potential=potential)
    for verdict in (result.stability, result.collapse):
        typer.echo(f"{verdict.word}: {verdict.sentence}")
    k = found["bulk_modulus_hill"]
    typer.echo(f"K (Hill, 0 K): {k.value:.3f} ± {k.std:.3f} GPa (numerical error)")


@group.command("audit")
def audit(
    reference: Annotated[
        Path,
        typer.Argument(
            help="One crystal at several volumes: frames with stress labels (virial), or the "
            "folder of an analysed strain sweep."
        ),
    ],
    output: Output,
    potential: Annotated[
        str | None, typer.Option(help="Name or file, judged on the very same frames.")
    ] = None,
    sweep: Annotated[
        Path | None, typer.Option(help="Analysed sweep over the same volumes, judged instead.")
    ] = None,
    accuracy: Annotated[
        float, typer.Option(min=1e-6, help="Standard error of a labelled pressure, GPa.")
    ] = 0.02,
    change: Change = None,
) -> None:
    """Pressures (GPa) of a potential beside a reference: their offset, and what it does to the
    density at zero pressure.

    Catches the potential whose forces are good and whose density is not (λσ = 100 in Table S4).
    Exit status 1 where it is off by more than `pressure_offset` or `density_drift` (`--set`).
    """
    import numpy as np

    from zifglass import load_potential, mechanics, read
    from zifglass.core import InputError
    from zifglass.core.files import check_writable
    from zifglass.core.settings import settings_from
    from zifglass.core.units import GPa
    from zifglass.report.mechanics import sweep_pressures, write_audit

    chosen = settings_from(mechanics.PressureAuditSettings, changes=change or ())
    if (potential is None) == (sweep is None):
        raise InputError("an audit takes --potential and labelled frames, or --sweep and a sweep")
    check_writable(output)
    if sweep is not None:
        (known_as, _), (label, _) = _labelled([reference, sweep])
        kind = "total"
        points = mechanics.at_common_volumes(sweep_pressures(sweep), sweep_pressures(reference))
        volumes, pressures, errors, known, known_errors = points
    else:
        assert potential is not None
        known_as, label, kind = reference.name, Path(potential).name, "virial"
        frames = read(reference)
        volumes, known = mechanics.labelled_pressures(frames, source=str(reference))
        _, pressures = mechanics.virial_pressures(
            load_potential(potential), [frame.structure for frame in frames]
        )
        errors = known_errors = np.full(len(volumes), accuracy * GPa)
    result = mechanics.pressure_audit(
        volumes, pressures, pressure_std=errors,
        reference_pressure=known, reference_std=known_errors, settings=chosen,
    )  # fmt: skip
    write_audit(output, result, pressure=kind, label=label, reference=known_as)
    _write_settings(output, chosen.model_dump(), accuracy=accuracy)
    for volume, offset in zip(result.volume, result.offset, strict=True):
        typer.echo(f"{volume:10.2f} Å³   {offset / GPa:+.3f} GPa")
    typer.echo(f"{result.verdict.word}: {result.verdict.sentence}")
    if result.verdict.word != "ok":
        raise typer.Exit(1)


@group.command("compare")
def compare(
    results: Annotated[
        list[Path],
        typer.Argument(help="Folders with the results.json of sweeps and fluctuation runs."),
    ],
    output: Output,
) -> None:
    """The methods side by side (GPa, g/cm³) and one verdict on one material.

    Voigt is compared with Voigt, Reuss with Reuss, and only independent runs count: one run
    given twice, other temperatures and 0 K moduli are refused. Writes verdict.json and a figure.
    """
    from zifglass import mechanics
    from zifglass.report.mechanics import read_results

    estimates = []
    for label, folder in _labelled(results):
        estimates += mechanics.estimates_of_results(read_results(folder), run=label)
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
    """Several glasses: mean ± s.d. of K (GPa) and density (g/cm³), and each one's error.

    Writes ensemble.json, ensemble.csv and a figure.
    """
    from zifglass.report.mechanics import read_results, write_ensemble

    found = {label: read_results(folder) for label, folder in _labelled(results)}
    for name, whole in write_ensemble(output, found).items():
        typer.echo(
            f"{name}: {whole['mean']:.4g} ± {whole['spread']:.2g} {whole['unit']} (s.d. of "
            f"{len(results)}; sampling error of one {whole['sampling']:.2g}); {whole['verdict']}"
        )
        for label, value, std in zip(found, whole["values"], whole["stds"], strict=True):
            typer.echo(f"    {label:24} {value:.4g} ± {std:.2g} {whole['unit']}")


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
    from zifglass.report.mechanics import write_comparison

    compared = write_comparison(output, estimates)
    typer.echo(f"{compared.verdict.word}: {compared.verdict.sentence}")


def _write_settings(folder: Path, settings: dict[str, Any], **more: Any) -> None:
    from zifglass.core.files import write_json

    write_json(folder / "settings.json", {**settings, **more})
