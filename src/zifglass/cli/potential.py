"""`zifglass potential list | import | check | bench | fetch`."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .reading import SpeciesMapOption

if TYPE_CHECKING:
    from zifglass.core import Potential, Structure

group = typer.Typer(
    name="potential",
    help="Models: the named ones, imports, audits, timings.",
    no_args_is_help=True,
)


def register(app: typer.Typer) -> None:
    """Add the group."""
    app.add_typer(group)


def load(name: str, *, threads: int | None, dtype: str, device: str) -> Potential:
    """`load_potential` with its log on standard error."""
    from zifglass.core import InputError
    from zifglass.potentials import load_potential

    if dtype not in ("float32", "float64"):
        raise InputError(f"--dtype is float32 or float64; got {dtype!r}")
    logging.basicConfig(format="%(message)s", level=logging.INFO)
    return load_potential(name, threads=threads, dtype=dtype, device=device)  # type: ignore[arg-type]


def _structure(path: Path | None, species_map: str | None) -> Structure:
    from zifglass.io import read
    from zifglass.io.structures import path_of
    from zifglass.potentials.catalogue import data_folders

    if path is None:
        crystals = (f / "citable-data" / "mlp" / "crystal.lmp" for f in data_folders())
        path = next((p for p in crystals if p.is_file()), path_of("zif4"))
    return read(path, species_map=species_map)[-1].structure


@group.command("list")
def list_models(
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The named models: what they are for, where they come from, whether they are here."""
    import json
    from dataclasses import asdict

    from zifglass.potentials import catalogue

    found = [(item, catalogue.locate(item)) for item in catalogue.entries()]
    if as_json:
        rows = [asdict(i) | {"path": None if p is None else str(p)} for i, p in found]
        typer.echo(json.dumps(rows, indent=1, ensure_ascii=False))
        return
    for item, path in found:
        typer.echo(f"{item.name}\n  {item.summary}\n  from     {item.origin}")
        typer.echo(f"  licence  {item.licence}\n  cite     {item.citation}, DOI {item.doi}")
        here = path or f"not on this machine: zifglass potential fetch {item.name}"
        typer.echo(f"  sha256   {item.sha256}\n  file     {here}")


@group.command("import")
def import_file(
    source: Annotated[
        Path, typer.Argument(help="Deployed .pth (nequip 0.5, 0.6), .ckpt or .nequip.zip (current)")
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Network file to write (.safetensors).")
    ],
    species: Annotated[
        str | None,
        typer.Option(
            help="Elements of the model's types in their order, 'H,C,N,Zn', where its "
            "type names are no elements."
        ),
    ] = None,
    trust: Annotated[
        bool, typer.Option("--trust", help="Run the code inside a .nequip.zip to read it.")
    ] = False,
    licence: Annotated[str | None, typer.Option(help="Licence to record in the file.")] = None,
) -> None:
    """Turn a NequIP model into a network file, and measure that it computes the same.

    Nothing foreign is executed except a package that you trust, and that in a child process.
    """  # fmt: skip
    from dataclasses import replace

    from zifglass.core import InputError
    from zifglass.potentials.importers import import_model
    from zifglass.potentials.network import save
    from zifglass.potentials.tables import agreement_sentence

    if output.suffix != ".safetensors":
        raise InputError(f"a network file is called .safetensors; got {output.name}")
    names = None if species is None else [s.strip() for s in species.split(",")]
    network = import_model(source, species=names, trust=trust)
    if licence:
        network = replace(network, facts={**network.facts, "licence": licence})
    save(network, output)
    typer.echo(repr(network))
    typer.echo(agreement_sentence(network))
    typer.echo(f"written to {output}, sha256 {network.sha256}")


@group.command("fetch")
def fetch(
    name: Annotated[str, typer.Argument(help="Name (zifglass potential list).")],
    from_dir: Annotated[
        Path | None,
        typer.Option("--from-dir", help="Folder (or file) to copy from, instead of the network."),
    ] = None,
) -> None:
    """Bring the file of a named model to this machine; its checksum is verified."""
    from zifglass.potentials import catalogue

    typer.echo(catalogue.fetch(name, from_dir=from_dir))


