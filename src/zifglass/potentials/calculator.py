"""ASE on both sides: a potential as an ASE calculator, an ASE calculator as a potential."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from zifglass.core import InputError, Potential, Prediction, Structure
from zifglass.core.structure import number_of

from .guard import check_structure

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def ase_calculator(potential: Potential) -> Calculator:
    """`potential` as an ASE calculator: energy = free_energy (eV), energies where the potential
    has them, forces (eV/Å), stress (eV/Å³, ASE's sign: tension positive, virial part; order xx
    yy zz yz xz xy), the latter for structures that are periodic in three directions.
    """
    from ase.calculators.calculator import (
        Calculator,
        PropertyNotImplementedError,
        all_changes,
    )

    class ZifglassCalculator(Calculator):
        """A zifglass potential behind ASE's interface."""

        implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__()  # type: ignore[no-untyped-call]
            self.potential = potential

        def _get_name(self) -> str:
            return potential.name

        def calculate(
            self,
            atoms: Any = None,
            properties: Any = ("energy",),
            system_changes: Any = all_changes,
        ) -> None:
            super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
            prediction = potential(_structure_of(self.atoms))
            self.results = {
                "energy": prediction.energy,
                "free_energy": prediction.energy,
                "forces": prediction.forces,
            }
            if self.atoms is not None and self.atoms.pbc.all():
                self.results["stress"] = np.array([prediction.stress[ij] for ij in _VOIGT])
            elif "stress" in properties:
                raise PropertyNotImplementedError(
                    "stress needs a structure that is periodic in three directions"
                )
            if prediction.energies is not None:
                self.results["energies"] = prediction.energies

    return ZifglassCalculator()


def _structure_of(atoms: Any) -> Structure:
    # A molecule has no cell; along open directions any vector will do.
    cell = atoms.cell.complete() if not atoms.pbc.all() else atoms.cell
    return Structure(atoms.numbers, atoms.positions, np.array(cell), atoms.pbc)


class AseCalculatorPotential:
    """Any ASE calculator as a Potential.

    species: element symbols or atomic numbers that it knows; None accepts every element.
    cutoff: Å, 0 where it has none. sha256: of its model file, if it has one; else that of its
    class and parameters. energies (per atom) are handed on where it has them; stress must be
    implemented.
    """

    def __init__(
        self,
        calculator: Calculator,
        *,
        species: Sequence[str | int] | None = None,
        cutoff: float = 0.0,
        name: str | None = None,
        sha256: str | None = None,
    ) -> None:
        self.calculator = calculator
        kinds = range(1, 119) if species is None else species
        self._species = tuple(number_of(z) if isinstance(z, str) else int(z) for z in kinds)
        self._cutoff = float(cutoff)
        self._name = name or type(calculator).__name__
        described = f"{type(calculator).__module__}.{type(calculator).__qualname__} " + repr(
            sorted((str(k), repr(v)) for k, v in dict(calculator.parameters).items())
        )
        self._sha256 = sha256 or hashlib.sha256(described.encode()).hexdigest()

    @property
    def name(self) -> str:
        return self._name

    @property
    def species(self) -> tuple[int, ...]:
        return self._species

    @property
    def cutoff(self) -> float:
        return self._cutoff

    @property
    def sha256(self) -> str:
        return self._sha256

    def __call__(self, structure: Structure) -> Prediction:
        """Energy, forces, virial stress. Raises InputError on unknown species and where the
        calculator has no stress."""
        from ase.calculators.calculator import PropertyNotImplementedError

        check_structure(structure, self.species, self.name)
        atoms = structure.to_ase()
        # A potential is a function of the structure alone: what was computed before, kept results
        # and starting wave functions too, leaves no trace, and a timing times the calculation.
        _forget(self.calculator)
        atoms.calc = self.calculator
        energy = float(atoms.get_potential_energy())
        forces = np.array(atoms.get_forces(), dtype=np.float64)
        try:
            stress = np.array(atoms.get_stress(voigt=False), dtype=np.float64)
        except (PropertyNotImplementedError, NotImplementedError) as error:
            raise InputError(f"{self.name} gives no stress, which a potential needs") from error
        energies = None
        if "energies" in self.calculator.implemented_properties:
            energies = np.array(atoms.get_potential_energies(), dtype=np.float64)
        return Prediction(energy=energy, forces=forces, stress=stress, energies=energies)


def _forget(calculator: Any) -> None:
    if hasattr(calculator, "reset"):
        calculator.reset()
    else:  # sums and mixtures of calculators
        calculator.atoms = None


def nequip_calculator_potential(path: str | Path, *, device: str = "cpu") -> AseCalculatorPotential:
    """A NequIP or Allegro model, compiled (.nequip.pt2, .nequip.pth), packaged (.nequip.zip) or a
    checkpoint (.ckpt), run by nequip's own ASE calculator. This executes the file: trust it first.

    Raises InputError where nequip is not installed or cannot load the file.
    """
    from zifglass.core.files import sha256_of

    path = Path(path)
    if not path.is_file():
        raise InputError("no such model file", path)
    try:
        from nequip.integrations.ase import NequIPCalculator
    except ImportError as error:
        raise InputError(
            "compiled and packaged models run through nequip, which is not installed: pip install "
            "nequip",
            path,
        ) from error
    try:
        saved = path.name.endswith((".nequip.zip", ".ckpt"))
        read = NequIPCalculator._from_saved_model if saved else NequIPCalculator.from_compiled_model
        calculator = read(str(path), device=device)
    except Exception as error:
        first = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"nequip cannot load this model ({type(error).__name__}: {first})", path
        ) from error
    species, cutoff = _knows(calculator)
    return AseCalculatorPotential(
        calculator, species=species, cutoff=cutoff, name=path.name, sha256=sha256_of(path)
    )


def _knows(calculator: Any) -> tuple[list[int] | None, float]:
    """Species and cutoff out of the transforms of a NequIPCalculator."""
    species, cutoff = None, 0.0
    for transform in calculator.transforms:
        table = getattr(transform, "lookup_table", None)
        if table is not None:
            species = [z for z, kind in enumerate(table.tolist()) if kind >= 0]
        cutoff = float(getattr(transform, "r_max", cutoff))
    return species, cutoff
