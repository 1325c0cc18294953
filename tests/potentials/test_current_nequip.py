"""Models of current nequip: trained, packaged, imported; and every variant of its settings.

nequip runs in child processes. Without it these tests are skipped: pip install nequip.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zifglass
from zifglass.core import InputError, Structure, units
from zifglass.potentials.importers import import_model
from zifglass.potentials.network import Network

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("nequip") is None,
    reason="nequip is not installed: pip install nequip",
)

HERE = Path(__file__).parent


def child(*arguments: object, cwd: Path) -> str:
    source = str(Path(zifglass.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *map(str, arguments)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with frames.xyz, last.ckpt and nequip's own predictions, predictions.npz."""
    from ase import Atoms
    from ase.calculators.lj import LennardJones
    from ase.io import write

    folder = tmp_path_factory.mktemp("nequip")
    rng = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(*[np.arange(2)] * 3, indexing="ij"), -1).reshape(-1, 3) / 2
    frames = []
    for _ in range(12):
        cell = np.diag([5.0, 5.2, 5.4]) + rng.normal(0, 0.1, (3, 3))
        positions = grid @ cell + rng.normal(0, 0.15, (8, 3))
        atoms = Atoms([30, 7, 6, 1] * 2, positions, cell=cell, pbc=True)
        atoms.calc = LennardJones(sigma=2.1, epsilon=0.1, rc=5)
        atoms.get_forces()
        atoms.get_stress()
        frames.append(atoms)
    write(folder / "frames.xyz", frames, format="extxyz")
    shutil.copy(HERE / "nequip_training.yaml", folder / "training.yaml")
    child(
        "-m", "nequip.scripts.train", "-cp", folder, "-cn", "training",
        f"hydra.run.dir={folder}", cwd=folder,
    )  # fmt: skip
    child(HERE / "nequip_evaluation.py", "last.ckpt", "frames.xyz", "own.npz", cwd=folder)
    return folder


@pytest.fixture(scope="module")
def imported(trained: Path) -> Network:
    return import_model(trained / "last.ckpt")


def test_a_trained_network_agrees_with_nequips_own_evaluation(
    trained: Path, imported: Network
) -> None:
    from ase.io import read

    from zifglass.potentials.engine import EnginePotential

    potential = EnginePotential(imported, threads=1)
    own = np.load(trained / "own.npz")
    for k, atoms in enumerate(read(trained / "frames.xyz", ":")):
        found = potential(Structure.from_ase(atoms))
        # The bounds of the engine against its reference; nequip itself runs in float32 here.
        energy = abs(found.energies - own[f"energies{k}"]).mean()
        forces = np.abs(found.forces - own[f"forces{k}"])
        assert energy / units.meV <= 0.01
        assert forces.mean() / units.meV <= 0.05
        assert forces.max() / units.meV <= 1.0
        assert np.abs(found.stress - own[f"stress{k}"]).max() / units.MPa <= 1.0


def test_a_checkpoint_tells_its_training_and_its_agreement(imported: Network) -> None:
    facts = imported.facts
    assert facts["source"]["averaged weights"] is True
    assert facts["training"]["num_layers"] == 3
    assert facts["training"]["epoch"] is not None
    assert facts["agreement"]["precision"] == "float64"
    # The same float64 operations in another order: 1e-12 of the largest value.
    assert facts["agreement"]["relative"] < 1e-11
    assert imported.species == (1, 6, 7, 30)


def test_a_package_is_read_only_when_trusted(trained: Path, imported: Network) -> None:
    package = trained / "model.nequip.zip"
    child("-m", "nequip.scripts.package", "build", "last.ckpt", package, cwd=trained)
    with pytest.raises(InputError, match="if you trust where it comes from"):
        import_model(package)
    network = import_model(package, trust=True)
    # The package's factors 1/√n are float32, the checkpoint's model was built in float64.
    for (name, ours), (_, theirs) in zip(network.arrays(), imported.arrays(), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=3e-7, atol=1e-7, err_msg=name)
    assert network.facts["agreement"]["precision"] == "float32"


def test_damaged_checkpoints_and_packages_are_refused(trained: Path, tmp_path: Path) -> None:
    content = (trained / "last.ckpt").read_bytes()
    cut = tmp_path / "cut.ckpt"
    cut.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="no whole checkpoint of nequip") as error:
        import_model(cut)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def variants(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("variants")
    found: dict[str, Any] = json.loads(child(HERE / "nequip_variants.py", folder, cwd=folder))
    return found


def test_every_variant_is_imported_exactly(variants: dict[str, Any]) -> None:
    accepted = {k: v for k, v in variants.items() if not k.startswith("refused")}
    assert len(accepted) == 15
    for name, agreement in accepted.items():
        assert "said" not in agreement, f"{name}: {agreement}"
        assert agreement["relative"] < 1e-11, name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused_edge_cutoff", "cutoff for each pair of species"),
        ("refused_zbl", "a pair potential"),
        ("refused_norm", "NormActivation, not the gate"),
        ("refused_builder", "was built by system"),
        ("refused_names", "are not element symbols"),
    ],
)
def test_what_cannot_be_represented_is_refused(
    variants: dict[str, Any], name: str, words: str
) -> None:
    assert words in variants[name]["said"]
    assert "\n" not in variants[name]["said"]
