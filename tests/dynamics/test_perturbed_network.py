"""The published network with perturbed weights, run as a user would: caught, told, harvested."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from zifglass import read
from zifglass.core import Protocol, Segment, ZifglassError
from zifglass.dynamics import read_thermo
from zifglass.dynamics.protocol_file import write_protocol
from zifglass.io import ChunkFolder, structures, write
from zifglass.potentials import load_network
from zifglass.potentials.network import Linear, Network, save


def _published_network() -> Network:
    try:
        return load_network("castel2024-nequip")
    except ZifglassError as error:  # neither data nor a download
        pytest.skip(f"castel2024-nequip is not here: {error}")


def _perturbed(network: Network, spread: float, rng: np.random.Generator) -> Network:
    """Every weight of the layers times 1 + `spread` ξ, ξ normal."""

    def shaken(weights: np.ndarray) -> np.ndarray:
        return weights * (1.0 + spread * rng.normal(size=weights.shape))

    def mixing(maps: tuple[Linear, ...]) -> tuple[Linear, ...]:
        return tuple(replace(item, weight=shaken(item.weight)) for item in maps)

    layers = tuple(
        replace(
            layer,
            radial=replace(layer.radial, matrices=tuple(map(shaken, layer.radial.matrices))),
            up=mixing(layer.up),
            down=mixing(layer.down),
            self_connection=mixing(layer.self_connection),
        )
        for layer in network.layers
    )
    return replace(network, layers=layers, facts={"origin": "perturbed on purpose"})


def _hot_segment() -> Protocol:
    """600 K, 0.5 fs; a look every 1 fs, a frame every 2 fs, a line every 1 fs."""
    segment = Segment(
        name="hot", ensemble="nvt-csvr", duration=100.0, temperature=(600.0, 600.0),
        frames_every=2.0, thermo_every=1.0, monitor_every=1.0,
    )  # fmt: skip
    return Protocol(name="perturbed", segments=(segment,))


def test_a_network_with_perturbed_weights_is_caught(tmp_path: Path) -> None:
    crystal = structures.load("zif4")
    rng = np.random.default_rng(2)
    save(_perturbed(_published_network(), 0.55, rng), tmp_path / "perturbed.safetensors")
    write(tmp_path / "zif4.extxyz", crystal)
    write_protocol(tmp_path / "hot.yaml", _hot_segment())
    folder = tmp_path / "run"
    done = subprocess.run(
        [
            sys.executable, "-m", "zifglass.cli.main", "md", str(tmp_path / "zif4.extxyz"),
            "--potential", str(tmp_path / "perturbed.safetensors"),
            "--protocol", str(tmp_path / "hot.yaml"), "-o", str(folder), "--seed", "1",
        ],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr

    status = json.loads((folder / "status.json").read_text())
    assert status["status"] == "stopped by the watchdog"
    event = status["events"][-1]
    assert (event["check"], event["policy"]) == ("forces", "harvest")
    sentence = done.stderr.strip().splitlines()[-1]
    assert "the watchdog stopped the run: " in sentence
    where = f"at {event['time_ps']:.4f} ps in segment 'hot'"
    for part in (event["sentence"], where, str(folder / "harvest.extxyz")):
        assert part in sentence

    caught = 1000.0 * event["time_ps"]
    assert 5.0 <= caught < 100.0, "the run went well for a while, and the event ended it"
    frames = ChunkFolder(folder / "trajectory")
    np.testing.assert_allclose([f.time for f in frames], np.arange(0.0, caught + 0.1, 2.0))
    lines = read_thermo(folder)["time_ps"]
    np.testing.assert_allclose(1000.0 * lines, np.arange(0.0, caught + 0.1, 1.0), atol=1e-9)

    harvested = read(folder / "harvest.extxyz")
    assert len(harvested) == min(6, round(caught))
    np.testing.assert_allclose(
        [frame.time for frame in harvested], caught - np.arange(len(harvested))[::-1], atol=1e-6
    )
    shared = {f.time: f.structure for f in frames}
    for frame in harvested:
        assert frame.energy is None and frame.forces is None, "ready to be labelled"
        np.testing.assert_array_equal(frame.structure.numbers, crystal.numbers)
        if frame.time in shared:
            apart = frame.structure.positions - shared[frame.time].positions
            shifts = np.linalg.solve(frame.structure.cell.T, apart.T)
            np.testing.assert_allclose(shifts, np.round(shifts), atol=1e-5)
