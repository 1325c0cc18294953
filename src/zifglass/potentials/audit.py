"""The audit of a potential: is it a potential at all, and which pressure is its stress?

Works on anything that is a `Potential` and on any structure. Each row states what was measured,
the limit and a verdict. Derivatives are central differences of fourth order,
f'(x) = [8 (f(x+h) − f(x−h)) − (f(x+2h) − f(x−2h))]/(12 h).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from zifglass.core import Potential, Prediction, Structure, ZifglassError
from zifglass.core.settings import Settings
from zifglass.core.units import GPa, MPa, kB, kinetic_unit, meV, ps

Array = NDArray[np.float64]
Word = Literal["pass", "fail", "info", "skipped"]

_SHEARS = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


class CheckSettings(Settings):
    """How an audit measures and what it allows."""

    directions: int = Field(
        default=6, ge=1, description="Atoms moved for the derivatives of the energy."
    )
    step: float = Field(
        default=0.02, gt=0, description="Step of the finite differences of forces, Å."
    )
    strain: float = Field(
        default=0.002, gt=0, description="Step of the finite differences of stress."
    )
    forces: float = Field(default=1.0, gt=0, description="Force error allowed, meV/Å.")
    energy: float = Field(default=0.01, gt=0, description="Energy error allowed, meV/atom.")
    stress: float = Field(default=2.0, gt=0, description="Stress error allowed, MPa.")
    relative: float = Field(
        default=1e-3,
        gt=0,
        description="Error of derivatives allowed, as a fraction of the largest value.",
    )
    nve_steps: int = Field(default=200, ge=10, description="Steps of the run at constant energy.")
    timestep: float = Field(
        default=0.25, gt=0, description="Timestep of the run at constant energy, fs."
    )
    temperature: float = Field(default=300.0, gt=0, description="Temperature it starts from, K.")
    drift: float = Field(default=5.0, gt=0, description="Energy drift allowed, meV/atom/ps.")


@dataclass(frozen=True)
class Row:
    """One finding: `value` against `limit`, both in `unit` (None where there is no number)."""

    check: str
    value: float | None
    limit: float | None
    unit: str
    verdict: Word
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain, for JSON."""
        return {
            "check": self.check, "value": self.value, "limit": self.limit, "unit": self.unit,
            "verdict": self.verdict, "note": self.note,
        }  # fmt: skip


@dataclass(frozen=True)
class Audit:
    """What `audit` found about `potential` (its name and SHA-256) on `formula`."""

    potential: str
    sha256: str
    formula: str
    rows: tuple[Row, ...]

    @property
    def passed(self) -> bool:
        """No row failed."""
        return not any(row.verdict == "fail" for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain, for JSON."""
        return {
            "potential": self.potential,
            "sha256": self.sha256,
            "structure": self.formula,
            "passed": self.passed,
            "rows": [row.as_dict() for row in self.rows],
        }


def audit(
    potential: Potential,
    structure: Structure,
    *,
    rng: np.random.Generator,
    settings: CheckSettings | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Audit:
    """Every check of this module on `potential` at `structure` (periodic in three directions).

    rng picks the atoms that move, the rotation, the translation, the order and the velocities.
    progress is told the name of each check before it starts.
    """
    auditor = _Auditor(potential, structure, rng, settings or CheckSettings())
    rows = [auditor.finite()]
    if rows[0].verdict == "pass":
        for name, check in auditor.checks():
            progress(name)
            try:
                rows.extend(check())
            except ZifglassError as error:
                rows.append(Row(name, None, None, "", "fail", f"could not be done: {error}"))
    return Audit(potential.name, potential.sha256, structure.formula, tuple(rows))


def derivative(f: Callable[[float], float], h: float) -> float:
    """f'(0) by the central difference of fourth order with step `h`."""
    return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h)


