from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from zifglass.abinitio import read_single_point
from zifglass.abinitio.inputs import structure_in
from zifglass.abinitio.output import error_message, unconverged_steps
from zifglass.abinitio.sections import parse, read_input
from zifglass.core import InputError
from zifglass.core.units import GPa, bohr, hartree

names = {
    "minus1": "zif4_crystal_volume_minus1",
    "0": "zif4_crystal",
    "plus1": "zif4_crystal_volume_plus1",
}


def test_energy_forces_and_stress_of_the_crystal(data: Path) -> None:
    result = read_single_point(data / "dft" / "zif4_crystal.out")
    assert result.energy / hartree == pytest.approx(-2208.007596506879509, abs=1e-12)
    assert result.version == "CP2K version 2023.1"
    assert result.scf_steps == 37
    assert result.forces is not None and result.stress is not None
    # first atom and sum of the table, as printed by CP2K
    first = np.array([-0.02979485, 0.00437376, 0.00239553])
    assert np.allclose(result.forces[0] * bohr / hartree, first, atol=1e-12)
    total = np.array([0.00280908, -0.00037702, 0.00099079])
    assert np.allclose(result.forces.sum(axis=0) * bohr / hartree, total, atol=3e-8 * 272)
    # tension positive: the printed tensor with the other sign, shear included
    assert result.stress[0, 0] / GPa == pytest.approx(-0.128728541016, abs=1e-12)
    assert result.stress[0, 2] / GPa == pytest.approx(-0.316849288809, abs=1e-12)
    assert result.stress[2, 0] == result.stress[0, 2]


def test_positions_and_cell_in_the_output_are_those_of_the_input(data: Path) -> None:
    result = read_single_point(data / "dft" / "zif4_crystal.out")
    given = structure_in(read_input(data / "dft" / "zif4_crystal.inp"))
    assert np.array_equal(result.structure.numbers, given.numbers)
    assert np.abs(result.structure.positions - given.positions).max() < 1e-6
    assert np.abs(result.structure.cell - given.cell).max() < 1e-3


def test_pressure_is_minus_the_slope_of_the_energy(data: Path) -> None:
    """Simpson's rule over V −1 %, V, V +1 % of the printed pressures gives the energy lost.

    With SCF gradients of 1e-5 the energies are good to about 1e-4 Ha (their last change), that
    is 0.005 GPa over 2 % of the volume; a wrong sign would be off by 0.25 GPa, and by 1.6 GPa
    at the ends.
    """
    results = [read_single_point(data / "dft" / f"{name}.out") for name in names.values()]
    inputs = [read_input(data / "dft" / f"{name}.inp") for name in names.values()]
    volumes = [structure_in(item).volume for item in inputs]
    pressures = [result.pressure_virial / GPa for result in results]
    assert pressures == pytest.approx([0.803, -0.133, -1.027], abs=5e-4)
    slope = -(results[2].energy - results[0].energy) / (volumes[2] - volumes[0]) / GPa
    assert slope == pytest.approx(-0.121, abs=5e-4)
    simpson = (pressures[0] + 4 * pressures[1] + pressures[2]) / 6
    assert slope == pytest.approx(simpson, abs=0.01)


def test_diagonal_stress_has_no_shear(data: Path) -> None:
    diagonal = parse("&FORCE_EVAL\n STRESS_TENSOR DIAGONAL_ANALYTICAL\n&END\n")
    stress = read_single_point(data / "dft" / "zif4_crystal.out", cp2k_input=diagonal).stress
    assert stress is not None
    assert np.isfinite(np.diag(stress)).all()
    assert np.isnan(stress[~np.eye(3, dtype=bool)]).all()


def test_shear_printed_as_zero_is_absent(data: Path, tmp_path: Path) -> None:
    text = (data / "dft" / "zif4_crystal.out").read_text()
    for value in ("-1.87237183379E-01", "3.16849288809E-01", "-1.06815425712E-01"):
        text = text.replace(value, " 0.00000000000E+00")
    path = tmp_path / "zero.out"
    path.write_text(text)
    stress = read_single_point(path).stress
    assert stress is not None and np.isnan(stress[0, 1]) and stress[1, 1] / GPa > 0.6


