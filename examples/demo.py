"""Crystal → melt → quench → structure → mechanics → page, in one command. `make demo`.

A study of two glasses of ZIF-4 with the potential that ships (`zif4-fast`): demo/study.yaml says
what is done, demo/study/ holds it, demo/page.html shows it. Hotter and faster than the paper, which
melted at 1500 K for 70 to 250 ps: here 1700 K for 15 ps, ramps of 140 K/ps, deuterium and steps of
1 fs, so that two cores need about five minutes; whether it has molten is judged, not assumed.
Stopped and started again it goes on, to the same bits. `--short` is a look at the machinery in half
a minute: 2 ps, 900 K, one run, nothing melts.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import yaml

from zifglass.core.files import write_text

OUT = Path("demo")


def study(*, short: bool) -> dict[str, Any]:
    """The study file as plain data."""
    step = {"timestep": 1.0, "deuterium": 2.0141}
    before, hot, rate, long = (0.2, 900.0, 1500.0, 0.2) if short else (2.0, 1700.0, 140.0, 15.0)
    quench = step | {
        "temperature_max": hot, "heating_rate": rate, "cooling_rate": rate, "before": before,
        "t_max": long, "equilibration": 0.5 if short else 10.0,
        "frames_every": 50.0 if short else 100.0,
    }  # fmt: skip
    sweep = step | (
        {"preparation": 0.6, "ramp": 0.2, "hold": 0.8, "max_steps": 2}
        if short
        else {"preparation": 2.0, "ramp": 1.0, "hold": 6.0, "max_steps": 4}
    )
    end_of_melt = before + (hot - 300.0) / rate + long  # ps
    pores = {"pore_frames": 1 if short else 3, "size_frames": 0}
    return {
        "name": "demo",
        "seed": 1,
        "structures": {"zif4": {"source": "zif4"}},
        "potentials": {"zif4-fast": "zif4-fast"},
        "protocols": {
            "glass": {
                "protocol": "melt-quench", "settings": quench, "replicas": 1 if short else 2,
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
    parser.add_argument("--short", action="store_true", help="half a minute; nothing melts")
    options = parser.parse_args()
    start = time.monotonic()
    place = OUT / ("short" if options.short else "study")
    file, page = place.with_suffix(".yaml"), OUT / "page.html"
    write_text(file, yaml.safe_dump(study(short=options.short), sort_keys=False))
    failed = zifglass("run", file, "-o", place)
    shown = zifglass("report", place, "-o", page, "--title", "ZIF-4: from crystal to glass")
    if failed or shown:  # it has said why; what is there is on the page
        return failed or shown
    check(place)
    print(f"\nDone in {time.monotonic() - start:.0f} s. Open {page.resolve()} in any browser.")
    return 0


def zifglass(*arguments: object) -> int:
    """Run a command; its exit status."""
    command = [sys.executable, "-m", "zifglass.cli.main", *map(str, arguments)]
    print("zifglass", *arguments, flush=True)
    return subprocess.run(command).returncode


def check(place: Path) -> None:
    """What must hold whatever the schedule, and what was found, as it is."""
    glass = "zif4/zif4-fast/glass"
    crystal = results(place, "zif4/start/crystal")
    assert crystal["coordination"]["value"] == 4.0
    assert [crystal[f"rings_of_{n}"]["value"] for n in (4, 6, 8)] == [4, 16, 32]
    assert abs(crystal["porous_volume"]["value"] - 53.3) < 3.0  # cm³/kg; the published crystal
    structure = results(place, f"{glass}/structure")
    assert 3.0 < structure["coordination"]["value"] <= 4.1
    for name in ("coordination", "porous_volume", "broken_linker_fraction"):
        tell(name, structure[name])
    melt = place / "stages" / glass / "melt"
    for path in sorted([melt / "results.json", *melt.glob("*/results.json")]):
        found = json.loads(path.read_text())
        if "melting" in found:
            verdict = found["melting"]
            print(f"molten? {verdict['value']}: {verdict['note']}")
    for sweep in sorted((place / "stages" / glass).glob("bulk-*/results.json")):
        found = json.loads(sweep.read_text())
        for name in ("bulk_modulus", "density_at_zero_pressure"):
            if name in found:
                tell(f"{sweep.parent.name}: {name}", found[name])


def results(place: Path, stage: str) -> dict[str, Any]:
    return dict(json.loads((place / "stages" / stage / "results.json").read_text()))


def tell(name: str, quantity: dict[str, Any]) -> None:
    value, std = quantity["value"], quantity["std"]
    number = f"{value:.4g}" if isinstance(value, float) else value
    error = "" if std is None else f" ± {std:.2g}"
    unit = "" if quantity["unit"] in ("1", "verdict") else f" {quantity['unit']}"
    print(f"{name.replace('_', ' ')}: {number}{error}{unit}")


if __name__ == "__main__":
    sys.exit(main())