class _Auditor:
    def __init__(
        self,
        potential: Potential,
        structure: Structure,
        rng: np.random.Generator,
        settings: CheckSettings,
    ) -> None:
        self.potential, self.structure, self.rng, self.settings = (
            potential, structure, rng, settings,
        )  # fmt: skip
        self.base = potential(structure)
        self.volume = structure.volume

    def checks(self) -> Iterator[tuple[str, Callable[[], list[Row]]]]:
        yield "finite-difference forces", self.forces
        yield "finite-difference stress", self.stress
        yield "symmetry", self.symmetry
        yield "extensivity", self.extensivity
        yield "repeatability", self.repeatability
        yield "smoothness at the cutoff", self.smoothness
        yield "constant energy", self.nve
        yield "agreement with the source", self.agreement

    def finite(self) -> Row:
        values = [self.base.energy, *self.base.forces.ravel(), *self.base.stress.ravel()]
        bad = int((~np.isfinite(values)).sum())
        return _row("numbers that are not finite", bad, 0, "")

    def forces(self) -> list[Row]:
        n = len(self.structure)
        atoms = self.rng.choice(n, min(self.settings.directions, n), replace=False)
        worst = 0.0
        for atom in atoms:
            way = self.rng.normal(size=3)
            way /= np.linalg.norm(way)

            def energy(x: float, atom: int = int(atom), way: Array = way) -> float:
                positions = self.structure.positions.copy()
                positions[atom] += x * way
                return self.potential(self.structure.with_positions(positions)).energy

            slope = derivative(energy, self.settings.step)
            worst = max(worst, abs(slope + float(self.base.forces[atom] @ way)))
        largest = float(np.abs(self.base.forces).max())
        limit = max(self.settings.forces * meV, self.settings.relative * largest)
        net = np.abs(self.base.forces.sum(axis=0)).max() / n
        return [
            _row(
                "forces = −dE/dr", worst / meV, limit / meV, "meV/Å",
                f"{len(atoms)} atoms; largest force {largest:.3f} eV/Å",
            ),
            _row("net force per atom", net / meV, 0.1 * self.settings.forces, "meV/Å"),
        ]  # fmt: skip

    def stress(self) -> list[Row]:
        numeric = np.zeros((3, 3))
        for a, b in _SHEARS:
            mode = np.zeros((3, 3))
            mode[a, b] += 0.5
            mode[b, a] += 0.5

            def energy(x: float, mode: Array = mode) -> float:
                cell = self.structure.cell @ (np.eye(3) + x * mode)
                return self.potential(self.structure.scaled_to(cell)).energy

            numeric[a, b] = numeric[b, a] = derivative(energy, self.settings.strain) / self.volume
        worst = np.abs(numeric - self.base.stress).max()
        limit = max(
            self.settings.stress * MPa, self.settings.relative * np.abs(self.base.stress).max()
        )
        skew = np.abs(self.base.stress - self.base.stress.T).max()
        return [
            _row("stress = dE/dε / V", worst / MPa, limit / MPa, "MPa"),
            _row("stress is symmetric", skew / MPa, 0.1 * self.settings.stress, "MPa"),
            self._pressure(numeric),
        ]

    def _pressure(self, numeric: Array) -> Row:
        """Total or virial: the ideal-gas term N kB T/V is what tells them apart."""
        ideal = len(self.structure) * kB * self.settings.temperature / self.volume
        virial = -float(np.trace(numeric)) / 3
        note = (
            f"−dE/dV = {virial / GPa:+.4f} GPa is pressure_virial; atoms moving at "
            f"{self.settings.temperature:g} K add N·kB·T/V = {ideal / GPa:+.4f} GPa, so "
            f"pressure_total = {(virial + ideal) / GPa:+.4f} GPa"
        )
        given = self.base.pressure_virial
        if abs(given - virial - ideal) < 0.1 * ideal:
            note += "; the stress of this potential CONTAINS that kinetic part and must not"
        return Row("virial pressure", given / GPa, None, "GPa", "info", note)

    def symmetry(self) -> list[Row]:
        return [*self._rotation(), *self._translation(), *self._permutation()]

    def _rotation(self) -> list[Row]:
        turn = _rotation(self.rng)
        turned = Structure(
            self.structure.numbers,
            self.structure.positions @ turn,
            self.structure.cell @ turn,
            self.structure.pbc,
        )
        found = self.potential(turned)
        back = Prediction(found.energy, found.forces @ turn.T, turn @ found.stress @ turn.T)
        return self._same("rotation", back)

    def _translation(self) -> list[Row]:
        shift = self.rng.uniform(-1, 1, 3) @ self.structure.cell
        moved = self.structure.with_positions(self.structure.positions + shift)
        if self.structure.pbc.all():
            moved = moved.wrapped()
        return self._same("translation", self.potential(moved))

    def _permutation(self) -> list[Row]:
        order = self.rng.permutation(len(self.structure))
        shuffled = Structure(
            self.structure.numbers[order],
            self.structure.positions[order],
            self.structure.cell,
            self.structure.pbc,
        )
        found = self.potential(shuffled)
        forces = np.empty_like(found.forces)
        forces[order] = found.forces
        return self._same("permutation", Prediction(found.energy, forces, found.stress))

    def extensivity(self) -> list[Row]:
        heights = 1 / np.linalg.norm(np.linalg.inv(self.structure.cell), axis=0)
        repeats = np.ones(3, dtype=int)
        repeats[int(np.argmin(heights))] = 2
        found = self.potential(self.structure.repeat([int(k) for k in repeats]))
        half = Prediction(found.energy / 2, found.forces[: len(self.structure)], found.stress)
        return self._same(f"supercell {'×'.join(map(str, repeats))}", half)

    def _same(self, name: str, found: Prediction) -> list[Row]:
        s = self.settings
        energy = abs(found.energy - self.base.energy) / len(self.structure)
        forces = np.abs(found.forces - self.base.forces).max()
        stress = np.abs(found.stress - self.base.stress).max()
        return [
            _row(f"{name}: energy", energy / meV, s.energy, "meV/atom"),
            _row(f"{name}: forces", forces / meV, s.forces, "meV/Å"),
            _row(f"{name}: stress", stress / MPa, s.stress, "MPa"),
        ]

    def repeatability(self) -> list[Row]:
        # Another structure in between: nothing may be left over from it.
        other = self.structure.positions + self.rng.normal(0, 0.05, self.structure.positions.shape)
        self.potential(self.structure.with_positions(other))
        again = self.potential(self.structure)
        rows = self._same("repeated call", again)
        same = (
            again.energy == self.base.energy
            and np.array_equal(again.forces, self.base.forces)
            and np.array_equal(again.stress, self.base.stress)
        )
        word = "the same bits" if same else "not the same bits"
        return [*rows, Row("repeated call: bits", None, None, "", "info", word)]

    def smoothness(self) -> list[Row]:
        """Two atoms drawn apart through the cutoff: neither energy nor force may jump."""
        cutoff = self.potential.cutoff
        if not cutoff > 0:
            return [Row("smooth at the cutoff", None, None, "", "skipped", "it states no cutoff")]
        kinds = np.unique(self.structure.numbers)
        pair = np.array([kinds[0], kinds[-1]])
        inside, outside = (
            self.potential(
                Structure(pair, np.array([[0.0, 0, 0], [d * cutoff, 0, 0]]), 4 * cutoff * np.eye(3))
            )
            for d in (1 - 1e-3, 1 + 1e-3)
        )
        energy = abs(inside.energy - outside.energy)
        force = np.abs(inside.forces - outside.forces).max()
        s = self.settings
        return [
            _row("cutoff: energy jump", energy / meV / 2, s.energy, "meV/atom"),
            _row("cutoff: force jump", force / meV, s.forces, "meV/Å",
                 f"a pair at {cutoff:g} Å ± 0.1 %"),
        ]  # fmt: skip

    def nve(self) -> list[Row]:
        s = self.settings
        energies, reached = _verlet(self.potential, self.structure, self.rng, s)
        time = np.arange(len(energies)) * s.timestep / ps
        per_atom = energies / len(self.structure) / meV
        slope = float(np.polyfit(time, per_atom, 1)[0])
        rms = float(np.std(per_atom - np.polyval(np.polyfit(time, per_atom, 1), time)))
        note = (
            f"{s.nve_steps} steps of {s.timestep:g} fs from {s.temperature:g} K, mean "
            f"{reached:.0f} K; the total energy varies by {rms:.2g} meV/atom about the line"
        )
        return [_row("energy drift (NVE)", abs(slope), s.drift, "meV/atom/ps", note)]

    def agreement(self) -> list[Row]:
        network = getattr(self.potential, "network", None)
        if network is None:
            return [Row("agreement with the source", None, None, "", "skipped", "no network")]
        found = network.facts.get("agreement") or {"measured": False, "reason": "never asked for"}
        if not found["measured"]:
            note = f"not measured at import: {found['reason']}"
            return [Row("agreement with the source", None, None, "", "info", note)]
        note = (
            f"at import, over {found['structures']} structures, source in {found['precision']}: "
            f"energy {found['energy']:.2g} meV/atom, forces {found['forces']:.2g} meV/Å, stress "
            f"{found['stress']:.2g} MPa"
        )
        return [
            _row("agreement with the source", found["relative"], found["tolerance"], "of the "
                 "largest value", note)
        ]  # fmt: skip


