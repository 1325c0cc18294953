"""The import as a whole: what is compared, what is stored, when it refuses."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import InputError, Prediction, Structure
from zifglass.core.units import MPa, meV
from zifglass.potentials.importers import import_model, read_torchscript, run
from zifglass.potentials.importers.agreement import TOLERANCE, compare, trial_structures

MODELS = Path(__file__).parent / "models"


@pytest.fixture
def structure() -> Structure:
    return Structure([6, 7], [[0, 0, 0], [1.4, 0, 0]], np.eye(3) * 4)


@pytest.fixture
def prediction() -> Prediction:
    return Prediction(-10.0, np.array([[0.5, 0, 0], [-0.5, 0, 0]]), 0.01 * np.eye(3))


def test_differences_are_what_they_are(structure: Structure, prediction: Prediction) -> None:
    other = replace(
        prediction,
        energy=prediction.energy + 2e-7,
        forces=prediction.forces + np.array([[3e-7, 0, 0], [0, 0, 0]]),
        stress=prediction.stress + 1e-9,
    )
    found = compare([structure], [prediction], [other], precision="float64")
    assert found.energy * meV == pytest.approx(1e-7)
    assert found.forces * meV == pytest.approx(3e-7)
    assert found.stress * MPa == pytest.approx(1e-9)
    # Largest of 1e-7/5 eV, 3e-7/1 eV/Å, 1e-9·64/2 eV.
    assert found.relative == pytest.approx(3e-7)
    facts = found.as_facts()
    assert facts["measured"] is True
    assert facts["tolerance"] == TOLERANCE["float64"]


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_beyond_tolerance_the_import_refuses(
    structure: Structure, prediction: Prediction, precision: str
) -> None:
    limit = TOLERANCE[precision]
    for factor, refused in ((0.9, False), (1.1, True)):
        other = replace(prediction, forces=prediction.forces + factor * limit)
        if refused:
            with pytest.raises(InputError, match="does not compute what its source computes"):
                compare([structure], [prediction], [other], precision=precision)
        else:
            compare([structure], [prediction], [other], precision=precision)
    nothing = replace(prediction, energy=np.nan)
    with pytest.raises(InputError, match="not finite"):
        compare([structure], [nothing], [prediction], precision=precision)


def test_trial_structures_cover_what_they_say() -> None:
    structures = trial_structures((1, 6, 7, 30), np.random.default_rng(0))
    crystal, strained, liquid, tiny = structures
    for item in (crystal, strained, liquid):
        assert set(item.numbers) == {1, 6, 7, 30}
    assert crystal.volume == pytest.approx(len(crystal) / 0.06, rel=0.01)
    assert abs(strained.volume / crystal.volume - 1) > 1e-3
    assert not np.allclose(np.tril(strained.cell, -1), 0)
    assert np.diag(tiny.cell).max() == 3.0
    for item in (crystal, strained, liquid):
        distances = item.to_ase().get_all_distances(mic=True) + 9 * np.eye(len(item))
        assert distances.min() > 0.9


def test_without_torch_the_import_says_that_nothing_was_measured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    network = import_model(MODELS / "so3_l1.pth")
    assert network.facts["agreement"] == {
        "measured": False,
        "reason": "torch is not installed, so the source could not be run",
    }
    assert network.sha256 == read_torchscript(MODELS / "so3_l1.pth").sha256


def test_current_nequip_needs_nequip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.importlib.util, "find_spec", lambda name: None)
    (tmp_path / "a.ckpt").write_bytes(b"")
    with pytest.raises(
        InputError, match=r"which is not installed: pip install 'zifglass\[train\]'"
    ):
        import_model(tmp_path / "a.ckpt")


@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_a_source_that_crashes_takes_nothing_with_it(tmp_path: Path) -> None:
    from zifglass.core import ZifglassError

    with pytest.raises(ZifglassError, match="the source of this import could not be run") as error:
        import_model(MODELS / "so3_l1.pth")  # its code was left out of the test model
    assert "\n" not in str(error.value)
