"""`load_potential`, the catalogue, ASE on both sides."""

from __future__ import annotations

import http.server
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import zifglass
from zifglass.core import InputError, Potential, Prediction, Structure, ZifglassError
from zifglass.potentials import (
    AseCalculatorPotential,
    ase_calculator,
    catalogue,
    load_network,
    load_potential,
)
from zifglass.potentials.network import Network, save

MODELS = Path(__file__).parent / "models"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "zifglass"


def test_importing_the_room_loads_no_heavy_package() -> None:
    code = (
        "import sys, zifglass, zifglass.potentials; "
        "print([m for m in ('torch', 'nequip', 'e3nn', 'matplotlib', 'ase.calculators') "
        "if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.fixture
def saved(random_network: Callable[..., Network], tmp_path: Path) -> Path:
    network = random_network(np.random.default_rng(8), cutoff=3.5)
    save(network, tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


@pytest.fixture
def structure(random_structure: Callable[..., Structure]) -> Structure:
    return random_structure(np.random.default_rng(7), atoms=9, density=0.06)


def test_a_network_file_becomes_a_potential(saved: Path, structure: Structure) -> None:
    potential = load_potential(saved, dtype="float64")
    assert isinstance(potential, Potential)
    assert potential.name == "mine.safetensors"
    assert potential.species == (1, 6, 7, 30)
    assert potential.cutoff == 3.5
    assert potential.sha256 == load_network(saved).sha256
    assert isinstance(potential(structure), Prediction)


def test_names_and_paths_that_lead_nowhere(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"the named models are .*castel2024-nequip"):
        load_potential("castel2023")
    with pytest.raises(InputError, match="no such model file"):
        load_potential(tmp_path / "missing.pth")
    with pytest.raises(InputError, match="no such network file"):
        load_potential(tmp_path / "missing.safetensors")
    (tmp_path / "model.onnx").write_bytes(b"")
    with pytest.raises(InputError, match="unknown kind of model"):
        load_potential(tmp_path / "model.onnx")
    (tmp_path / "m.nequip.pt2").write_bytes(b"")
    with pytest.raises(InputError, match="this model is compiled"):
        load_potential(tmp_path / "m.nequip.pt2")
    (tmp_path / "m.nequip.zip").write_bytes(b"")
    with pytest.raises(InputError, match="runs the code inside it"):
        load_potential(tmp_path / "m.nequip.zip")


def test_imported_networks_are_cached_and_a_damaged_cache_is_mended(
    own_cache: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from zifglass.potentials import loading

    calls: list[Path] = []

    def counted(path: Path) -> Network:
        from zifglass.potentials.importers import read_torchscript

        calls.append(path)
        return read_torchscript(path)

    monkeypatch.setattr(loading, "import_model", counted)
    source = MODELS / "so3_l1.pth"
    first, second = load_network(source), load_network(source)
    assert len(calls) == 1
    assert first.sha256 == second.sha256
    (kept,) = (own_cache / "networks").glob("*.safetensors")
    kept.write_bytes(kept.read_bytes()[:-5])
    assert load_network(source).sha256 == first.sha256
    assert len(calls) == 2
    assert "importing the model again" in caplog.text
    load_network(source)
    assert len(calls) == 2


def test_without_write_access_it_works_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from zifglass.potentials import loading
    from zifglass.potentials.importers import read_torchscript

    monkeypatch.setattr(loading, "import_model", read_torchscript)
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert load_network(MODELS / "so3_l1.pth").species == (1, 6, 7, 30)
    assert "cannot be kept, so it is imported again each time" in caplog.text


# -- the catalogue ---------------------------------------------------------------------------

CONTENT = bytes(np.random.default_rng(0).integers(0, 256, 300_000, dtype=np.uint8))


class Server(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT; knows ranges; can break off."""

    breaks: bool = False
    wrong: bool = False
    requested: list[str | None]

    def do_GET(self) -> None:
        start = 0
        wanted = self.headers.get("Range")
        type(self).requested.append(wanted)
        if wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.send_response(206 if wanted else 200)
        self.send_header("Content-Length", str(len(CONTENT) - start))
        self.end_headers()
        body = CONTENT[start:]
        if type(self).wrong:
            body = bytes(len(body))
        self.wfile.write(body[:100_000] if type(self).breaks else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Server]]:
    """A catalogue whose one model lies on a server of this test."""
    import hashlib

    Server.breaks, Server.wrong, Server.requested = False, False, []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        item = replace(
            catalogue.entries()[0],
            name="test-model",
            file="test/model.pth",
            url=f"http://127.0.0.1:{server.server_address[1]}/model.pth",
            sha256=hashlib.sha256(CONTENT).hexdigest(),
            size=len(CONTENT),
        )
        monkeypatch.setattr(catalogue, "_CATALOGUE", (item,))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield Server
        server.shutdown()


def test_download_is_verified_and_found_again(served: type[Server], own_cache: Path) -> None:
    path = catalogue.fetch("test-model")
    assert path == own_cache / "data" / "test" / "model.pth"
    assert path.read_bytes() == CONTENT
    assert catalogue.fetch("test-model") == path
    assert len(served.requested) == 1


def test_a_broken_download_goes_on_where_it_stopped(served: type[Server], own_cache: Path) -> None:
    served.breaks = True
    with pytest.raises(ZifglassError, match="try again to go on where it stopped"):
        catalogue.fetch("test-model")
    served.breaks = False
    assert catalogue.fetch("test-model").read_bytes() == CONTENT
    first, again = served.requested
    # Whole blocks of 64 KiB were kept of the 100,000 bytes that came.
    assert (first, again) == (None, "bytes=65536-")


def test_a_wrong_checksum_is_never_used(
    served: type[Server], own_cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.wrong = True
    with pytest.raises(InputError, match="wrong checksum and was thrown away"):
        catalogue.fetch("test-model")
    assert not (own_cache / "data" / "test" / "model.pth").exists()
    monkeypatch.setenv("ZIFGLASS_DATA", str(tmp_path / "data"))
    wrong = tmp_path / "data" / "test" / "model.pth"
    wrong.parent.mkdir(parents=True)
    wrong.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match="not the published test-model: its SHA-256"):
        load_potential("test-model")


def test_from_dir_serves_machines_without_network(
    served: type[Server], own_cache: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"zifglass potential fetch test-model"):
        load_potential("test-model")
    folder = tmp_path / "stick"
    folder.mkdir()
    with pytest.raises(InputError, match=r"no model\.pth here"):
        catalogue.fetch("test-model", from_dir=folder)
    (folder / "model.pth").write_bytes(CONTENT)
    path = catalogue.fetch("test-model", from_dir=folder)
    assert path.read_bytes() == CONTENT
    assert catalogue.locate(catalogue.entry("test-model")) == path
    assert not served.requested


def test_an_unreachable_server_is_one_sentence(
    served: type[Server], monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = replace(catalogue.entries()[0], url="http://127.0.0.1:9/model.pth")
    monkeypatch.setattr(catalogue, "_CATALOGUE", (dead,))
    with pytest.raises(ZifglassError, match="could not download test-model") as error:
        catalogue.fetch("test-model")
    assert "\n" not in str(error.value)


def test_the_published_model_is_described(published: Path) -> None:
    item = catalogue.entry("castel2024-nequip")
    assert catalogue.locate(item) == published / "mlp" / "nequip_l2r6stress0.pth"
    assert item.licence == "CC-BY-4.0"
    assert item.size == (published / "mlp" / "nequip_l2r6stress0.pth").stat().st_size


# -- ASE -------------------------------------------------------------------------------------


def test_ase_calculator_gives_the_same_numbers(saved: Path, structure: Structure) -> None:
    potential = load_potential(saved, dtype="float64")
    expected = potential(structure)
    atoms = structure.to_ase()
    atoms.calc = ase_calculator(potential)
    assert atoms.get_potential_energy() == expected.energy
    assert atoms.get_potential_energy(force_consistent=True) == expected.energy
    np.testing.assert_array_equal(atoms.get_forces(), expected.forces)
    np.testing.assert_array_equal(atoms.get_potential_energies(), expected.energies)
    np.testing.assert_allclose(atoms.get_stress(voigt=False), expected.stress, atol=1e-15)
    s = expected.stress
    voigt = [s[0, 0], s[1, 1], s[2, 2], s[1, 2], s[0, 2], s[0, 1]]
    np.testing.assert_array_equal(atoms.get_stress(), voigt)
    assert atoms.calc.name == "mine.safetensors"


def test_a_molecule_without_a_cell_has_energy_and_forces(saved: Path) -> None:
    from ase import Atoms
    from ase.calculators.calculator import PropertyNotImplementedError

    atoms = Atoms("CN", [[0, 0, 0], [1.2, 0, 0]])
    atoms.calc = ase_calculator(load_potential(saved, dtype="float64"))
    boxed = Structure(atoms.numbers, atoms.positions, np.eye(3) * 30)
    expected = load_potential(saved, dtype="float64")(boxed)
    assert atoms.get_potential_energy() == pytest.approx(expected.energy, abs=1e-11)
    np.testing.assert_allclose(atoms.get_forces(), expected.forces, atol=1e-11)
    with pytest.raises(PropertyNotImplementedError):
        atoms.get_stress()


def test_any_ase_calculator_is_a_potential() -> None:
    from ase.build import bulk
    from ase.calculators.emt import EMT

    atoms = bulk("Cu", cubic=True) * (2, 2, 2)
    atoms.rattle(0.1, seed=1)
    structure = Structure.from_ase(atoms)
    potential = AseCalculatorPotential(EMT(), species=["Cu", "Au"])
    assert isinstance(potential, Potential)
    found = potential(structure)
    atoms.calc = EMT()
    assert found.energy == pytest.approx(atoms.get_potential_energy(), rel=1e-13)
    np.testing.assert_allclose(found.forces, atoms.get_forces(), atol=1e-13)
    np.testing.assert_allclose(found.stress, atoms.get_stress(voigt=False), atol=1e-15)
    with pytest.raises(InputError, match="EMT knows Cu Au; atom 0 is Zn"):
        potential(Structure([30], [[0, 0, 0]], np.eye(3) * 5))
    assert potential.sha256 == AseCalculatorPotential(EMT()).sha256
    assert potential.sha256 != AseCalculatorPotential(EMT(asap_cutoff=True)).sha256


def test_public_names() -> None:
    assert zifglass.load_potential is load_potential
    assert zifglass.ase_calculator is ase_calculator
