"""A study of solid argon in seconds: two runs, two that follow, their distances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from tests.dynamics.toys import fcc
from tests.studies.toy_potentials import ARGON

from zifglass.io import write

study: dict[str, Any] = {
    "name": "argon",
    "seed": 3,
    "structures": {"argon": {"source": "argon.extxyz", "volume_change": 0.01}},
    "potentials": {"lj": ARGON},
    "protocols": {
        "heat": {
            "protocol": "flexible-npt",
            "settings": {
                "temperature": 10, "duration": 0.3, "equilibration": 0.1, "timestep": 5,
                "frames_every": 25,
            },
            "vary": {"temperature": [8, 10]},
            "run": {"checkpoint_steps": 10},
        },
        "cool": {"protocol": "cool.yaml", "after": "heat", "run": {"checkpoint_steps": 10}},
    },
    "analyses": {"distances": {"of": ["cool"], "settings": {"quantities": ["rdf"]}}},
}  # fmt: skip
cool = """\
name: cool
segments:
  - name: cool
    ensemble: nvt-csvr
    duration: 0.3 ps
    timestep: 5 fs
    temperature: 10 K to 5 K
    frames_every: 25 fs
"""


def write_argon(folder: Path) -> Path:
    """The study file, its structure and its protocol."""
    folder.mkdir(parents=True, exist_ok=True)
    write(folder / "argon.extxyz", fcc(5.27, 2))
    (folder / "cool.yaml").write_text(cool)
    (folder / "study.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return folder / "study.yaml"
