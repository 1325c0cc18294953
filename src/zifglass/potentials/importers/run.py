"""An import from start to end: read, compare with the source, hand over the network."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from zifglass.core import InputError, ZifglassError
from zifglass.core.files import sha256_of
from zifglass.potentials.network import Network, load, save

from .agreement import not_measured
from .torchscript import read_torchscript

Kind = Literal["torchscript", "checkpoint", "package"]

VERSION = 1
"""Of the importers; raised whenever they would make another network out of the same file."""


def kind_of(path: str | Path) -> Kind:
    """What a model file is, by its name. Raises InputError on other kinds, saying what to do."""
    name = Path(path).name
    if name.endswith(".nequip.zip"):
        return "package"
    if name.endswith((".nequip.pt2", ".nequip.pth")):
        raise InputError(
            "this model is compiled: its numbers cannot be read; run it through nequip "
            f"(load_potential('nequip:{path}')), or import the checkpoint or package it was "
            "compiled from",
            path,
        )
    if name.endswith(".ckpt"):
        return "checkpoint"
    if name.endswith((".pth", ".pt")):
        return "torchscript"
    raise InputError(
        "unknown kind of model: expected .safetensors (a network of zifglass), .pth (deployed by "
        "nequip 0.5 or 0.6), .ckpt or .nequip.zip (current nequip)",
        path,
    )


def import_model(
    path: str | Path, *, species: Sequence[str] | None = None, trust: bool = False
) -> Network:
    """The network of a model file of nequip, compared with its source.

    species: element symbols in the order of the model's types, where these are no symbols.
    trust: needed for packages (.nequip.zip), whose own code has to run to read them; it runs
    in a child process. The facts of the network hold the SHA-256 of the file and the agreement
    measured (or why it was not). Raises InputError on what cannot be read or represented and
    where source and network differ.
    """
    path = Path(path)
    kind = kind_of(path)
    if not path.is_file():
        raise InputError("no such model file", path)
    if kind == "package" and not trust:
        raise InputError(
            "reading a package runs the code inside it: if you trust where it comes from, say so "
            "(--trust)",
            path,
        )
    torch_here = importlib.util.find_spec("torch") is not None
    if kind == "torchscript":
        network = read_torchscript(path, species=species)
        if torch_here:
            network = _in_child(kind, path, species, network)
        else:
            reason = "torch is not installed, so the source could not be run"
            network = _with(network, agreement=not_measured(reason))
    else:
        if not torch_here or importlib.util.find_spec("nequip") is None:
            raise InputError(
                "models of current nequip are read through nequip, which is not installed: "
                "pip install 'zifglass[train]'",
                path,
            )
        network = _in_child(kind, path, species, None)
    return _with(network, file={"name": path.name, "sha256": sha256_of(path)}, importer=VERSION)


def _python_path() -> str:
    """The child finds the same zifglass, also where it is not installed."""
    own = str(Path(__file__).resolve().parents[3])
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join(part for part in (own, inherited) if part)


def _with(network: Network, **facts: object) -> Network:
    return replace(network, facts={**network.facts, **facts})


def _in_child(
    kind: Kind, path: Path, species: Sequence[str] | None, network: Network | None
) -> Network:
    with tempfile.TemporaryDirectory(prefix="zifglass-import-") as folder:
        target = Path(folder, "network.safetensors")
        if network is not None:
            save(network, target)
        job = Path(folder, "job.json")
        job.write_text(
            json.dumps(
                {
                    "kind": kind,
                    "path": str(path.resolve()),
                    "network": str(target),
                    "species": None if species is None else list(species),
                }
            ),
            encoding="utf-8",
        )
        # A killed or crashing child must not take this process with it, and never writes here.
        child = subprocess.run(
            [sys.executable, "-m", "zifglass.potentials.importers.worker", str(job)],
            capture_output=True,
            text=True,
            env=os.environ | {"PYTHONPATH": _python_path()},
            cwd=folder,
            check=False,
        )
        if child.returncode == 2 and child.stderr.strip():
            raise InputError(child.stderr.strip().splitlines()[-1])
        if child.returncode != 0:
            last = (child.stderr.strip().splitlines() or ["no message"])[-1]
            raise ZifglassError(
                f"the source of this import could not be run: {last[:300]} ({path}, child process "
                f"ended with status {child.returncode})"
            )
        return load(target)
