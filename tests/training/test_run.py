"""Training by real nequip: it learns, it survives being killed, it refuses what cannot work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.training.small import SMALL

from zifglass.core import InputError
from zifglass.training import TrainingRun, TrainingSettings, read_curves, train

pytest.importorskip("nequip", reason="nequip is not installed: pip install 'zifglass[train]'")


def test_it_learns_and_is_packaged(
    data: tuple[Path, Path], trained: tuple[TrainingRun, list[int]]
) -> None:
    run, seen = trained
    assert len(run.curves) == SMALL.epochs
    assert run.curves.force_mae_validation[-1] < 0.7 * run.curves.force_mae_validation[0]
    assert np.isfinite(run.curves.energy_mae_train).all()
    np.testing.assert_array_equal(run.curves.learning_rate, SMALL.learning_rate)
    assert (run.curves.seconds > 0).all()
    assert run.package.stat().st_size > 0
    assert seen == sorted(seen)
    again = train(SMALL, *data, run.folder)  # done: nothing is trained again
    assert len(again.curves) == SMALL.epochs


def test_other_settings_or_data_are_refused(data: tuple[Path, Path], tmp_path: Path) -> None:
    one = SMALL.model_copy(update={"epochs": 1})
    train(one, *data, tmp_path / "run")
    with pytest.raises(InputError, match="other settings or data"):
        train(SMALL, *data, tmp_path / "run")
    with pytest.raises(InputError, match="no data file here"):
        train(SMALL, tmp_path / "nothing.extxyz", data[1], tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_it_starts_from_the_weights_of_another_run(
    data: tuple[Path, Path], trained: tuple[TrainingRun, list[int]], tmp_path: Path
) -> None:
    first, _ = trained
    still = SMALL.model_copy(
        update={"learning_rate": 1e-9, "learning_rate_stop": 1e-10, "decay": "cosine", "epochs": 2}
    )
    second = train(still, *data, tmp_path / "second", start=first.checkpoint)
    best = first.curves.force_mae_validation[np.argmin(first.curves.loss_validation)]
    np.testing.assert_allclose(second.curves.force_mae_validation, best, rtol=1e-5)
    rates = yaml.safe_load((tmp_path / "second/nequip.yaml").read_text())["training_module"]
    assert rates["lr_scheduler"]["scheduler"]["T_max"] == 2 * 24  # epochs x frames
    with pytest.raises(InputError, match="other settings or data"):
        train(still, *data, tmp_path / "second")


def test_compiled_training_needs_two_frames_per_step() -> None:
    with pytest.raises(ValueError, match="batch: 2 or more"):
        TrainingSettings(execution="compiled", batch=1)


@pytest.mark.long
def test_compiled_and_eager_training_agree(data: tuple[Path, Path], tmp_path: Path) -> None:
    pairs = SMALL.model_copy(update={"batch": 2, "epochs": 2})
    eager = train(pairs, *data, tmp_path / "eager")
    compiled = train(
        pairs.model_copy(update={"execution": "compiled"}), *data, tmp_path / "compiled"
    )
    np.testing.assert_allclose(
        compiled.curves.loss_validation, eager.curves.loss_validation, rtol=1e-3
    )


_program = """
import sys
from tests.training.small import SMALL
from zifglass.training import train
train(SMALL, sys.argv[1], sys.argv[2], sys.argv[3])
"""


@pytest.mark.long
def test_killed_twice_it_ends_where_an_unbroken_run_ends(
    data: tuple[Path, Path], trained: tuple[TrainingRun, list[int]], tmp_path: Path
) -> None:
    whole, _ = trained
    folder = tmp_path / "killed"
    arguments = [sys.executable, "-c", _program, str(data[0]), str(data[1]), str(folder)]
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": f"{root / 'src'}{os.pathsep}{root}"}
    for epochs in (1, 2):
        child = subprocess.Popen(arguments, cwd=root, env=environment)
        while len(read_curves(folder)) < epochs:
            assert child.poll() is None, "training ended before it was killed"
            time.sleep(0.05)
        # The child of the child must go too: SIGTERM first, as a queue system does.
        child.send_signal(signal.SIGTERM)
        child.wait(60)
    killed = train(SMALL, *data, folder)
    np.testing.assert_array_equal(killed.curves.epochs, whole.curves.epochs)
    np.testing.assert_allclose(
        killed.curves.loss_validation, whole.curves.loss_validation, rtol=1e-5
    )
