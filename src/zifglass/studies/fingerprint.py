"""What a stage's result depends on, as one number.

The fingerprint of a stage is the SHA-256 of its kind and the kind's method version, its settings,
the content of its input files, its potential's SHA-256 and the fingerprints of the stages it
needs. Times, places, hosts and the commit do not enter; clocks are never compared.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zifglass.core import InputError
from zifglass.core.files import sha256_of

from .kinds import kind_of
from .potential import sha256_of_potential
from .stage import Stage, in_order


@dataclass(frozen=True)
class Identity:
    """fingerprint: hexadecimal. parts: what it was made of, to say what has changed."""

    fingerprint: str
    parts: dict[str, Any]


def identities(stages: Sequence[Stage]) -> dict[str, Identity]:
    """Name → identity of every stage. Raises InputError naming the stage whose input file or
    potential is missing."""
    files: dict[Path, str] = {}
    potentials: dict[str, str] = {}
    found: dict[str, Identity] = {}
    for stage in in_order(stages):
        for path in stage.inputs.values():
            if path not in files:
                files[path] = _sha256_of_input(stage, path)
        if stage.potential is not None and stage.potential not in potentials:
            potentials[stage.potential] = sha256_of_potential(stage.potential)
        found[stage.name] = _identity(stage, files, potentials, found)
    return found


def _identity(
    stage: Stage,
    files: Mapping[Path, str],
    potentials: Mapping[str, str],
    found: Mapping[str, Identity],
) -> Identity:
    parts = {
        "kind": stage.kind,
        "method": kind_of(stage.kind).method,
        "settings": stage.settings,
        "inputs": {role: files[path] for role, path in sorted(stage.inputs.items())},
        "potential": None if stage.potential is None else potentials[stage.potential],
        "needs": {role: found[name].fingerprint for role, name in sorted(stage.needs.items())},
    }
    try:
        text = json.dumps(parts, sort_keys=True, allow_nan=False, ensure_ascii=False)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"the settings of stage {stage.name!r} are not plain data: {error}"
        ) from error
    # Read back, so that it compares equal with what a record holds.
    return Identity(hashlib.sha256(text.encode()).hexdigest(), json.loads(text))


def _sha256_of_input(stage: Stage, path: Path) -> str:
    try:
        return sha256_of(path)
    except OSError as error:
        raise InputError(
            f"cannot read an input of stage {stage.name!r}: {error.strerror}", path
        ) from error
