"""`load_potential`: from a name or a path to something that computes."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from zifglass.core import InputError, Potential, ZifglassError
from zifglass.core.files import plain, sha256_of

from . import catalogue
from .engine import EnginePotential
from .importers.run import VERSION, import_model, kind_of
from .network import Network, load, save
from .own import PREFIX, own_potential

log = logging.getLogger("zifglass")

Precision = Literal["float32", "float64"]


def load_potential(
    name_or_path: str | Path,
    *,
    threads: int | None = None,
    dtype: Precision = "float32",
    device: str = "cpu",
) -> Potential:
    """The potential of a catalogued name (`zifglass potential list`) or of a file: a network of
    zifglass (.safetensors), a deployed model of nequip 0.5/0.6 (.pth), a checkpoint of current
    nequip (.ckpt); ``nequip:PATH`` runs a compiled or packaged NequIP or Allegro model through
    nequip itself, which executes that file; ``python:FILE.py:FUNCTION`` what a function of your
    own returns (`own.own_potential`), any ASE calculator too.

    threads: of the compiled engine; None takes all cores this process may use. dtype: of the
    features; energies are summed in float64 always. device: "cpu" runs the compiled engine,
    "cuda" the torch reference. Imported networks are kept in the user's cache.

    Raises InputError on what cannot be found, read or represented.
    """
    text = str(name_or_path)
    if text.startswith("nequip:"):
        from .calculator import nequip_calculator_potential

        return nequip_calculator_potential(text.removeprefix("nequip:"), device=device)
    if text.startswith(PREFIX):
        return own_potential(text)
    network = load_network(name_or_path)
    name = Path(text).name
    if device != "cpu":
        return _reference(network, name=name, dtype=dtype, device=device)
    return EnginePotential(network, threads=threads, dtype=dtype, name=name)


def load_network(name_or_path: str | Path) -> Network:
    """The network alone, as `load_potential` finds it."""
    text = str(name_or_path)
    if text.endswith(".safetensors"):
        return load(name_or_path)
    is_path = os.sep in text or Path(text).suffix in (".pth", ".pt", ".ckpt", ".zip", ".pt2")
    if is_path or Path(text).is_file():
        kind_of(text)
        return _imported(Path(text), {})
    item = catalogue.entry(text)
    path = catalogue.locate(item)
    if path is None:
        raise InputError(
            f"the file of {item.name} is not on this machine: zifglass potential fetch {item.name} "
            f"downloads it ({item.size / 1e6:.1f} MB), and --from-dir FOLDER copies it from "
            "elsewhere"
        )
    if item.is_embedded:
        return load(path)
    facts = {"origin": item.origin, "licence": item.licence}
    return _imported(path, facts | {"citation": f"{item.citation}, DOI {item.doi}"})


def _imported(path: Path, facts: dict[str, Any]) -> Network:
    """The network of a foreign file, out of the cache where it has been imported before."""
    if not path.is_file():
        raise InputError("no such model file", path)
    folder = catalogue.cache_folder() / "networks"
    kept = folder / f"{sha256_of(path)}-{VERSION}.safetensors"
    if kept.is_file():
        try:
            return load(kept)
        except InputError as error:
            log.warning("%s: importing the model again", error)
    log.info("importing %s (once; kept in %s)", path.name, folder)
    network = import_model(path)
    network = replace(network, facts=plain({**facts, **network.facts}))
    try:
        save(network, kept)
    except ZifglassError as error:
        log.warning(
            "the imported network cannot be kept, so it is imported again each time: %s", error
        )
    return network


def _reference(network: Network, *, name: str, dtype: Precision, device: str) -> Potential:
    try:
        from .reference import ReferencePotential
    except ImportError as error:
        raise InputError(
            f"running on {device!r} needs torch, which is not installed: pip install torch"
        ) from error
    return ReferencePotential(network, dtype=dtype, device=device, name=name)
