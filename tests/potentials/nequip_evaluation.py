"""nequip's own evaluation of a checkpoint: ``python nequip_evaluation.py CKPT FRAMES OUT.npz``.

Run by test_current_nequip.py in a process of its own. ``load_potential("nequip:FILE")``, which
runs the same file through the same calculator, must give the same numbers.
"""

import sys
import warnings

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
from ase.io import read  # noqa: E402
from nequip.integrations.ase import NequIPCalculator  # noqa: E402

from zifglass import load_potential  # noqa: E402
from zifglass.core import Structure  # noqa: E402

potential = load_potential(f"nequip:{sys.argv[1]}")
assert potential.species == (1, 6, 7, 30), potential.species
assert potential.cutoff == 4.0, potential.cutoff
calculator = NequIPCalculator._from_saved_model(sys.argv[1])
result = {}
for k, atoms in enumerate(read(sys.argv[2], ":")):
    face = potential(Structure.from_ase(atoms))
    atoms.calc = calculator
    result[f"energies{k}"] = atoms.get_potential_energies()
    result[f"forces{k}"] = atoms.get_forces()
    result[f"stress{k}"] = atoms.get_stress(voigt=False)
    np.testing.assert_allclose(face.energies, result[f"energies{k}"], atol=1e-5)
    np.testing.assert_allclose(face.forces, result[f"forces{k}"], atol=1e-5)
    np.testing.assert_allclose(face.stress, result[f"stress{k}"], atol=1e-7)
np.savez(sys.argv[3], **result)
