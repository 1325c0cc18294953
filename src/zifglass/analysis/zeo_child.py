"""Runs Zeo++ in a process of its own: `python -P zeo_child.py FOLDER`.

Reads FOLDER/structure.cif and FOLDER/request.json, writes FOLDER/answer.json. Zeo++ prints to
the C stdout and may abort its process; nothing of zifglass is imported here.
"""

import ctypes
import json
import signal
import sys
from pathlib import Path
from typing import Any

from pyzeo.area_volume import surface_area, volume
from pyzeo.high_accuracy import high_accuracy_atomnet
from pyzeo.netstorage import AtomNetwork


def main(folder: Path) -> None:
    request = json.loads((folder / "request.json").read_text())
    network = AtomNetwork.read_from_CIF(str(folder / "structure.cif"), rad_flag=True)
    answer: dict[str, Any] = {
        "radii": {atom.type.strip(): atom.radius for atom in network.atoms},
        "atoms": network.no_atoms,
    }
    answer |= (
        _sizes(network, folder) if request["question"] == "sizes" else _space(network, request)
    )
    (folder / "answer.json").write_text(json.dumps(answer))


def _space(network: AtomNetwork, request: dict[str, Any]) -> dict[str, str]:
    probes = (request["channel_radius"], request["probe_radius"])
    volumes, accurate = volume(network, *probes, request["volume_samples"], high_accuracy=True)
    surfaces = surface_area(
        network,
        *probes,
        request["surface_samples"],
        high_accuracy=True,
        high_accuracy_atmnet=accurate,
    )
    return {"volume": volumes.decode(), "surface": surfaces.decode()}


def _sizes(network: AtomNetwork, folder: Path) -> dict[str, str]:
    # S10 is what `volume` and `surface_area` mean by high accuracy.
    high_accuracy_atomnet(network, "S10")
    network.calculate_free_sphere_parameters(str(folder / "sizes.res"))
    return {"sizes": (folder / "sizes.res").read_text()}


def end_with_parent() -> None:
    """On Linux: do not go on computing for a parent that was killed."""
    if sys.platform == "linux":
        set_parent_death_signal = 1  # PR_SET_PDEATHSIG of <sys/prctl.h>
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


if __name__ == "__main__":
    end_with_parent()
    main(Path(sys.argv[1]))
