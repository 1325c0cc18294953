"""Layers and perceptrons without their numbers, as plain JSON, and back."""

from __future__ import annotations

from typing import Any

from .parts import Activation, Array, Block, Dense, Layer, Linear, Path


def describe_layer(layer: Layer) -> dict[str, Any]:
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
        "radial": describe_dense(layer.radial),
        "down": ends(layer.down),
        "self_connection": ends(layer.self_connection),
        "scalars": blocks(layer.scalars),
        "scalar_activations": activations(layer.scalar_activations),
        "gates": blocks(layer.gates),
        "gate_activations": activations(layer.gate_activations),
        "gated": blocks(layer.gated),
        "residual": layer.residual,
    }


def describe_dense(dense: Dense) -> dict[str, Any]:
    return {
        "matrices": len(dense.matrices),
        "activation": [dense.activation.kind, dense.activation.scale],
    }


def rebuild_layer(item: dict[str, Any], arrays: dict[str, Array], prefix: str) -> Layer:
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
        paths=tuple(Path(*(int(n) for n in entry)) for entry in item["paths"]),
        radial=rebuild_dense(item["radial"], arrays, f"{prefix}.radial"),
        down=linear("down"),
        self_connection=linear("self_connection"),
        scalars=blocks("scalars"),
        scalar_activations=activations("scalar_activations"),
        gates=blocks("gates"),
        gate_activations=activations("gate_activations"),
        gated=blocks("gated"),
        residual=bool(item["residual"]),
    )


def rebuild_dense(item: dict[str, Any], arrays: dict[str, Array], prefix: str) -> Dense:
    kind, scale = item["activation"]
    return Dense(
        tuple(arrays[f"{prefix}.{k}"] for k in range(int(item["matrices"]))),
        Activation(str(kind), float(scale)),
    )
