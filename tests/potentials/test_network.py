"""The network as data: its mathematics, its file, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from zifglass.core import InputError
from zifglass.potentials.network import (
    Activation,
    Block,
    Linear,
    Network,
    harmonics,
    load,
    save,
    wigner_3j,
)


def rotation(rng: np.random.Generator) -> np.ndarray:
    q, r = np.linalg.qr(rng.normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.linalg.det(q)


def harmonics_of(vectors: np.ndarray, order: int) -> np.ndarray:
    return np.stack(harmonics(*vectors.T, order)[order], axis=-1)


def wigner_d(turn: np.ndarray, order: int) -> np.ndarray:
    """D with Y(R v) = Y(v) Dᵀ, from the harmonics themselves."""
    vectors = np.random.default_rng(0).normal(size=(40, 3))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    solution = np.linalg.lstsq(
        harmonics_of(vectors, order), harmonics_of(vectors @ turn.T, order), rcond=None
    )
    return solution[0].T


def test_harmonics_are_orthogonal_with_component_normalisation() -> None:
    # Gauss-Legendre in y (the polar axis) and even steps in azimuth integrate degree 6 exactly.
    nodes, weights = np.polynomial.legendre.leggauss(8)
    angle = 2 * np.pi * np.arange(16) / 16
    y, phi = (a.ravel() for a in np.meshgrid(nodes, angle, indexing="ij"))
    ring = np.sqrt(1 - y**2)
    vectors = np.stack([ring * np.sin(phi), y, ring * np.cos(phi)], axis=1)
    mean = np.repeat(weights, 16) / 32
    values = np.concatenate([harmonics_of(vectors, order) for order in range(4)], axis=1)
    np.testing.assert_allclose(values.T @ (mean[:, None] * values), np.eye(16), atol=1e-13)


@pytest.mark.parametrize(
    "orders", [o for o in product(range(4), repeat=3) if abs(o[0] - o[1]) <= o[2] <= o[0] + o[1]]
)
def test_wigner_3j_is_invariant_and_normal(orders: tuple[int, int, int]) -> None:
    tensor = wigner_3j(*orders)
    assert np.linalg.norm(tensor) == pytest.approx(1.0, abs=1e-14)
    turn = rotation(np.random.default_rng(3))
    d1, d2, d3 = (wigner_d(turn, order) for order in orders)
    turned = np.einsum("ijk,ia,jb,kc->abc", tensor, d1, d2, d3)
    np.testing.assert_allclose(turned, tensor, atol=1e-12)


def test_wigner_3j_and_harmonics_are_those_of_e3nn() -> None:
    o3 = pytest.importorskip("e3nn.o3", reason="e3nn is not installed")
    torch = pytest.importorskip("torch")
    for orders in product(range(4), repeat=3):
        if abs(orders[0] - orders[1]) <= orders[2] <= orders[0] + orders[1]:
            theirs = o3.wigner_3j(*orders, dtype=torch.float64).numpy()
            np.testing.assert_allclose(wigner_3j(*orders), theirs, atol=1e-14)
    vectors = np.random.default_rng(1).normal(size=(20, 3))
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    for order in range(4):
        theirs = o3.spherical_harmonics(
            order, torch.as_tensor(vectors), normalize=True, normalization="component"
        )
        np.testing.assert_allclose(harmonics_of(vectors, order), theirs.numpy(), atol=1e-13)


def test_orders_that_do_not_couple_are_refused() -> None:
    with pytest.raises(ValueError, match="do not couple"):
        wigner_3j(0, 1, 2)


@pytest.fixture
def network(random_network: Callable[..., Network]) -> Network:
    return random_network(np.random.default_rng(5), hidden="4x0e+4x0o+3x1e+4x1o", edges="0e+1o")


def test_file_round_trip_is_exact(network: Network, tmp_path: Path) -> None:
    save(network, tmp_path / "a.safetensors")
    again = load(tmp_path / "a.safetensors")
    assert again.sha256 == network.sha256
    assert again.facts == network.facts
    for (name, mine), (name_again, theirs) in zip(network.arrays(), again.arrays(), strict=True):
        assert name == name_again
        np.testing.assert_array_equal(mine, theirs)
    assert again.layers[0].paths == network.layers[0].paths
    assert again.layers[-1].irreps_out == network.layers[-1].irreps_out


def test_facts_are_no_part_of_the_identity(network: Network) -> None:
    assert replace(network, facts={"other": 1}).sha256 == network.sha256
    assert replace(network, shifts=network.shifts + 1e-12).sha256 != network.sha256
    assert replace(network, cutoff=np.nextafter(network.cutoff, 9)).sha256 != network.sha256


def test_cut_files_are_refused_in_one_sentence(network: Network, tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save(network, whole)
    content = whole.read_bytes()
    cut = tmp_path / "cut.safetensors"
    for length in [0, 1, 7, 8, 100, len(content) // 2, len(content) - 1]:
        cut.write_bytes(content[:length])
        with pytest.raises(InputError, match="cut or damaged") as error:
            load(cut)
        assert "\n" not in str(error.value)


def test_flipped_bits_never_pass(network: Network, tmp_path: Path) -> None:
    whole = tmp_path / "whole.safetensors"
    save(network, whole)
    content = bytearray(whole.read_bytes())
    rng = np.random.default_rng(2)
    damaged = tmp_path / "damaged.safetensors"
    for position in rng.integers(0, len(content), 150):
        changed = bytearray(content)
        changed[position] ^= 1 << int(rng.integers(8))
        damaged.write_bytes(changed)
        try:
            found = load(damaged)
        except InputError:
            continue
        # Only the facts (no part of the checksum) may change unnoticed.
        assert found.sha256 == network.sha256


def rewrite(source: Path, target: Path, **changes: str) -> None:
    from safetensors import safe_open
    from safetensors.numpy import save_file

    with safe_open(source, framework="numpy") as file:
        header = file.metadata() | changes
        save_file({k: file.get_tensor(k) for k in file.keys()}, target, metadata=header)  # noqa: SIM118


def test_other_versions_and_formats_are_refused(network: Network, tmp_path: Path) -> None:
    source, target = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    save(network, source)
    rewrite(source, target, version="2")
    with pytest.raises(InputError, match="has version 2; this release reads version 1"):
        load(target)
    rewrite(source, target, format="pt")
    with pytest.raises(InputError, match="does not hold a network"):
        load(target)
    rewrite(source, target, structure="{")
    with pytest.raises(InputError, match="damaged"):
        load(target)
    rewrite(source, target, structure=json.dumps({"species": "many"}))
    with pytest.raises(InputError, match="damaged"):
        load(target)
    with pytest.raises(InputError, match="no such network file"):
        load(tmp_path / "nothing")


def test_parts_that_do_not_fit_are_refused(network: Network) -> None:
    with pytest.raises(InputError, match="different atomic numbers"):
        replace(network, species=(1, 1, 7, 30))
    with pytest.raises(InputError, match="cutoff is a positive distance"):
        replace(network, cutoff=0.0)
    with pytest.raises(InputError, match="not finite"):
        replace(network, shifts=np.full(4, np.nan))
    with pytest.raises(InputError, match="does not take what layer 0 gives"):
        replace(network, layers=(network.layers[0],) * 2)
    layer = network.layers[1]
    with pytest.raises(InputError, match="leads from a block to a block"):
        replace(layer, up=(Linear(0, 99, np.zeros((4, 4))),))
    with pytest.raises(InputError, match="no tensor-product path"):
        replace(layer, paths=(replace(layer.paths[0], l=3),))
    with pytest.raises(InputError, match="too few outputs"):
        replace(layer, paths=(replace(layer.paths[0], slot=10_000),))
    with pytest.raises(InputError, match="same blocks before and after"):
        replace(network.layers[0], residual=True)
    with pytest.raises(InputError, match="unknown activation 'relu'"):
        Activation("relu")
    with pytest.raises(InputError, match="order of 0 to 3"):
        Block(1, 4, 1)


def test_arrays_are_read_only(network: Network) -> None:
    for _, array in network.arrays():
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
