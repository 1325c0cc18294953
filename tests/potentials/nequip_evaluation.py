"""nequip's own evaluation of a checkpoint: ``python nequip_evaluation.py CKPT FRAMES OUT.npz``.

Run by test_current_nequip.py in a process of its own.
"""

import sys
import warnings

warnings.simplefilter("ignore")

import numpy as np  # noqa: E402
from ase.io import read  # noqa: E402
from nequip.integrations.ase import NequIPCalculator  # noqa: E402

calculator = NequIPCalculator._from_saved_model(sys.argv[1])
result = {}
for k, atoms in enumerate(read(sys.argv[2], ":")):
    atoms.calc = calculator
    result[f"energies{k}"] = atoms.get_potential_energies()
    result[f"forces{k}"] = atoms.get_forces()
    result[f"stress{k}"] = atoms.get_stress(voigt=False)
np.savez(sys.argv[3], **result)
