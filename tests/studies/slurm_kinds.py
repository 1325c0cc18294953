"""Stages for tests on a real Slurm, in a module that a job can import."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import time
from pathlib import Path

from tests.dynamics.toys import LennardJones, fcc

from zifglass.core import Prediction, Protocol, Quantity, Segment, Structure
from zifglass.dynamics import RunSettings, run
from zifglass.io import read, write
from zifglass.studies import StageContext, stage_kind

GATE = "ZIFGLASS_TEST_GATE"


def gate_is_closed() -> bool:
    """A test that wants to catch a job at work names a file here and makes it once it is done."""
    name = os.environ.get(GATE)
    return name is not None and not Path(name).exists()


class Gated:
    """Lennard-Jones argon that crawls, from its 25th step, while the gate is closed; its numbers
    are the same."""

    inner = LennardJones()
    species, name, cutoff, sha256 = inner.species, "gated argon", inner.cutoff, inner.sha256
    calls = 0

    def __call__(self, structure: Structure) -> Prediction:
        self.calls += 1
        if self.calls > 25 and gate_is_closed():
            time.sleep(0.5)
        return self.inner(structure)


@stage_kind("slurm-crystal", method=1)
def crystal(context: StageContext) -> None:
    """32 argon atoms; settings.a in Å."""
    write(context.folder / "crystal.extxyz", fcc(context.settings["a"], 2))


@stage_kind("slurm-md", method=1)
def dynamics(context: StageContext) -> None:
    """A short run of argon at 40 K with a checkpoint every twenty steps."""
    segment = Segment(
        name="hold", ensemble="nvt-csvr", duration=2.0 * context.settings["steps"], timestep=2.0,
        temperature=(40.0, 40.0), thermostat_damping=50.0, thermo_every=4.0, frames_every=10.0,
    )  # fmt: skip
    start = read(context.result("crystal") / "crystal.extxyz")[-1].structure
    done = run(
        Protocol(name="hold", segments=(segment,)), start, Gated(), folder=context.folder,
        seed=context.settings["seed"], settings=RunSettings(checkpoint_steps=20),
        max_wall=context.max_wall,
    )  # fmt: skip
    digest = hashlib.sha256(done.structure.positions.tobytes()).hexdigest()
    context.write_results(
        {"energy": Quantity(LennardJones()(done.structure).energy, None, "eV")}, positions=digest
    )


@stage_kind("slurm-mean", method=1)
def mean(context: StageContext) -> None:
    """Of the energies of all that it needs."""
    values = [
        json.loads((folder / "results.json").read_text())["energy"]["value"]
        for _, folder in sorted(context.results.items())
    ]
    context.write_results({"energy": Quantity(sum(values) / len(values), None, "eV")})


@stage_kind("slurm-deaf", method=1)
def deaf(context: StageContext) -> None:
    """Listens to no signal while the gate is closed."""
    (context.folder / "begun.txt").write_text("begun")
    kept = {number: signal.signal(number, signal.SIG_IGN) for number in (10, 12, 15)}
    while gate_is_closed():
        time.sleep(0.1)
    for number, handler in kept.items():
        signal.signal(number, handler)
