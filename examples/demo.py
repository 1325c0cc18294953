"""Crystal → melt → quench → structure → mechanics → page, in one command. `make demo`.

A study of two glasses of ZIF-4 with the potential that ships (`zif4-fast`): demo/study.yaml says
what is done, demo/study/ holds it, demo/page.html shows it. Hotter and faster than the paper, which
melted at 1500 K for 70 to 250 ps: here 1700 K for 15 ps, ramps of 140 K/ps, deuterium and steps of
1 fs, so that two cores need about five minutes; whether it has molten is judged, not assumed.
Stopped and started again it goes on, to the same bits.

`--full` (some twenty minutes of two cores): 1500 K for 70 ps as the paper's first glass, heated at
40 K/ps and cooled at 15 K/ps, longer holds; what it gave is kept in benchmarks/results/demo.json
and printed beside yours. `--short` is a look at the machinery in half a minute: 2 ps, 900 K, one
run, nothing melts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from zifglass.core import Quantity
from zifglass.core.files import write_json, write_text
from zifglass.report.folders.conclusions import verdict_of_melting
from zifglass.report.folders.results import quantities_in
from zifglass.report.page.tables import quantity_text

OUT = Path("demo")
KEPT = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "demo.json"
GLASS = "zif4/zif4-fast/glass"


class Length(NamedTuple):
    """ps, K, K/ps and fs."""

    before: float
    hot: float
    heating: float
    t_max: float
    cooling: float
    equilibration: float
    frames_every: float
    replicas: int
    pore_frames: int
    preparation: float
    ramp: float
    hold: float
    steps: int


LENGTHS = {
    "short": Length(0.2, 900.0, 1500.0, 0.2, 1500.0, 0.5, 50.0, 1, 1, 0.6, 0.2, 0.8, 2),
    "study": Length(2.0, 1700.0, 140.0, 15.0, 140.0, 10.0, 100.0, 2, 3, 2.0, 1.0, 6.0, 4),
    "full": Length(5.0, 1500.0, 40.0, 70.0, 15.0, 15.0, 100.0, 2, 10, 4.0, 2.0, 12.0, 5),
}


def study(length: Length) -> dict[str, Any]:
    """The study file as plain data."""
    step = {"timestep": 1.0, "deuterium": 2.0141}
    quench = step | {
        "temperature_max": length.hot, "heating_rate": length.heating,
        "cooling_rate": length.cooling, "before": length.before, "t_max": length.t_max,
        "equilibration": length.equilibration, "frames_every": length.frames_every,
    }  # fmt: skip
    sweep = step | {
        "preparation": length.preparation, "ramp": length.ramp, "hold": length.hold,
        "max_steps": length.steps,
    }  # fmt: skip
    end_of_melt = length.before + (length.hot - 300.0) / length.heating + length.t_max
    pores = {"pore_frames": length.pore_frames, "size_frames": 0}
    return {
        "name": "demo",
        "seed": 1,
        "structures": {"zif4": {"source": "zif4"}},
        "potentials": {"zif4-fast": "zif4-fast"},
        "protocols": {
            "glass": {
                "protocol": "melt-quench", "settings": quench, "replicas": length.replicas,
                "run": {"watch": {"linkers": "warn"}},
            }
        },
        "analyses": {
            "crystal": {"of": ["start"], "settings": pores},
            "melt": {
                "of": ["glass"], "last": round(end_of_melt, 3),
                "settings": {"quantities": ["melting", "msd", "coordination"]},
            },
            "structure": {"of": ["glass"], "segment": "glass", "settings": pores},
        },
        "mechanics": {"bulk": {"method": "strain-sweep", "of": ["glass"], "sweep": sweep}},
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    length = parser.add_mutually_exclusive_group()
    length.add_argument("--short", action="store_true", help="half a minute; nothing melts")
    length.add_argument("--full", action="store_true", help="some twenty minutes of two cores")
    options = parser.parse_args()
    start = time.monotonic()
    name = "short" if options.short else "full" if options.full else "study"
    place, page = OUT / name, OUT / "page.html"
    file = place.with_suffix(".yaml")
    write_text(file, yaml.safe_dump(study(LENGTHS[name]), sort_keys=False))
    failed = zifglass("run", file, "-o", place)
    shown = zifglass("report", place, "-o", page, "--title", "ZIF-4: from crystal to glass")
    if failed or shown:  # it has said why; what is there is on the page
        return failed or shown
    found = check(place)
    write_json(OUT / f"{name}.json", found)
    print("\n".join(found))
    if not options.full and KEPT.exists():  # absent only outside the repository
        print(f"\nAt full length (make demo DEMO=--full; {KEPT}):")
        print("\n".join(json.loads(KEPT.read_text())["figures"]["found"]))
    print(f"\nDone in {time.monotonic() - start:.0f} s. Open {page.resolve()} in any browser.")
    return 0


def zifglass(*arguments: object) -> int:
    """Run a command; its exit status."""
    command = [sys.executable, "-m", "zifglass.cli.main", *map(str, arguments)]
    print("zifglass", *arguments, flush=True)
    return subprocess.run(command).returncode


def check(place: Path) -> list[str]:
    """What must hold whatever the schedule; what was found, line by line, as it is."""
    crystal = results(place / "stages" / "zif4/start/crystal")
    assert crystal["coordination"].value == 4.0
    assert [crystal[f"rings_of_{n}"].value for n in (4, 6, 8)] == [4, 16, 32]
    assert abs(crystal["porous_volume"].value - 53.3) < 3.0  # cm³/kg; the published crystal
    glass = place / "stages" / GLASS
    structure = results(glass / "structure")
    assert 3.0 < structure["coordination"].value <= 4.1
    found = [
        f"{name.replace('_', ' ')}: {quantity_text(structure[name])}"
        for name in ("coordination", "porous_volume", "broken_linker_fraction")
    ]
    melt = glass / "melt"  # one folder per replica below it where there are several
    for file in sorted([*melt.glob("results.json"), *melt.glob("*/results.json")]):
        if (verdict := results(file.parent).get("melting")) is None:
            continue
        found.append(f"molten? {verdict_of_melting(verdict)}")
    for file in sorted(glass.glob("bulk-*/results.json")):
        moduli = results(file.parent)
        found += [
            f"{file.parent.name}: {name.replace('_', ' ')}: {quantity_text(moduli[name])}"
            for name in ("bulk_modulus", "density_at_zero_pressure")
            if name in moduli
        ]
    return found


def results(folder: Path) -> dict[str, Quantity]:
    return quantities_in(json.loads((folder / "results.json").read_text()))


if __name__ == "__main__":
    sys.exit(main())
