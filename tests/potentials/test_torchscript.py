"""The reader of deployed models: what it reads, what it refuses, that it runs nothing."""

from __future__ import annotations

import io
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import InputError
from zifglass.core.structure import number_of
from zifglass.potentials.importers import read_torchscript
from zifglass.potentials.network import Network


def test_published_model_is_read_as_documented(castel: Network) -> None:
    assert castel.species == tuple(number_of(s) for s in ("H", "C", "N", "Zn"))
    assert castel.cutoff == 6.0
    assert castel.basis.p == 5.0
    assert len(castel.layers) == 5
    assert [len(layer.paths) for layer in castel.layers] == [3, 15, 15, 15, 15]
    assert [layer.radial.outputs for layer in castel.layers] == [96, 480, 480, 480, 480]
    assert castel.facts["training"]["n_train"] == 2375
    assert castel.facts["source"]["nequip"] == "0.5.6"
    # All numbers of the model: its 351,384 parameters and the per-species constants.
    trained = sum(
        item.size
        for name, item in castel.arrays()
        if not name.endswith("source_scale") and name not in ("scales", "shifts")
    )
    assert trained == 351_384


@pytest.fixture
def deployed(published: Path) -> Path:
    return published / "mlp" / "nequip_l2r6stress0.pth"


def rewritten(source: Path, target: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = change(name, old.read(name))
            if content is not None:
                new.writestr(name, content)
    return target


def test_a_file_that_names_other_code_is_refused_and_not_run(
    deployed: Path, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path(marker).touch, ()  # type: ignore[return-value]

    content = io.BytesIO()
    pickle.dump(Evil(), content, protocol=2)
    bad = rewritten(
        deployed,
        tmp_path / "evil.pth",
        lambda name, old: content.getvalue() if name.endswith("/data.pkl") else old,
    )
    with pytest.raises(InputError, match="not on the list of what may be read"):
        read_torchscript(bad)
    assert not marker.exists()


def test_cut_and_damaged_files_are_refused_in_one_sentence(deployed: Path, tmp_path: Path) -> None:
    content = deployed.read_bytes()
    bad = tmp_path / "bad.pth"
    for length in (0, 10, 1000, len(content) // 2, len(content) - 10):
        bad.write_bytes(content[:length])
        with pytest.raises(InputError) as error:
            read_torchscript(bad)
        assert "\n" not in str(error.value)
        assert "bad.pth" in str(error.value)
    bad.write_bytes(b"not a zip file at all")
    with pytest.raises(InputError, match="cut, damaged or another format"):
        read_torchscript(bad)
    with pytest.raises(InputError, match="no such model file"):
        read_torchscript(tmp_path / "nothing.pth")
    rewritten(deployed, bad, lambda name, old: None if "/code/" in name else old)
    with pytest.raises(InputError, match="holds no TorchScript model"):
        read_torchscript(bad)


def test_a_damaged_pickle_never_crashes(deployed: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(deployed) as file:
        name = next(n for n in file.namelist() if n.endswith("/data.pkl"))
        content = bytearray(file.read(name))
    rng = np.random.default_rng(4)
    bad = tmp_path / "bad.pth"
    for position in rng.integers(0, len(content), 60):
        changed = bytearray(content)
        changed[position] ^= 1 << int(rng.integers(8))
        rewritten(deployed, bad, lambda n, old, c=changed: bytes(c) if n == name else old)
        try:
            read_torchscript(bad)
        except InputError as error:
            assert "\n" not in str(error)


def test_species_that_are_no_elements_have_to_be_named(deployed: Path, tmp_path: Path) -> None:
    renamed = rewritten(
        deployed,
        tmp_path / "renamed.pth",
        lambda name, old: (
            old.replace(b"X\x02\x00\x00\x00Zn", b"X\x02\x00\x00\x00Qq")
            if name.endswith("/data.pkl")
            else b"H C N Qq"
            if name.endswith("/type_names")
            else old
        ),
    )
    with pytest.raises(InputError, match="not element symbols"):
        read_torchscript(renamed)
    assert read_torchscript(renamed, species=["H", "C", "N", "Zn"]).species == (1, 6, 7, 30)
    with pytest.raises(InputError, match="has 4 species"):
        read_torchscript(renamed, species=["H"])
    rewritten(
        deployed, renamed, lambda name, old: b"C H N Zn" if name.endswith("/type_names") else old
    )
    with pytest.raises(InputError, match="names its species twice, and differently"):
        read_torchscript(renamed)


def test_a_tensor_larger_than_its_storage_is_refused() -> None:
    from zifglass.potentials.importers.archive import _tensor

    storage = np.arange(6, dtype=np.float32)
    np.testing.assert_array_equal(_tensor(storage, 1, (2, 2), (2, 1)), [[1, 2], [3, 4]])
    for offset, size, stride in (
        (0, (7,), (1,)), (1, (2, 3), (3, 1)), (0, (10**12,), (0,)), (-1, (2,), (1,)),
        (0, (2,), (-1,)),
    ):  # fmt: skip
        with pytest.raises(InputError, match="beyond its storage"):
            _tensor(storage, offset, size, stride)
