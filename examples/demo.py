"""The main job on what ships with the project: the structure of two ZIF crystals. `make demo`.

Writes demo/: a folder per crystal and their comparison, each with results.json, CSV, PNG and SVG.
`--short` leaves out the sizes of the pores, which take most of the time.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from zifglass.io import structures

OUT = Path("demo")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="without the sizes of the pores")
    options = parser.parse_args()
    start = time.monotonic()
    files = [str(structures.path_of(name)) for name in ("zif4", "zif8")]
    command = [sys.executable, "-m", "zifglass.cli.main", "analyse", *files, "-o", str(OUT)]
    if options.short:
        command += ["--set", "size_frames=0"]
    print("zifglass", " ".join(command[3:]), flush=True)
    subprocess.run(command, check=True)
    check()
    print(f"\nDone in {time.monotonic() - start:.0f} s. Look at {OUT / 'rings.png'}, ", end="")
    print(f"{OUT / 'rdf.png'} and {OUT / 'trajectories.csv'}.")
    return 0


def check() -> None:
    """What the literature says of the two crystals."""
    zif4 = json.loads((OUT / "zif4" / "results.json").read_text())
    zif8 = json.loads((OUT / "zif8" / "results.json").read_text())
    assert zif4["coordination"]["value"] == zif8["coordination"]["value"] == 4.0
    assert [zif4[f"rings_of_{n}"]["value"] for n in (4, 6, 8)] == [4, 16, 32]
    assert [zif8[f"rings_of_{n}"]["value"] for n in (4, 6, 12)] == [6, 8, 32]  # sodalite
    assert zif4["linkers_intact_least"]["value"] == 32
    assert zif8["linkers_intact_least"]["value"] == 24
    assert abs(zif4["porous_volume"]["value"] - 53.3) < 3.0  # cm³/kg; the published crystal


if __name__ == "__main__":
    sys.exit(main())
