"""How fast is the compiled engine? `python -m benchmarks.engine` (two threads, about ten minutes).

Energy, forces and stress of the 272-atom ZIF-4 crystal with the published potential: the engine
beside the deployed TorchScript model, both warm, called in turns, medians; beside them a network
of the same size in the installed nequip, eager and compiled ahead of time, if nequip is there.
Then what fraction of the measured peak rate the engine reaches and where the rest goes, the time
per atom up to 17,408 atoms, peak memory, the neighbours' share, and the time to the first call.

Other processes may use the machine: besides elapsed times (medians of interleaved calls), the
processor time of one thread is given, which they hardly change. Needs the published data (see
tests/conftest.py) and torch.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.record import ROOT, record
from zifglass.core import Structure
from zifglass.potentials.engine import EnginePotential, peak_gflops
from zifglass.potentials.importers import read_torchscript
from zifglass.potentials.lowering import lower
from zifglass.potentials.network import Network, wigner_3j

THREADS = 2
LIMITS = {
    "times TorchScript": 50.0, "time per atom, large over small": 1.2,
    "peak memory of 17408 atoms, GB": 2.0, "neighbour share": 0.05, "first call, s": 2.0,
}  # fmt: skip
Call = Callable[[Structure], Any]


def mlp() -> Path:
    folder = Path(os.environ.get("ZIFGLASS_DATA", ROOT.parent / "shared" / "data"))
    return folder / "citable-data" / "mlp"


def crystal() -> Structure:
    from ase.io import read

    return Structure.from_ase(read(mlp() / "crystal.lmp", format="lammps-data"))


def network() -> Network:
    return read_torchscript(mlp() / "nequip_l2r6stress0.pth")


def moved(structure: Structure, rng: np.random.Generator, width: float = 0.005) -> Structure:
    """As one step of dynamics moves the atoms: 0.005 Å."""
    return structure.with_positions(
        structure.positions + width * rng.normal(size=structure.positions.shape)
    )


# ------------------------------------------------------------------------------- the peers


def torchscript(species: tuple[int, ...], cutoff: float) -> Call:
    """The deployed model; its neighbours come ready made, the time to find them is not counted."""
    import warnings

    import torch

    from zifglass.potentials.reference import pairs

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = torch.jit.load(str(mlp() / "nequip_l2r6stress0.pth"), map_location="cpu")
    known: dict[int, dict[str, torch.Tensor]] = {}

    def prepare(structure: Structure) -> dict[str, torch.Tensor]:
        centre, neighbor, shift = pairs(structure, cutoff)
        types = [species.index(z) for z in structure.numbers]
        return {
            "pos": torch.tensor(structure.positions, dtype=torch.float32),
            "edge_index": torch.tensor(np.stack([centre, neighbor]), dtype=torch.int64),
            "edge_cell_shift": torch.tensor(shift, dtype=torch.float32),
            "cell": torch.tensor(structure.cell, dtype=torch.float32),
            "atom_types": torch.tensor(types, dtype=torch.int64),
        }

    def call(structure: Structure) -> Any:
        if id(structure) not in known:
            known[id(structure)] = prepare(structure)
        return model(dict(known[id(structure)]))

    return call


def nequip_peers(kinds: list[str], folder: Path) -> dict[str, Call]:
    """A network of the published irreps and sizes in the installed nequip, random weights.
    Neighbours included (nequip's own)."""
    if not kinds:
        return {}
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from benchmarks import nequip_peer

        made = {}
        if "eager" in kinds:
            made["nequip eager"] = nequip_peer.eager()
        if "compiled" in kinds:
            path = folder / "peer.nequip.pt2"
            made["nequip compiled"] = nequip_peer.compiled(crystal().to_ase(), path)

    def of(calculator: Any) -> Call:
        def call(structure: Structure) -> Any:
            atoms = structure.to_ase()
            calculator.reset()  # ASE would hand out the results of the call before
            atoms.calc = calculator
            return atoms.get_forces(), atoms.get_stress()

        return call

    return {name: of(calculator) for name, calculator in made.items()}


def interleaved(
    calls: dict[str, Call], structure: Structure, rounds: int
) -> dict[str, list[float]]:
    """Elapsed ms of each call, `rounds` times in turns, after one warm-up each. The engine is
    called five times per turn: one call is over before the machine's other work shows."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for call in calls.values():
        call(structure)
    for turn in range(rounds):
        for name, call in calls.items():
            for _ in range(5 if name == "engine" else 1):
                time.sleep(0.02)  # idle threads of the one before have stopped waiting by then
                start = time.perf_counter()
                call(structure)
                times[name].append(1e3 * (time.perf_counter() - start))
        print(f"turn {turn + 1}: " + ", ".join(f"{n} {v[-1]:.1f}" for n, v in times.items()))
    return times


def comparison(rounds: int, kinds: list[str]) -> dict[str, Any]:
    import torch

    torch.set_num_threads(THREADS)
    structure, net = crystal(), network()
    engine = EnginePotential(net, threads=THREADS)
    with tempfile.TemporaryDirectory() as folder:
        calls: dict[str, Call] = {
            "engine": engine, "TorchScript": torchscript(engine.species, engine.cutoff)
        }  # fmt: skip
        calls |= nequip_peers(kinds, Path(folder))
        times = interleaved(calls, structure, rounds)
    median = {name: float(np.median(values)) for name, values in times.items()}
    return {
        "ms": median,
        "fastest ms": {name: min(values) for name, values in times.items()},
        "times faster": {n: v / median["engine"] for n, v in median.items() if n != "engine"},
        "isa": engine.isa,
        "threads": THREADS,
        "load average": os.getloadavg()[0],
    }


# -------------------------------------------------------------------------- what it computes


def arithmetic(net: Network, atoms: int, edges: int) -> dict[str, float]:
    """Floating-point operations of one call as the kernels do them (a multiply-add counts two),
    per phase."""
    flops = dict.fromkeys(("forward_edges", "backward_edges", "forward_nodes", "backward_nodes"), 0)
    for index, layer in enumerate(lower(net, dtype="float32")["layers"]):
        for source, edge, target, _ in layer["paths"]:
            mul, l1 = layer["mid"][source]
            l3 = layer["message"][target][1]
            coupling = wigner_3j(l1, edge, l3)
            matrix = np.count_nonzero(np.abs(coupling).sum(axis=1))
            d1, small = 2 * l1 + 1, 2 * min(l1, l3) + 1
            products, terms = (matrix, np.count_nonzero(coupling)) if edge else (0, 0)
            flops["forward_edges"] += edges * mul * (8 + small + 2 * products)
            flops["backward_edges"] += edges * mul * (
                16 + 2 + 4 * d1 + (small if edge else 0) + 2 * products + 2 * terms
            )  # fmt: skip
        for name in ("up", "down", "self"):
            blocks = layer["mid"] if name == "up" else layer["pre"]
            size = sum(
                2 * weight.shape[-2] * weight.shape[-1] * (2 * blocks[target][1] + 1)
                for _, target, weight in layer[name]
            )
            flops["forward_nodes"] += atoms * size
            flops["backward_nodes"] += atoms * size * (name == "down" or index > 0)
    return {name: float(value) for name, value in flops.items()}


def where_the_time_goes(calls: int) -> dict[str, Any]:
    """Processor time per phase of one thread, arithmetic done, fraction of the measured peak."""
    net, rng = network(), np.random.default_rng(0)
    engine, structure = EnginePotential(net, threads=1), crystal()
    engine(structure)
    before, phases, total = engine.times(), [], []
    for _ in range(calls):
        here = moved(structure, rng)
        start = time.thread_time()
        engine(here)
        total.append(1e3 * (time.thread_time() - start))
        after = engine.times()
        phases.append({k: 1e3 * (after[k] - before[k]) for k in after if k in PHASES})
        before = after
    fastest = {k: min(p[k] for p in phases) for k in PHASES}
    flops = arithmetic(net, len(structure), int(after["edges"]))
    peak = peak_gflops(engine.isa, 1)
    return {
        "processor ms per call, one thread": float(np.median(total)),
        "fastest": min(total),
        "elapsed ms per phase, fastest": fastest,
        "GFLOP per call": 1e-9 * sum(flops.values()),
        "peak GFLOP/s of one core": peak,
        "fraction of peak": 1e-6 * sum(flops.values()) / float(np.median(total)) / peak,
        "fraction of peak per phase": {
            k: 1e-6 * v / fastest[k] / peak for k, v in flops.items()
        },
        "neighbour share": fastest["neighbors"] / sum(fastest.values()),
    }  # fmt: skip


PHASES = (
    "neighbors", "geometry", "forward_edges", "forward_nodes", "backward_edges",
    "backward_nodes", "forces",
)  # fmt: skip


# ---------------------------------------------------------------------- in processes of their own


def scaling() -> dict[str, Any]:
    """µs of processor time per atom of one thread, memory of the largest."""
    net, rng, result = network(), np.random.default_rng(0), {}
    engine = EnginePotential(net, threads=1)
    for n in (1, 2, 4):
        structure = crystal().repeat((n, n, n))
        engine(structure)
        times = []
        for _ in range(30 if n == 1 else 8 if n == 2 else 3):
            here = moved(structure, rng)
            start = time.thread_time()
            engine(here)
            times.append(time.thread_time() - start)
        result[f"{len(structure)}"] = 1e6 * float(np.median(times)) / len(structure)
    return {
        "us per atom": result,
        "peak GB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2,
    }


def first_call() -> dict[str, Any]:
    """From a network in its file to the first result, tables included; and the call alone."""
    structure = crystal()
    from zifglass.potentials.network import load

    start = time.perf_counter()
    engine = EnginePotential(load(os.environ["ZIFGLASS_BENCHMARK_NETWORK"]), threads=THREADS)
    ready = time.perf_counter()
    engine(structure)
    end = time.perf_counter()
    return {"seconds": end - start, "of which the call": end - ready}


def in_child(part: str, **environment: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.engine", "--part", part],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns of the comparison")
    parser.add_argument(
        "--nequip", nargs="*", default=["eager", "compiled"], choices=["eager", "compiled"],
        help="peers in the installed nequip; the compiled one takes minutes to make",
    )  # fmt: skip
    parser.add_argument("--part", choices=["scaling", "first_call"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        print(json.dumps({"scaling": scaling, "first_call": first_call}[options.part]()))
        return 0
    from zifglass.potentials.network import save

    figures: dict[str, Any] = {"where": where_the_time_goes(60), "scaling": in_child("scaling")}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.safetensors"
        save(network(), path)
        figures["first call"] = in_child("first_call", ZIFGLASS_BENCHMARK_NETWORK=str(path))
    figures["comparison"] = comparison(options.rounds, options.nequip)
    per_atom = figures["scaling"]["us per atom"]
    found = {
        "times TorchScript": figures["comparison"]["times faster"]["TorchScript"],
        "time per atom, large over small": per_atom["17408"] / per_atom["272"],
        "peak memory of 17408 atoms, GB": figures["scaling"]["peak GB"],
        "neighbour share": figures["where"]["neighbour share"],
        "first call, s": figures["first call"]["seconds"],
    }
    figures["claims"] = {name: {"found": found[name], "limit": LIMITS[name]} for name in LIMITS}
    print(json.dumps(figures, indent=1))
    record("engine", figures)
    missed = [
        name
        for name, limit in LIMITS.items()
        if (found[name] < limit if name.startswith("times") else found[name] > limit)
    ]
    if missed:
        print(f"missed: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
