"""The commands: what they print and write, their exit status, their sentences."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zifglass.cli import main as cli
from zifglass.core import Structure
from zifglass.potentials.network import Network, load, save

pytest.importorskip("torch", reason="the imports here are compared with torch")

MODELS = Path(__file__).parent / "models"

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command as the shell would: (exit status, standard output, standard error)."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["zifglass", *map(str, arguments)])
        status = 0
        try:
            cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
        out = capsys.readouterr()
        return status, out.out, out.err

    return run


@pytest.fixture
def model(random_network: Callable[..., Network], tmp_path: Path) -> Path:
    network = random_network(
        np.random.default_rng(8), cutoff=3.5, layers=1, hidden="4x0e+4x1e", edges="0e+1e"
    )
    save(network, tmp_path / "small.safetensors")
    return tmp_path / "small.safetensors"


@pytest.fixture
def structure_file(random_structure: Callable[..., Structure], tmp_path: Path) -> Path:
    structure = random_structure(np.random.default_rng(7), atoms=6, density=0.05)
    structure.to_ase().write(tmp_path / "start.xyz", format="extxyz")
    return tmp_path / "start.xyz"


def test_list_tells_origin_licence_and_citation(run: Run) -> None:
    status, out, _ = run("potential", "list")
    assert status == 0
    for word in ("castel2024-nequip", "CC-BY-4.0", "10.1039/D3DD00236E", "adfec32fbca6"):
        assert word in out
    _, out, _ = run("potential", "list", "--json")
    assert "castel2024-nequip" in [model["name"] for model in json.loads(out)]


def test_singlepoint_writes_results_and_predictions(
    run: Run, model: Path, structure_file: Path, tmp_path: Path
) -> None:
    from zifglass.io import read
    from zifglass.potentials import load_potential

    status, out, _ = run(
        "singlepoint", structure_file, "-p", model, "-o", tmp_path / "out", "--dtype", "float64"
    )
    assert status == 0
    assert "pressure_virial (GPa)" in out
    expected = load_potential(model, dtype="float64")(read(structure_file)[0].structure)
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    (frame,) = results["frames"]
    assert frame["energy"]["value"] == pytest.approx(expected.energy, abs=1e-9)
    assert frame["energy"]["unit"] == "eV"
    written = read(tmp_path / "out" / "predictions.xyz")[0]
    np.testing.assert_allclose(written.forces, expected.forces, atol=1e-7)
    np.testing.assert_allclose(written.stress, expected.stress, atol=1e-9)


def test_relax_writes_a_structure_and_says_when_it_did_not_converge(
    run: Run, model: Path, structure_file: Path, tmp_path: Path
) -> None:
    target = tmp_path / "relaxed.xyz"
    status, _, err = run("relax", structure_file, "-p", model, "-o", target, "--set", "max_steps=2")
    assert status == 1
    assert "not converged after 2 steps" in err
    assert target.is_file()
    assert json.loads((tmp_path / "relaxed.xyz.json").read_text())["settings"]["max_steps"] == 2
    status, _, err = run("relax", structure_file, "-p", model, "-o", target, "--what", "box")
    assert status == 2
    assert "relax moves 'atoms' or 'cell'" in err
    status, _, err = run("relax", structure_file, "-p", model, "-o", target, "--set", "max_step=2")
    assert status == 2
    assert "max_steps" in err


def test_import_writes_a_network_with_its_agreement(run: Run, tmp_path: Path) -> None:
    # The small fixtures lack the source that torch would need, so the source cannot run: the
    # import says so and writes nothing.
    target = tmp_path / "network.safetensors"
    status, _, err = run("potential", "import", MODELS / "so3_l1.pth", "-o", target)
    assert status == 1
    assert "the source of this import could not be run" in err
    assert not target.exists()
    status, _, err = run("potential", "import", MODELS / "so3_l1.pth", "-o", tmp_path / "a.pth")
    assert status == 2
    assert "called .safetensors" in err


def test_import_of_the_published_model(run: Run, published: Path, tmp_path: Path) -> None:
    target = tmp_path / "castel.safetensors"
    status, out, _ = run(
        "potential", "import", published / "mlp" / "nequip_l2r6stress0.pth", "-o", target,
        "--licence", "CC-BY-4.0",
    )  # fmt: skip
    assert status == 0
    assert "agrees with its source (float64, 4 structures)" in out
    facts = load(target).facts
    assert facts["licence"] == "CC-BY-4.0"
    assert facts["file"]["sha256"].startswith("adfec32fbca6")
    # 24-bit Wigner tensors in the deployed file: 1e-9 of the largest value is what is left.
    assert facts["agreement"]["relative"] < 1e-8


def test_check_is_a_table_json_and_an_exit_status(
    run: Run, model: Path, structure_file: Path, tmp_path: Path
) -> None:
    status, out, _ = run(
        "potential", "check", model, "--structure", structure_file, "-o", tmp_path / "check.json",
        "--dtype", "float64", "--set", "nve_steps=10", "--set", "directions=2", "--reference",
    )  # fmt: skip
    assert status == 0, out
    assert "forces = −dE/dr" in out
    assert "pressure_total" in out
    assert "against float64 reference" in out
    report = json.loads((tmp_path / "check.json").read_text())
    assert report["passed"] is True
    status, _, err = run(
        "potential", "check", model, "--structure", structure_file, "--dtype", "float64",
        "--set", "nve_steps=10", "--set", "directions=1", "--set", "drift=1e-12",
    )  # fmt: skip
    assert status == 1
    assert "fails: energy drift (NVE)" in err


def test_bench_prints_one_line_per_case(
    run: Run, model: Path, structure_file: Path, tmp_path: Path
) -> None:
    status, _, _ = run(
        "potential", "bench", model, "--structure", structure_file, "--threads", "1",
        "--repeats", "1,2", "--calls", "3", "-o", tmp_path / "bench.json",
    )  # fmt: skip
    assert status == 0
    timings = json.loads((tmp_path / "bench.json").read_text())["timings"]
    assert [t["atoms"] for t in timings] == [6, 48]
    assert all(t["ms_per_call"] > 0 and t["ns_per_day"] > 0 for t in timings)
    status, _, err = run("potential", "bench", model, "--structure", structure_file,
                         "--repeats", "two")  # fmt: skip
    assert status == 2
    assert "whole numbers" in err


def test_fetch_copies_from_a_folder(run: Run, published: Path, tmp_path: Path) -> None:
    status, out, _ = run("potential", "fetch", "castel2024-nequip", "--from-dir", published / "mlp")
    assert status == 0
    assert Path(out.strip()).is_file()
    status, _, err = run("potential", "fetch", "castel", "--from-dir", tmp_path)
    assert status == 2
    assert "no model is called 'castel'" in err


def test_bad_input_is_one_sentence(run: Run, model: Path, tmp_path: Path) -> None:
    (tmp_path / "gold.xyz").write_text(
        '1\nLattice="9 0 0 0 9 0 0 0 9" Properties=species:S:1:pos:R:3 pbc="T T T"\nAu 0 0 0\n'
    )
    status, _, err = run("singlepoint", tmp_path / "gold.xyz", "-p", model)
    assert status == 2
    assert "knows H C N Zn; atom 0 is Au" in err
    assert "Traceback" not in err
    status, _, err = run("singlepoint", tmp_path / "gold.xyz", "-p", model, "--dtype", "half")
    assert status == 2
    assert "--dtype is float32 or float64" in err