def test_other_layouts_of_cp2k_give_the_same(data: Path, tmp_path: Path) -> None:
    """The same numbers as CP2K 2024 and as CP2K 7 write them."""
    text = (data / "dft" / "zif4_crystal.out").read_text()
    reference = read_single_point(data / "dft" / "zif4_crystal.out")
    assert reference.forces is not None and reference.stress is not None
    start, stop = text.index(" ATOMIC FORCES in"), text.index(" SUM OF ATOMIC FORCES")
    rows = [line.split() for line in text[start:stop].splitlines()[3:] if line.strip()]
    table = "".join(
        f" FORCES| {row[0]:>6} {row[3]:>15}E+00 {row[4]:>15}E+00 {row[5]:>15}E+00  1.0E+00\n"
        for row in rows
    )
    head = " FORCES| Atomic forces [hartree/bohr]\n FORCES|   Atom     x     y     z     |f|\n"
    new = text[:start] + head + table + text[stop:]
    new = new.replace("energy [a.u.]:", "energy [hartree]")
    (tmp_path / "new.out").write_text(new)
    start = text.index(" STRESS| Analytical stress tensor [GPa]")
    stop = text.index(" STRESS| 1/3 Trace")
    block = [line.split() for line in text[start:stop].splitlines()[2:]]
    old_rows = "".join(f"  {b[1].upper()}  {b[2]}  {b[3]}  {b[4]}\n" for b in block)
    old = text[:start] + " STRESS TENSOR [GPa]\n\n    X   Y   Z\n" + old_rows + text[stop:]
    (tmp_path / "old.out").write_text(old)
    for name in ("new.out", "old.out"):
        other = read_single_point(tmp_path / name)
        assert other.energy == reference.energy
        assert other.forces is not None and np.array_equal(other.forces, reference.forces)
        assert other.stress is not None and np.array_equal(other.stress, reference.stress)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("SCF run converged in    37 steps", "SCF run NOT converged", "did not converge"),
        ("PROGRAM ENDED AT", "", "cut short"),
        ("ENERGY| Total FORCE_EVAL", "", "holds no energy"),
        (
            "stress tensor [GPa]\n STRESS|                        x",
            "stress tensor [stone]",
            "unknown unit",
        ),
        ("CP2K|", "", "not the output of CP2K"),
    ],
)
def test_bad_outputs_are_refused(
    data: Path, tmp_path: Path, old: str, new: str, words: str
) -> None:
    text = (data / "dft" / "zif4_crystal.out").read_text()
    assert old in text
    path = tmp_path / "bad.out"
    path.write_text(text.replace(old, new))
    with pytest.raises(InputError, match=words) as caught:
        read_single_point(path)
    assert str(path) in str(caught.value)


def test_cp2ks_own_words_are_quoted(tmp_path: Path) -> None:
    path = tmp_path / "abort.out"
    path.write_text(
        " *******************\n *   ___            *\n *  /   \\           *\n"
        " * [ABORT]          *\n *  \\___/  The requested atomic potential <X> was not *\n"
        " *    |        found in the file            *\n *  O/|     *\n * /| |    *\n"
        " * / \\          subsys/external_potential_types.F:2324 *\n *****************\n"
    )
    assert error_message(path) == "The requested atomic potential <X> was not found in the file"
    with pytest.raises(InputError, match="CP2K stopped: The requested atomic potential <X>"):
        read_single_point(path)


def test_unconverged_steps_of_a_run(tmp_path: Path) -> None:
    good, bad = "*** SCF run converged in 9 steps ***\n", "*** WARNING: SCF run NOT converged ***\n"
    path = tmp_path / "md.out"
    header = "CP2K| version\n"
    begins = " MD_INI| MD initialization\n"

    def step(number: int) -> str:
        return f" MD| Step number      {number}\n"

    path.write_text(header + bad + begins + good + step(1) + bad + step(2) + good + step(3) + bad)
    assert unconverged_steps(path) == (0, 2)
    path.write_text(header + bad + begins + bad + step(8) + good + step(9))
    assert unconverged_steps(path) == (7, 8)
    path.write_text(header + good + begins + good + step(1))
    assert unconverged_steps(path) == ()
