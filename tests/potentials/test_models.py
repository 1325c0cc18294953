"""Every kind of model that nequip 0.6.2 deploys, against that model's own float64 numbers.

`make_models.py` made `models/` with the old nequip; the tests need neither it nor e3nn.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import InputError, Structure
from zifglass.potentials.importers import read_torchscript
from zifglass.potentials.network import load, save

MODELS = Path(__file__).parent / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.npz"))


def test_the_matrix_is_complete() -> None:
    assert len(NAMES) == 20
    assert len(list(MODELS.glob("refused_*.pth"))) == 4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
def test_the_imported_network_computes_what_nequip_computes(name: str, tmp_path: Path) -> None:
    from zifglass.potentials.reference import ReferencePotential

    network = read_torchscript(MODELS / f"{name}.pth")
    save(network, tmp_path / "network.safetensors")
    potential = ReferencePotential(load(tmp_path / "network.safetensors"))
    expected = np.load(MODELS / f"{name}.npz")
    for k in range(4):
        structure = Structure(
            expected[f"numbers{k}"], expected[f"positions{k}"], expected[f"cell{k}"]
        )
        found = potential(structure)
        # Both in float64 with the same float32 weights. What differs: constants such as 1/√n that
        # the deployed file rounds once more to 24 bits where the double build does not.
        scale = max(1.0, np.abs(expected[f"energies{k}"]).max())
        np.testing.assert_allclose(found.energies, expected[f"energies{k}"], atol=2e-7 * scale)
        if f"forces{k}" in expected:
            scale = max(1.0, np.abs(expected[f"forces{k}"]).max())
            np.testing.assert_allclose(found.forces, expected[f"forces{k}"], atol=2e-7 * scale)
            np.testing.assert_allclose(found.stress, expected[f"stress{k}"], atol=2e-8 * scale)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("refused_norm", "NormActivation, not the gate"),
        ("refused_l4", "l = 4"),
        ("refused_total_shift", "adds a constant to the total energy"),
        ("refused_zbl", "pair_potential, a nequip.nn.pair_potential.ZBL"),
    ],
)
def test_what_cannot_be_represented_is_refused_by_name(name: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as error:
        read_torchscript(MODELS / f"{name}.pth")
    assert f"{name}.pth" in str(error.value)
