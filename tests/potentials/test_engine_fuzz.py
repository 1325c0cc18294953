"""Whatever arrives at the engine's arrays and at its reader of lowered networks: a result or one
sentence, never a crash. `.ci/sanitize` runs this file under the sanitizers."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from zifglass import _native
from zifglass.core import InputError
from zifglass.potentials.engine import EnginePotential
from zifglass.potentials.lowering import lower
from zifglass.potentials.network import Network

QUICK = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
NUMBERS = st.one_of(
    st.floats(-8, 8),
    st.sampled_from([0.0, -0.0, 1e-320, 1e-8, 1e5, 1e18, 1e300, np.inf, -np.inf, np.nan]),
)
CELLS = st.one_of(
    arrays.arrays(np.float64, (3, 3), elements=NUMBERS),
    st.floats(0.5, 30).map(lambda a: a * np.eye(3)),
    st.tuples(st.floats(2, 9), st.floats(-3, 3)).map(
        lambda x: x[0] * np.array([[1, 0, 0], [x[1], 1, 0], [-x[1], x[1], 1.0]])
    ),
)


@pytest.fixture(scope="module")
def network(random_network: Callable[..., Network]) -> Network:
    return random_network(
        np.random.default_rng(0), hidden="5x0e+3x1o+2x2e", edges="0e+1o+2e", cutoff=3.0
    )


@pytest.fixture(scope="module")
def potential(network: Network) -> EnginePotential:
    return EnginePotential(network, threads=1)


@QUICK
@given(data=st.data(), cell=CELLS, pbc=st.tuples(st.booleans(), st.booleans(), st.booleans()))
def test_any_positions_and_cells(
    potential: EnginePotential, data: st.DataObject, cell: Any, pbc: tuple[bool, bool, bool]
) -> None:
    atoms = data.draw(st.integers(0, 7))
    positions = data.draw(arrays.arrays(np.float64, (atoms, 3), elements=NUMBERS))
    types = data.draw(arrays.arrays(np.int32, atoms, elements=st.integers(-1, 4)))
    try:
        prediction = potential.evaluate(types, positions, cell, pbc)
    except InputError as error:
        assert "\n" not in str(error)
        return
    assert np.isfinite(prediction.energy)
    assert prediction.forces.shape == (atoms, 3)
    # Close atoms repel with any finite force; what is finite must add up to nothing.
    largest = np.abs(prediction.forces).max(initial=1.0)
    assert np.abs(prediction.forces.sum(axis=0)).max() <= 1e-12 * largest * (atoms + 1) * 100


@QUICK
@given(
    types=st.one_of(
        arrays.arrays(st.sampled_from([np.int64, np.float32, np.bool_, np.uint8]), (2,)),
        arrays.arrays(np.int32, arrays.array_shapes(max_side=3)),
        st.just([[0], [1]]),
        st.none(),
    ),
    positions=arrays.arrays(
        st.sampled_from([np.int32, np.float32, np.complex128, np.bool_]),
        arrays.array_shapes(max_dims=3, max_side=4),
    ),
)
def test_any_shape_and_type_of_array(
    potential: EnginePotential, types: Any, positions: Any
) -> None:
    try:
        potential.evaluate(types, positions, 9 * np.eye(3))
    except InputError as error:
        assert "\n" not in str(error)


@QUICK
@given(data=st.data())
def test_any_description_of_a_network(network: Network, data: st.DataObject) -> None:
    description = copy.deepcopy(lower(network, dtype="float32"))
    for _ in range(data.draw(st.integers(1, 3))):
        _damage(description, data)
    try:
        engine = _native.Engine(description, "float32", "auto", 0.5, 0.4)
    except (ValueError, TypeError, KeyError, RuntimeError):
        return
    # What was accepted must run: an entry may have been replaced by another good one.
    types = np.zeros(3, dtype=np.int32)
    positions = np.array([[0.0, 0, 0], [1.2, 0, 0], [0, 1.4, 0.3]])
    try:
        engine.compute(types, positions, (6 * np.eye(3)).ravel().tolist(), [True] * 3, 1)
    except ValueError as error:
        assert "\n" not in str(error)


def _damage(node: Any, data: st.DataObject) -> None:
    """Replace one thing somewhere inside by something else of a related kind, in place."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = data.draw(st.sampled_from(keys))
        child = node[key]
        if isinstance(child, tuple):
            child = node[key] = list(child)
        if isinstance(child, (dict, list)) and child and data.draw(st.integers(0, 5)):
            node = child
            continue
        node[key] = data.draw(_replacement(child))
        return


def _replacement(value: Any) -> st.SearchStrategy[Any]:
    others = st.sampled_from([None, "", -1, 0, 1, 2, 7, 10**6, 2**40, np.nan, np.inf, 0.5, [], {}])
    if isinstance(value, np.ndarray):
        return st.one_of(
            others,
            st.sampled_from([value[:-1], value.ravel(), value * np.nan, value[..., :1], value.T]),
        )
    if isinstance(value, list) and value:
        return st.one_of(others, st.just(value[:-1]), st.just(value + value[:1]))
    return others
