"""A network on disk: safetensors, float64 arrays, JSON in the header; no code, no pickle.

Header entries: ``format`` = "zifglass network", ``version``, ``sha256`` (of structure and
numbers, checked at reading), ``structure`` (JSON: everything of `Network` that is no array) and
``facts`` (JSON: origin, licence, training, agreement measured at import).
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.core import InputError
from zifglass.core.files import atomic_path, plain

from .description import rebuild_dense, rebuild_layer
from .noun import Network
from .parts import Array, RadialBasis, Readout

FORMAT = "zifglass network"
VERSION = 1


def save(network: Network, path: str | Path) -> None:
    """Write `network` to `path` (.safetensors), whole or not at all."""
    from safetensors.numpy import save_file

    header = {
        "format": FORMAT,
        "version": str(VERSION),
        "sha256": network.sha256,
        "structure": json.dumps(network.description()),
        "facts": json.dumps(plain(network.facts), ensure_ascii=False),
    }
    arrays = {name: np.ascontiguousarray(array) for name, array in network.arrays()}
    with atomic_path(path) as temporary:
        save_file(arrays, temporary, metadata=header)


def load(path: str | Path) -> Network:
    """Read a network that `save` wrote.

    Raises InputError on a file that is missing, cut, damaged (its checksum no longer holds), of
    another format or of another version.
    """
    header, arrays = _read(Path(path))
    if header.get("format") != FORMAT:
        raise InputError(
            "this safetensors file does not hold a network: expected format "
            f"{FORMAT!r}, got {header.get('format')!r}",
            path,
        )
    if header.get("version") != str(VERSION):
        raise InputError(
            f"this network file has version {header.get('version')}; this release reads version "
            f"{VERSION}: import the model again",
            path,
        )
    try:
        network = _rebuild(json.loads(header["structure"]), arrays)
        network = replace(network, facts=dict(json.loads(header["facts"])))
    except InputError as error:
        raise InputError(error.message, path) from error
    except (KeyError, IndexError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"this network file is damaged: {type(error).__name__} {error}; import the model again",
            path,
        ) from error
    if network.sha256 != header.get("sha256"):
        raise InputError(
            "this network file is damaged: its numbers do not match the checksum stored with "
            "them; import the model again",
            path,
        )
    return network


def _read(path: Path) -> tuple[dict[str, str], dict[str, Array]]:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise InputError("no such network file", path)
    try:
        with safe_open(path, framework="numpy") as file:
            header = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"this file is cut or damaged, or no safetensors file at all ({error})", path
        ) from error
    return header, arrays


def _rebuild(structure: dict[str, Any], arrays: dict[str, Array]) -> Network:
    readout = structure["readout"]
    return Network(
        species=tuple(structure["species"]),
        cutoff=float(structure["cutoff"]),
        basis=RadialBasis(
            arrays["basis.frequencies"], float(structure["prefactor"]), float(structure["p"])
        ),
        embedding=arrays["embedding"],
        layers=tuple(
            rebuild_layer(item, arrays, f"layers.{i}") for i, item in enumerate(structure["layers"])
        ),
        readout=Readout(
            tuple(int(s) for s in readout["sources"]), rebuild_dense(readout, arrays, "readout")
        ),
        scales=arrays["scales"],
        shifts=arrays["shifts"],
    )
