"""Allegro from the preset to dynamics, through nequip's own calculator."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Frame, Protocol, Segment, Structure
from zifglass.dynamics import run as run_dynamics
from zifglass.io import read, structures, write
from zifglass.potentials import load_potential
from zifglass.potentials.audit import CheckSettings, audit
from zifglass.training import AllegroModel, TrainingSettings, deploy, train
from zifglass.training.sweep import training_settings

pytest.importorskip("allegro", reason="nequip-allegro is not installed")


def _small(parity: str, **model: object) -> TrainingSettings:
    """The preset, reduced."""
    preset = training_settings("castel2024-allegro")
    small: dict[str, object] = {"cutoff": 3.5, "layers": 1, "l_max": 1, "scalar_features": 8}
    small |= {"tensor_features": 4, "mlp_width": 8}
    assert isinstance(preset.model, AllegroModel)
    return preset.model_copy(
        update={
            "model": preset.model.model_copy(update={"parity": parity, **small, **model}),
            "epochs": 1,
        }
    )


def test_rotations_alone_are_allegros_full_model(data: tuple[Path, Path], tmp_path: Path) -> None:
    run = train(_small("so3"), *data, tmp_path / "so3")
    assert np.isfinite(run.curves.force_mae_validation).all()


@pytest.mark.filterwarnings("ignore")  # of torch and nequip, about their own insides
def test_from_the_preset_to_dynamics_at_300_kelvin(data: tuple[Path, Path], tmp_path: Path) -> None:
    run = train(_small("o3_full"), *data, tmp_path / "model")
    deployed = deploy(run)
    assert deployed.potential == f"nequip:{run.package}"
    assert deployed.agreement["measured"] and deployed.agreement["relative"] < 1e-4
    potential = load_potential(deployed.potential)
    structure = read(data[1])[0].structure
    quick = CheckSettings(directions=2, nve_steps=40)
    result = audit(potential, structure, rng=np.random.default_rng(0), settings=quick)
    assert result.passed, [row.as_dict() for row in result.rows if row.verdict == "fail"]
    found = {row.check for row in result.rows if row.verdict == "pass"}
    assert {"forces", "stress"} <= {check.split()[0] for check in found}
    segment = Segment(
        name="warm", ensemble="nvt-csvr", duration=10.0, temperature=(300.0, 300.0), timestep=0.5,
        frames_every=5.0, thermo_every=5.0, monitor_every=5.0,
    )  # fmt: skip
    protocol = Protocol(name="warm", segments=(segment,))
    end = run_dynamics(protocol, structure, potential, folder=tmp_path / "md", seed=1)
    assert end.steps == 20 and end.events == []
    frames = read(tmp_path / "md/trajectory.h5")
    last = potential(
        Structure(structure.numbers, frames[-1].structure.positions, frames[-1].structure.cell)
    )
    assert frames[-1].energy == pytest.approx(last.energy, abs=1e-4)


@pytest.mark.long
@pytest.mark.filterwarnings("ignore")
def test_zif4_crystal_with_allegro_and_its_linkers(
    published: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """Labels of the published network along 300 K dynamics; Allegro learns from them and runs the
    same dynamics by itself, the broken fraction followed in every frame (Fig. S14)."""

    def zifglass(*arguments: object) -> int:
        monkeypatch.setattr(sys, "argv", ["zifglass", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        return int(end.value.code or 0)

    crystal = tmp_path / "zif4.extxyz"
    write(crystal, ArrayTrajectory([Frame(structures.load("zif4"))]))
    protocol = tmp_path / "protocol.yaml"
    protocol.write_text(
        "name: warm\noutputs: [forces]\nsegments:\n- {name: warm, ensemble: nvt-csvr, duration: "
        "100 fs, temperature: 300 K, timestep: 0.5 fs, frames_every: 4 fs, monitor_every: 4 fs}\n"
    )
    teacher = ("--potential", "castel2024-nequip", "--protocol", protocol, "--seed", 1)
    assert zifglass("md", crystal, *teacher, "-o", tmp_path / "teacher") == 0
    parts = tmp_path / "parts"
    labelled = tmp_path / "teacher/trajectory.h5"
    assert zifglass("dataset", "split", labelled, "-o", parts, "--sizes", "18/4/4") == 0
    small = ("model.cutoff=4", "model.layers=1", "model.l_max=1", "model.scalar_features=16")
    small += ("model.tensor_features=8", "model.mlp_width=16", "epochs=12", "learning_rate=0.01")
    changes = [word for change in small for word in ("--set", change)]
    folder = tmp_path / "allegro"
    assert zifglass(
        "train", parts / "train.extxyz", parts / "validation.extxyz", "-o", folder,
        "--preset", "castel2024-allegro", *changes,
    ) == 0  # fmt: skip
    model = f"nequip:{folder / 'model.nequip.zip'}"
    check = ("--set", "directions=2", "--set", "nve_steps=20")
    assert zifglass("potential", "check", model, "--structure", crystal, *check) == 0
    ours = ("--potential", model, "--protocol", protocol, "--run-set", "watch.linkers=warn")
    assert zifglass("md", crystal, *ours, "-o", tmp_path / "md") == 0
    capsys.readouterr()
    out = tmp_path / "out"
    assert zifglass("analyse", tmp_path / "md", "-o", out, "--quantities", "linkers") == 0
    rows = list(csv.DictReader((out / "linkers.csv").read_text().splitlines()))
    fractions = [float(row["broken fraction"]) for row in rows]
    assert len(rows) == 26 and fractions[0] == 0.0 and max(fractions) <= 1.0
    assert (out / "linkers.png").stat().st_size > 0
    assert zifglass("evaluate", model, parts / "test.extxyz", "-o", tmp_path / "errors") == 0
    found = json.loads((tmp_path / "errors/results.json").read_text())
    print(f"force MAE {found['force_mae']['value']:.0f} meV/Å, broken at the end {fractions[-1]}")
