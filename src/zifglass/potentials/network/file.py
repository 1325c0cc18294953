"""A network on disk: safetensors, float64 arrays, JSON in the header; no code, no pickle.

Header entries: ``format`` = "zifglass network", ``version``, ``sha256`` (of structure and
numbers, checked at reading), ``structure`` (JSON: everything of `Network` that is no array) and
``facts`` (JSON: origin, licence, training, agreement measured at import).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from zifglass.core import InputError
from zifglass.core.files import atomic_path, plain

from .noun import (
    Activation,
    Array,
    Block,
    Dense,
    Layer,
    Linear,
    Network,
    RadialBasis,
    Readout,
)
from .noun import (
    Path as PathOf,
)

FORMAT = "zifglass network"
VERSION = 1


def save(network: Network, path: str | Path) -> None:
    """Write `network` to `path` (.safetensors), whole or not at all."""
    from safetensors.numpy import save_file

    header = {
        "format": FORMAT,
        "version": str(VERSION),
        "sha256": network.sha256,
        "structure": json.dumps(_structure(network)),
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


def digest(network: Network) -> str:
    """SHA-256 over the structure (JSON, sorted keys), then each array's name, shape, bytes."""
    result = hashlib.sha256(json.dumps(_structure(network), sort_keys=True).encode())
    for name, array in network.arrays():
        result.update(f"{name}{array.shape}".encode())
        result.update(np.ascontiguousarray(array, dtype="<f8").tobytes())
    return result.hexdigest()


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


def _structure(network: Network) -> dict[str, Any]:
    return {
        "species": list(network.species),
        "cutoff": network.cutoff,
        "prefactor": network.basis.prefactor,
        "p": network.basis.p,
        "layers": [_layer_structure(layer) for layer in network.layers],
        "readout": {
            "sources": list(network.readout.sources),
            **_dense_structure(network.readout.dense),
        },
    }


def _layer_structure(layer: Layer) -> dict[str, Any]:
    def blocks(items: tuple[Block, ...]) -> list[list[int]]:
        return [[b.mul, b.l, b.parity] for b in items]

    def activations(items: tuple[Activation, ...]) -> list[list[Any]]:
        return [[a.kind, a.scale] for a in items]

    def ends(items: tuple[Linear, ...]) -> list[list[int]]:
        return [[item.source, item.target] for item in items]

    return {
        "irreps_in": blocks(layer.irreps_in),
        "irreps_mid": blocks(layer.irreps_mid),
        "up": ends(layer.up),
        "paths": [[p.source, p.edge, p.l, p.parity, p.slot] for p in layer.paths],
        "radial": _dense_structure(layer.radial),
        "down": ends(layer.down),
        "self_connection": ends(layer.self_connection),
        "scalars": blocks(layer.scalars),
        "scalar_activations": activations(layer.scalar_activations),
        "gates": blocks(layer.gates),
        "gate_activations": activations(layer.gate_activations),
        "gated": blocks(layer.gated),
        "residual": layer.residual,
    }


def _dense_structure(dense: Dense) -> dict[str, Any]:
    return {
        "matrices": len(dense.matrices),
        "activation": [dense.activation.kind, dense.activation.scale],
    }


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
            _rebuild_layer(item, arrays, f"layers.{i}")
            for i, item in enumerate(structure["layers"])
        ),
        readout=Readout(
            tuple(int(s) for s in readout["sources"]), _rebuild_dense(readout, arrays, "readout")
        ),
        scales=arrays["scales"],
        shifts=arrays["shifts"],
    )


def _rebuild_layer(item: dict[str, Any], arrays: dict[str, Array], prefix: str) -> Layer:
    def blocks(name: str) -> tuple[Block, ...]:
        return tuple(Block(*(int(n) for n in entry)) for entry in item[name])

    def activations(name: str) -> tuple[Activation, ...]:
        return tuple(Activation(str(kind), float(scale)) for kind, scale in item[name])

    def linear(name: str) -> tuple[Linear, ...]:
        return tuple(
            Linear(int(source), int(target), arrays[f"{prefix}.{name}.{k}"])
            for k, (source, target) in enumerate(item[name])
        )

    return Layer(
        irreps_in=blocks("irreps_in"),
        irreps_mid=blocks("irreps_mid"),
        up=linear("up"),
        source_scale=arrays[f"{prefix}.source_scale"],
        paths=tuple(PathOf(*(int(n) for n in entry)) for entry in item["paths"]),
        radial=_rebuild_dense(item["radial"], arrays, f"{prefix}.radial"),
        down=linear("down"),
        self_connection=linear("self_connection"),
        scalars=blocks("scalars"),
        scalar_activations=activations("scalar_activations"),
        gates=blocks("gates"),
        gate_activations=activations("gate_activations"),
        gated=blocks("gated"),
        residual=bool(item["residual"]),
    )


def _rebuild_dense(item: dict[str, Any], arrays: dict[str, Array], prefix: str) -> Dense:
    kind, scale = item["activation"]
    return Dense(
        tuple(arrays[f"{prefix}.{k}"] for k in range(int(item["matrices"]))),
        Activation(str(kind), float(scale)),
    )