@group.command("check")
def check(
    potential: Annotated[str, typer.Argument(help="Name, model file, or nequip:FILE.")],
    structure: Annotated[
        Path | None, typer.Option(help="Structure file; of a trajectory, the last. [ZIF-4 crystal]")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File for the same table as JSON.")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Change a setting: directions=12, step=0.01 (Å), nve_steps=2000,"
            " timestep=0.5 (fs), forces=0.1 (meV/Å), stress=1 (MPa), drift=1…",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of atoms, rotation, order, velocities.")] = 0,
    species_map: SpeciesMapOption = None,
    reference: Annotated[
        bool, typer.Option("--reference", help="Also compare with the float64 torch reference.")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="Cores to use. [all]")] = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64, of the features.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, or cuda (through torch).")] = "cpu",
) -> None:
    """Audit a potential on a structure: derivatives, symmetry, extensivity, cutoff, constant
    energy, agreement with its source, and which pressure its stress is.

    Exit status 1 when a row fails.
    """  # fmt: skip
    from dataclasses import replace

    import numpy as np

    from zifglass.cli.progress import Progress
    from zifglass.core import InputError, ZifglassError
    from zifglass.core.files import write_json
    from zifglass.core.settings import settings_from
    from zifglass.potentials import audit as auditing
    from zifglass.potentials.tables import audit_table

    settings = settings_from(auditing.CheckSettings, changes=change or ())
    model = load(potential, threads=threads, dtype=dtype, device=device)
    atoms = _structure(structure, species_map)
    with Progress("check", 8) as bar:
        done = iter(range(9))
        result = auditing.audit(
            model,
            atoms,
            rng=np.random.default_rng(seed),
            settings=settings,
            progress=lambda name: bar.update(next(done), what=name),
        )
    if reference:
        network = getattr(model, "network", None)
        if network is None:
            raise InputError(f"{model.name} has no network to compute a reference from")
        from zifglass.potentials.reference import ReferencePotential

        exact = ReferencePotential(network, name="float64 reference")
        result = replace(result, rows=(*result.rows, *auditing.against(exact, model, atoms)))
    typer.echo(audit_table(result))
    if output is not None:
        write_json(output, result.as_dict() | {"settings": settings.model_dump(), "seed": seed})
    if not result.passed:
        failed = [row.check for row in result.rows if row.verdict == "fail"]
        raise ZifglassError(f"{model.name} fails: {', '.join(failed)}")


@group.command("bench")
def bench(
    potential: Annotated[str, typer.Argument(help="Name, model file, or nequip:FILE.")],
    structure: Annotated[
        Path | None, typer.Option(help="Structure file; of a trajectory, the last. [ZIF-4 crystal]")
    ] = None,
    threads: Annotated[
        str | None, typer.Option(help="Numbers of threads to try, '1,2,4'. [1 and all cores]")
    ] = None,
    repeats: Annotated[str, typer.Option(help="Supercells n×n×n to try, '1,2'.")] = "1",
    calls: Annotated[int, typer.Option(min=3, help="Calls per measurement.")] = 20,
    timestep: Annotated[float, typer.Option(min=0.01, help="fs, for ns per day.")] = 0.5,
    seed: Annotated[int, typer.Option(help="Of the small moves between calls.")] = 0,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="File for JSON.")] = None,
    species_map: SpeciesMapOption = None,
    dtype: Annotated[str, typer.Option(help="float32 or float64, of the features.")] = "float32",
    device: Annotated[str, typer.Option(help="cpu, or cuda (through torch).")] = "cpu",
) -> None:
    """Time a potential: ms per call, ns/day, scaling with threads and atoms, memory (MB)."""

    import numpy as np

    from zifglass.core.files import write_json
    from zifglass.core.machine import usable_cores
    from zifglass.potentials.timing import scaling

    atoms = _structure(structure, species_map)
    cores = usable_cores()
    counts = _numbers(threads, "--threads") if threads else sorted({1, cores})
    timings = scaling(
        lambda count: load(potential, threads=count, dtype=dtype, device=device),
        atoms,
        threads=list(counts),
        repeats=_numbers(repeats, "--repeats"),
        calls=calls,
        rng=np.random.default_rng(seed),
        progress=lambda text: typer.echo(text, err=True),
    )
    typer.echo(" atoms  threads  ms/call  ± (IQR)  first ms  µs/atom   ns/day  peak MB")
    for t in timings:
        typer.echo(
            f"{t.atoms:6d}  {t.threads:7d}  {t.milliseconds:7.1f}  {t.spread:7.1f}  {t.first:8.0f}"
            f"  {t.microseconds_per_atom:7.1f}  {t.ns_per_day(timestep):7.3f}  {t.memory:7.0f}"
        )
    if output is not None:
        rows: list[dict[str, Any]] = [t.as_dict(timestep) for t in timings]
        write_json(output, {"potential": potential, "timestep_fs": timestep, "timings": rows})


def _numbers(text: str, option: str) -> list[int]:
    from zifglass.core import InputError

    try:
        result = [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} takes whole numbers, '1,2'; got {text!r}") from None
    if not result or min(result) < 1:
        raise InputError(f"{option} takes whole numbers from 1; got {text!r}")
    return result
