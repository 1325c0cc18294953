"""What the driver costs: python -m benchmarks.dynamics → benchmarks/results/dynamics.json.

1. Milliseconds of processor time per step at 272 atoms with a potential that costs nothing, for
   every ensemble, all output and monitors on; beside it ASE's integrators with a calculator that
   costs nothing, nothing written, in the same run.
2. Bytes of trajectory per 272-atom frame.
3. Two replicas on two cores against one, by the clock and, for a machine that is shared, by the
   processor time they took.
"""

from __future__ import annotations

import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.core import Prediction, Protocol, Segment, Structure
from zifglass.core.protocol import ensembles
from zifglass.dynamics import RunSettings, WatchSettings, maxwell_boltzmann, run
from zifglass.dynamics.tasks import Task, carry_out_all

from .record import record

_steps = 2000
# Free atoms run into one another and fill any cell: every check looks, none ends the run.
_settings = RunSettings(watch=WatchSettings(volume="warn", temperature="warn", distances="warn"))


class Free:
    """No forces; a model that costs nothing."""

    name, species, cutoff, sha256 = "free", (1, 6, 7, 30), 0.0, "0" * 64

    def __call__(self, structure: Structure) -> Prediction:
        return Prediction(0.0, np.zeros((len(structure), 3)), np.zeros((3, 3)))


class Busy(Free):
    """About ten milliseconds of one core's arithmetic per call."""

    def __call__(self, structure: Structure) -> Prediction:
        total = 0
        for i in range(120_000):
            total += i * i
        return super().__call__(structure)


def busy(name: str) -> Busy:
    """A loader for `Task`."""
    return Busy()


def atoms(count: int = 272) -> Structure:
    """Atoms of a ZIF-4 cell's composition and density on a grid."""
    numbers = np.repeat([30, 7, 6, 1], [16, 64, 96, 96])[:count]
    side = 15.5
    grid = np.stack(np.meshgrid(*[np.arange(7)] * 3, indexing="ij"), -1).reshape(-1, 3)[:count]
    return Structure(numbers, (grid + 0.5) * side / 7, np.eye(3) * side)


def protocol(ensemble: str, steps: int) -> Protocol:
    """One segment of `steps` steps, 0.5 fs, every stride at its default."""
    segment = Segment(
        name="bench",
        ensemble=ensemble,  # type: ignore[arg-type]
        duration=0.5 * steps,
        temperature=(300.0, 300.0),
        pressure_total=0.1 if ensemble.startswith("npt") else None,
        barostat_damping=2000.0,
    )
    return Protocol(name=ensemble, segments=(segment,))


def per_step(ensemble: str, folder: Path) -> tuple[float, float]:
    """(ms per step, trajectory bytes per frame) of a whole run."""
    where = folder / ensemble
    began = time.process_time()
    run(protocol(ensemble, _steps), atoms(), Free(), folder=where, settings=_settings)
    seconds = time.process_time() - began
    frames = 1 + _steps // 200
    return seconds / _steps * 1e3, (where / "trajectory.h5").stat().st_size / frames


def bytes_per_frame(folder: Path) -> float:
    """Of a trajectory of 500 frames, where the file's own header weighs little."""
    segment = Segment(
        name="frames", ensemble="nvt-csvr", duration=500.0, timestep=0.5,
        temperature=(300.0, 300.0), frames_every=1.0, thermo_every=50.0, monitor_every=50.0,
    )  # fmt: skip
    frames = Protocol(name="frames", segments=(segment,))
    run(frames, atoms(), Free(), folder=folder / "frames", settings=_settings)
    return (folder / "frames" / "trajectory.h5").stat().st_size / 501


def ase_per_step() -> dict[str, float]:
    """ms per step of ASE's integrators with a calculator that costs nothing."""
    from ase import units
    from ase.calculators.calculator import Calculator
    from ase.md.bussi import Bussi
    from ase.md.nose_hoover_chain import MTKNPT, IsotropicMTKNPT, NoseHooverChainNVT
    from ase.md.verlet import VelocityVerlet

    class Nothing(Calculator):  # type: ignore[misc]
        implemented_properties = ("energy", "forces", "stress")

        def calculate(self, *arguments: Any) -> None:
            super().calculate(*arguments)
            n = len(self.atoms)
            self.results = {"energy": 0.0, "forces": np.zeros((n, 3)), "stress": np.zeros(6)}

    fs, T, rng = units.fs, 300.0, np.random.default_rng(0)
    peers = {
        "nve": lambda a: VelocityVerlet(a, 0.5 * fs),
        "nvt-nhc": lambda a: NoseHooverChainNVT(a, 0.5 * fs, temperature_K=T, tdamp=100 * fs),
        "nvt-csvr": lambda a: Bussi(
            a, 0.5 * fs, temperature_K=T, taut=100 * fs, rng=np.random.RandomState(0)
        ),
        "npt-iso": lambda a: IsotropicMTKNPT(
            a, 0.5 * fs, temperature_K=T, pressure_au=0.1, tdamp=100 * fs, pdamp=2000 * fs
        ),
        "npt-flexible": lambda a: MTKNPT(
            a, 0.5 * fs, temperature_K=T, pressure_au=0.1, tdamp=100 * fs, pdamp=2000 * fs
        ),
    }
    found = {}
    for name, make in peers.items():
        system = atoms().to_ase()
        system.calc = Nothing()
        system.set_velocities(maxwell_boltzmann(system.get_masses(), T, rng=rng) / fs)
        dynamics = make(system)
        dynamics.run(20)
        began = time.process_time()
        dynamics.run(_steps // 4)
        found[name] = (time.process_time() - began) / (_steps // 4) * 1e3
    return found


def replicas(folder: Path, steps: int = 600) -> dict[str, float]:
    """Throughput of two replicas on two cores over that of one on one core: as the clock has it,
    and as it would be with both cores free, from the processor time of the replicas."""
    clock, processor = [], []
    for count in (1, 2):
        tasks = [
            Task(
                protocol("nvt-csvr", steps), atoms(), "busy", folder / f"{count}-{i}", seed=i,
                loader=busy, settings=_settings,
            )
            for i in range(count)
        ]  # fmt: skip
        began, before = time.perf_counter(), _children()
        carry_out_all(tasks, cores=count)
        clock.append(time.perf_counter() - began)
        processor.append((_children() - before) / count)
    return {
        "by the clock": 2.0 * clock[0] / clock[1],
        "by processor time": 2.0 * processor[0] / processor[1],
    }


def _children() -> float:
    """s of processor time of all processes that have ended below this one."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Measure, print, and record the figures."""
    figures: dict[str, Any] = {"ms per step": {}, "ase ms per step": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures["ase ms per step"] = ase_per_step()
        for ensemble in ensembles:
            if ensemble.startswith("minimise"):
                continue
            ms, _ = per_step(ensemble, folder)
            figures["ms per step"][ensemble] = ms
            peer = figures["ase ms per step"].get(ensemble)
            beside = "" if peer is None else f"   ASE {peer:.3f}"
            print(f"{ensemble:<20} {ms:.3f} ms per step (limit 0.3){beside}")
        figures["bytes per frame"] = bytes_per_frame(folder)
        print(f"trajectory: {figures['bytes per frame']:.0f} bytes per frame (limit 8192)")
        figures["two replicas"] = replicas(folder)
        for how, ratio in figures["two replicas"].items():
            print(f"two replicas on two cores, {how}: {ratio:.2f} × one (limit 1.8)")
    figures["load average"] = os.getloadavg()[0]
    print(record("dynamics", figures))


if __name__ == "__main__":
    main()
