"""The scorecard: chance is what chance gives, and differences are found."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest

from zifglass.analysis.survey import Survey, SurveySettings, survey
from zifglass.cli.main import main
from zifglass.core import ArrayTrajectory, Frame, InputError
from zifglass.io import structures, write
from zifglass.potentials.importers import read_torchscript
from zifglass.potentials.network import save
from zifglass.training import Scorecard, scorecard
from zifglass.training.scorecard import Row, _curve, _total_variation, _wright

_model = Path(__file__).parents[1] / "potentials" / "models" / "so3_l1.pth"


def _blocks(rng: np.random.Generator, shape: np.ndarray, count: int = 20) -> np.ndarray:
    """Counts of 500 events each, as a histogram of independent samples."""
    return rng.multinomial(500, shape / shape.sum(), size=count) / 500.0


def _compared(rng: np.random.Generator, first: np.ndarray, second: np.ndarray, measure) -> Row:  # type: ignore[no-untyped-def]
    blocks = _blocks(rng, first), _blocks(rng, second)
    return _curve("x", "m", "1", measure, blocks, (np.ones(20), np.ones(20)), rng)


@pytest.mark.parametrize("measure", [_wright, _total_variation])
def test_chance_is_the_distance_of_two_samples_of_one_distribution(measure) -> None:  # type: ignore[no-untyped-def]
    """60 pairs: their mean distance is the mean of what each calls chance (10 %: both means are
    known to 3 %, and 20 blocks know their own variance to 30 %, which the mean over pairs
    averages), and no more than a tenth are called different where 2 σ leaves 1 in 20."""
    rng = np.random.default_rng(0)
    shape = np.exp(-0.5 * ((np.arange(40) - 15) / 6.0) ** 2)
    rows = [_compared(rng, shape, shape, measure) for _ in range(60)]
    distance = np.mean([row.distance for row in rows])
    assert np.mean([row.chance for row in rows]) == pytest.approx(distance, rel=0.1)
    assert np.mean([row.verdict == "different" for row in rows]) <= 0.1


def test_a_shifted_peak_is_a_difference_with_its_size() -> None:
    """Two Gaussians of width 6 and 1.5 bins apart: total variation erf(1.5/(2√2·6)) = 0.0995; the
    noise of 10000 events in 40 bins adds less than 0.02."""
    rng = np.random.default_rng(1)
    x = np.arange(40)
    one, other = (np.exp(-0.5 * ((x - m) / 6.0) ** 2) for m in (18.0, 19.5))
    row = _compared(rng, one, other, _total_variation)
    assert row.verdict == "different"
    assert 0.0995 - 3 * row.distance_std < row.distance < 0.0995 + 0.02 + 3 * row.distance_std
    assert 0 < row.distance_std < 0.02 and row.chance < 0.03


def _noisy(rng: np.random.Generator, width: float, frames: int) -> ArrayTrajectory:
    crystal = structures.load("zif4")
    return ArrayTrajectory(
        [
            Frame(
                crystal.with_positions(crystal.positions + rng.normal(0, width, (272, 3))),
                time=100.0 * i,
                temperature=300.0,
            )
            for i in range(frames)
        ]
    )


def _card(first: ArrayTrajectory, second: ArrayTrajectory) -> Scorecard:
    settings = SurveySettings(quantities=("rdf", "pmf", "angles", "coordination", "linkers"))
    found = survey({"a": first, "b": second}, settings=settings)
    return scorecard(found["a"], found["b"], rng=np.random.default_rng(0))


def test_the_same_crystal_passes_and_a_hotter_one_does_not() -> None:
    rng = np.random.default_rng(2)
    cool, again, hot = (_noisy(rng, width, 20) for width in (0.04, 0.04, 0.06))
    same = {row.quantity: row for row in _card(cool, again).rows}
    other = {row.quantity: row for row in _card(cool, hot).rows}
    assert {"rdf N-Zn", "pmf", "angles", "coordination", "broken linkers"} <= set(same)
    for name in ("rdf N-Zn", "angles", "pmf"):
        assert same[name].verdict == "same", name
        assert other[name].verdict == "different", name
    assert same["coordination"].reference == 4.0 and same["coordination"].verdict == "same"
    assert same["broken linkers"].distance == 0.0


def test_one_frame_decides_nothing_and_other_elements_are_refused() -> None:
    rng = np.random.default_rng(3)
    card = _card(_noisy(rng, 0.04, 1), _noisy(rng, 0.04, 1))
    assert {row.verdict for row in card.rows} == {"unknown"}
    without = structures.load("zif4")
    kept = without.numbers != 1
    from zifglass.core import Structure

    bare = ArrayTrajectory(
        [Frame(Structure(without.numbers[kept], without.positions[kept], without.cell))]
    )
    settings = SurveySettings(quantities=("rdf",))
    found = survey({"a": _noisy(rng, 0.04, 1), "b": bare}, settings=settings)
    with pytest.raises(InputError, match="hold other elements"):
        scorecard(found["a"], found["b"], rng=rng)
    empty = Survey("nothing", "", 0, 1, None, {}, {}, ())
    with pytest.raises(InputError, match="nothing to compare"):
        scorecard(empty, empty, rng=rng)


def test_the_command_writes_the_card(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(4)
    for name in ("reference", "ours"):
        write(tmp_path / f"{name}.extxyz", _noisy(rng, 0.04, 3))
    model = tmp_path / "model.safetensors"
    save(read_torchscript(_model), model)
    argv = ["zifglass", "evaluate", model, "--trajectory", tmp_path / "ours.extxyz"]
    argv += ["--reference-trajectory", tmp_path / "reference.extxyz", "-o", tmp_path / "out"]
    argv += ["--set", "pore_frames=1", "--set", "pores.volume_samples=2000", "--threads", "1"]
    monkeypatch.setattr(sys, "argv", list(map(str, argv)))
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    card = json.loads((tmp_path / "out/scorecard.json").read_text())
    rows = {row["quantity"]: row for row in card["rows"]}
    assert card["frames"] == [3, 3]
    assert rows["rings"]["distance"] == 0.0
    assert rows["rings"]["samples"] == 3 and rows["rings"]["verdict"] == "unknown"  # too few
    assert rows["porous volume"]["unit"] == "cm³/kg" and 30 < rows["porous volume"]["model"] < 80
    table = list(csv.DictReader((tmp_path / "out/scorecard.csv").read_text().splitlines()))
    assert [row["quantity"] for row in table] == [row["quantity"] for row in card["rows"]]
    assert (tmp_path / "out/scorecard.png").stat().st_size > 0
    assert "by chance" in capsys.readouterr().out