def against(reference: Potential, potential: Potential, structure: Structure) -> list[Row]:
    """`potential` against `reference` on `structure`, with the limits of the compiled engine:
    0.01 meV/atom, 0.05 meV/Å mean and 1 meV/Å at most, 1 MPa."""
    ours, theirs = potential(structure), reference(structure)
    energy = abs(ours.energy - theirs.energy) / len(structure)
    forces = np.abs(ours.forces - theirs.forces)
    stress = np.abs(ours.stress - theirs.stress).max()
    name = f"against {reference.name}"
    return [
        _row(f"{name}: energy", energy / meV, 0.01, "meV/atom"),
        _row(f"{name}: forces, mean", forces.mean() / meV, 0.05, "meV/Å"),
        _row(f"{name}: forces, largest", forces.max() / meV, 1.0, "meV/Å"),
        _row(f"{name}: stress", stress / MPa, 1.0, "MPa"),
    ]


def _row(check: str, value: float, limit: float, unit: str, note: str = "") -> Row:
    # A value that is not a number never passes.
    word: Word = "pass" if value <= limit else "fail"
    return Row(check, float(value), float(limit), unit, word, note)


def _rotation(rng: np.random.Generator) -> Array:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)


def _verlet(
    potential: Potential, structure: Structure, rng: np.random.Generator, s: CheckSettings
) -> tuple[Array, float]:
    """Total energies (steps + 1,) eV of a velocity-Verlet run, and its mean temperature, K."""
    masses = structure.masses[:, None]
    velocities = rng.normal(size=(len(structure), 3)) * np.sqrt(
        kB * s.temperature / (kinetic_unit * masses)
    )
    velocities -= (masses * velocities).sum(axis=0) / masses.sum()
    positions = structure.positions.copy()
    now = potential(structure)
    energies, kinetic = [], []
    for step in range(s.nve_steps + 1):
        if step:
            velocities += 0.5 * s.timestep * now.forces / (kinetic_unit * masses)
            positions = positions + s.timestep * velocities
            now = potential(structure.with_positions(positions))
            velocities += 0.5 * s.timestep * now.forces / (kinetic_unit * masses)
        kinetic.append(0.5 * kinetic_unit * float((masses * velocities**2).sum()))
        energies.append(now.energy + kinetic[-1])
    freedom = max(3 * len(structure) - 3, 1)
    return np.array(energies), 2 * float(np.mean(kinetic)) / (freedom * kB)
