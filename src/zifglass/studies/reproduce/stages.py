"""The stages of each part of the paper, from a budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from zifglass.analysis.survey import SurveySettings
from zifglass.core import InputError, ZifglassError
from zifglass.dynamics.settings import RunSettings, WatchSettings
from zifglass.io import structures
from zifglass.mechanics import StrainSweepSettings

from ..kinds import (
    PrepareSettings,
    analyse_stage,
    fluctuations_stage,
    md_stage,
    prepare_stage,
    strain_sweep_stage,
)
from ..stage import Stage
from . import protocols as p
from .budgets import Budget
from .kinds import label_errors_stage, teacher_stage
from .sources import HOW_TO_GET_GLASSES, Source, glass_name

TEACHER: Final = "castel2024-nequip"
CRYSTAL: Final = "zif4"
NO_WEIGHTS: Final = (
    "the potential trained with this λσ was not deposited: train one and give it "
    "(--stress-trained λσ=FILE)"
)
WINDOW: Final = 10.0
"""ps at the end of each heated run that Table S2 averages over."""

# A broken linker is a result here and not the end of a run: it stays in every statistic.
_run = RunSettings(watch=WatchSettings(linkers="warn"))
_structure: Final = ("rdf", "pmf", "angles", "coordination", "linkers", "rings", "pores")


def _survey(b: Budget, *quantities: str) -> SurveySettings:
    return SurveySettings(
        quantities=quantities,  # type: ignore[arg-type]
        pore_frames=b.pore_frames,
        size_frames=0,
    )


def crystal(b: Budget, potential: str, seed: int) -> Iterator[Stage]:
    """The crystal at 300 K (Tables S5, S6)."""
    yield md_stage(
        "crystal/run",
        p.at_300_kelvin(b.crystal_equilibration, b.crystal, b),
        potential=potential,
        file=structures.path_of(CRYSTAL),
        seed=seed,
        run=_run,
    )
    yield analyse_stage(
        "crystal/structure",
        stages={"crystal": "crystal/run"},
        segment="keep",
        settings=_survey(b, *_structure),
    )


def heated(b: Budget, potential: str, seed: int) -> Iterator[Stage]:
    """The strained crystals at 1500 K (Tables S1, S2; Figures S1, S13, S14)."""
    for number, (key, change) in enumerate(p.volumes.items()):
        run, protocol = f"heated/{key}/run", p.strained_and_heated(change, b)
        yield md_stage(
            run,
            protocol,
            potential=potential,
            file=structures.path_of(CRYSTAL),
            seed=seed + 10 + number,
            run=_run,
            array="heated",
        )
        yield analyse_stage(
            f"heated/{key}/melting", stages={key: run}, settings=_survey(b, "melting")
        )
        yield analyse_stage(
            f"heated/{key}/plateau",
            stages={key: run},
            segment="plateau",
            settings=_survey(b, "msd", "coordination", "linkers", "rings"),
        )
        end = p.begins(protocol, "plateau") + b.heated
        yield analyse_stage(
            f"heated/{key}/last",
            stages={key: run},
            first=end - WINDOW,
            last=end,
            settings=_survey(b, "coordination"),
        )


def melt_quench(
    b: Budget, potential: str, seed: int, left_out: dict[str, str], budget: str
) -> Iterator[Stage]:
    """Melt–quenched glasses of one cell, and the one of eight (Figures S4 to S7, S12, S15, S16)."""
    for number in range(1, b.glasses + 1):
        name, melt = f"melt-quench/{number:02d}", b.melt + number * b.melt_step
        yield from _one_quench(b, name, melt, potential, seed + 20 + number, None)
    if not b.large_melt:
        left_out["large-glass/*"] = f"the 2×2×2 glass is left out of the {budget} budget"
        return
    yield prepare_stage(
        "large-glass/supercell", CRYSTAL, settings=PrepareSettings(supercell=(2, 2, 2))
    )
    yield from _one_quench(
        b, "large-glass", b.large_melt, potential, seed + 40, "large-glass/supercell"
    )


def _one_quench(
    b: Budget, name: str, melt: float, potential: str, seed: int, structure: str | None
) -> Iterator[Stage]:
    run, protocol = f"{name}/run", p.quenched(melt, b)
    yield md_stage(
        run,
        protocol,
        potential=potential,
        structure=structure,
        file=None if structure else structures.path_of(CRYSTAL),
        seed=seed,
        run=_run,
        kind="melt-quench",
        array=None if structure else "melt-quench",
    )
    begin = p.begins(protocol, "melt")
    yield analyse_stage(f"{name}/course", stages={"run": run}, settings=_survey(b, "coordination"))
    yield analyse_stage(
        f"{name}/melting",
        stages={"run": run},
        last=begin + melt,
        settings=_survey(b, "melting"),
    )
    yield analyse_stage(
        f"{name}/melt", stages={"run": run}, segment="melt", settings=_survey(b, "msd")
    )
    yield analyse_stage(
        f"{name}/liquid",
        stages={"run": run},
        first=begin + 0.5 * melt,
        last=begin + melt,
        settings=_survey(b, *_structure),
    )
    yield analyse_stage(
        f"{name}/glass", stages={"run": run}, segment="glass", settings=_survey(b, *_structure)
    )


def ab_initio_glasses(
    b: Budget, potential: str, seed: int, glasses: Sequence[Path], left_out: dict[str, str]
) -> Iterator[Stage]:
    """The published glasses as they are, and under 300 K dynamics (Tables S5, S6; Figure S3)."""
    if not glasses:
        for pattern in ("ab-initio-glass/*", "as-published/*"):
            left_out[pattern] = HOW_TO_GET_GLASSES
    for number, path in enumerate(glasses):
        glass = glass_name(path)
        yield analyse_stage(
            f"as-published/glass-{glass}",
            files={glass: path},
            settings=_survey(b, *_structure),
        )
        run = f"ab-initio-glass/{glass}/run"
        yield md_stage(
            run,
            p.at_300_kelvin(b.ab_initio_equilibration, b.ab_initio, b),
            potential=potential,
            file=path,
            seed=seed + 60 + number,
            run=_run,
            array="ab-initio-glass",
        )
        yield analyse_stage(
            f"ab-initio-glass/{glass}/structure",
            stages={glass: run},
            segment="keep",
            settings=_survey(b, *_structure),
        )


def sweeps(
    b: Budget,
    potential: str,
    seed: int,
    stress_trained: Mapping[str, str],
    left_out: dict[str, str],
) -> Iterator[Stage]:
    """Strain sweeps of the crystal (Tables S4, S7; Figures S2, S8)."""
    small = StrainSweepSettings(
        preparation=b.prepare,
        ramp=b.ramp,
        hold=b.hold,
        timestep=b.timestep,
        deuterium=b.deuterium,
        max_steps=b.steps,
    )
    known = ("1", "100")
    if strange := [key for key in stress_trained if key not in known]:
        raise InputError(f"λσ is {' or '.join(known)} in Table S4; got {strange[0]!r}")
    for key in known:
        left_out[f"sweep/l{key}"] = NO_WEIGHTS
    names = {"sweep/single": potential}
    names |= {f"sweep/l{key}": one for key, one in stress_trained.items()}
    for name, model in names.items():
        crystal = structures.path_of(CRYSTAL)
        yield strain_sweep_stage(
            name, potential=model, file=crystal, settings=small, seed=seed + 80
        )
    yield prepare_stage("sweep/cell-2x2x2", CRYSTAL, settings=PrepareSettings(supercell=(2, 2, 2)))
    large = {"preparation": b.large_prepare, "ramp": b.large_ramp, "hold": b.large_hold}
    yield strain_sweep_stage(
        "sweep/supercell",
        potential=potential,
        structure="sweep/cell-2x2x2",
        settings=small.model_copy(update=large),
        seed=seed + 81,
    )


def flexible(
    b: Budget,
    potential: str,
    seed: int,
    glasses: Sequence[Path],
    left_out: dict[str, str],
    budget: str,
) -> Iterator[Stage]:
    """Flexible NPT of crystal and glasses (Table S8; Figures S9, S10)."""
    too_long = (
        f"left out of the {budget} budget: moduli from fluctuations take about a nanosecond of "
        "flexible NPT each"
    )
    if not glasses:
        left_out["npt/glass-*"] = HOW_TO_GET_GLASSES
    jobs: list[tuple[str, Path, float]] = []
    if b.npt_crystal:
        jobs.append(("crystal", structures.path_of(CRYSTAL), b.npt_crystal))
    else:
        left_out["npt/crystal/*"] = too_long
    if b.npt_glass:
        jobs += [(f"glass-{glass_name(path)}", path, b.npt_glass) for path in glasses]
    else:
        left_out["npt/glass-*"] = too_long
    for number, (name, path, duration) in enumerate(jobs):
        protocol = p.flexible(duration, b)
        yield md_stage(
            f"npt/{name}/run",
            protocol,
            potential=potential,
            file=path,
            seed=seed + 100 + number,
            run=_run,
            array="npt",
        )
        yield fluctuations_stage(
            f"npt/{name}/moduli",
            f"npt/{name}/run",
            temperature=p.COLD,
            segment="keep",
            seed=seed,
        )


def aimd(b: Budget, sources: Sequence[Source], left_out: dict[str, str]) -> Iterator[Stage]:
    """The ab initio trajectories given."""
    for source in sources:
        if source.role == "test":
            try:
                yield label_errors_stage("label-errors", source.path, potential=TEACHER)
            except ZifglassError as error:
                left_out["label-errors"] = f"the published potential is not here: {error}"
            continue
        hot = source.role.startswith("volume")
        stage = analyse_stage(
            f"aimd/{source.name}",
            files={source.name: source.path},
            settings=_survey(b, *(("coordination",) if hot else _structure)),
        )
        beside = {f"beside:{i}": path for i, path in enumerate(source.files[1:])}
        yield replace(stage, inputs={**stage.inputs, **beside})


def against_teacher(
    potential: str, teacher: str | None, left_out: dict[str, str]
) -> Iterator[Stage]:
    """A student beside its teacher, where it is one and the teacher is here."""
    if teacher is None:
        left_out["student-teacher"] = f"{potential} is no student of another potential"
        return
    runs = ["crystal/run", "melt-quench/01/run"]
    try:
        yield teacher_stage(
            "student-teacher", runs, potential=potential, teacher=teacher, frames=20
        )
    except ZifglassError as error:
        left_out["student-teacher"] = f"the teacher is not on this machine: {error}"
