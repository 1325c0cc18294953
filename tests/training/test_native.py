"""Native training: operation, network and gradient, each against an independent form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("nequip", reason="nequip is not installed: pip install 'zifglass[train]'")
torch = pytest.importorskip("torch")

from zifglass import _native, read  # noqa: E402
from zifglass.potentials.engine import instruction_sets  # noqa: E402
from zifglass.potentials.network import Network, wigner_3j  # noqa: E402
from zifglass.potentials.reference import ReferencePotential  # noqa: E402
from zifglass.training import LossWeights, NequipModel, TrainingSettings  # noqa: E402
from zifglass.training.dataset_facts import dataset_facts  # noqa: E402
from zifglass.training.native.descent import Descent, descend  # noqa: E402
from zifglass.training.native.frames import Sample, batch_of, samples_of  # noqa: E402
from zifglass.training.native.gradient import accumulate, errors_of  # noqa: E402
from zifglass.training.native.module import TrainableNetwork  # noqa: E402
from zifglass.training.native.start import fresh_network  # noqa: E402

CUTOFF = 4.0
WEIGHTS = LossWeights(forces=1.0, energy=2.0, stress=50.0)


def model(**changes: object) -> NequipModel:
    common = {
        "cutoff": CUTOFF, "layers": 2, "features": (16, 16, 16), "parity": "o3_restricted",
        "radial_depth": 1, "radial_width": 8, "bessels_trainable": False,
    }  # fmt: skip
    return NequipModel(**common | changes)


@pytest.fixture(scope="module")
def network(data: tuple[Path, Path]) -> Network:
    facts = dataset_facts([read(data[0])], cutoff=CUTOFF)
    return fresh_network(model(), facts, seed=3)


@pytest.fixture(scope="module")
def samples(data: tuple[Path, Path], network: Network) -> list[Sample]:
    return samples_of(read(data[0]), network.species, cutoff=CUTOFF)


def cubic(table: np.ndarray, start: float, step: float, r: np.ndarray) -> tuple[np.ndarray, ...]:
    """Lagrange's cubic through the four knots around each r, and its slope."""
    row = np.floor((r - start) / step).astype(int) - 1
    values, slopes = [], []
    for k, x in zip(row, r, strict=True):
        knots = start + step * (k + np.arange(4))
        polynomial = [np.polyfit(knots - x, table[k : k + 4, c], 3) for c in range(table.shape[1])]
        values.append([p[3] for p in polynomial])
        slopes.append([p[2] for p in polynomial])
    return np.array(values), np.array(slopes)


@pytest.mark.parametrize("isa", instruction_sets())
@pytest.mark.parametrize(
    "orders",
    [(a, b, c) for a in range(3) for b in range(3) for c in range(abs(a - b), min(2, a + b) + 1)],
)
def test_tensor_product_and_gradients_against_einsum(isa: str, orders: tuple[int, ...]) -> None:
    l1, l2, l3 = orders
    d1, d2, d3 = (2 * order + 1 for order in orders)
    rng = np.random.default_rng(7)
    atoms, edges, channels, knots, start, step = 4, 9, 32, 12, 1.0, 0.25

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    x, y, table = draw(atoms, d1 * channels), draw(edges, 9), draw(knots, channels)
    r = rng.uniform(1.3, 3.2, edges).astype(np.float32)
    pairs = rng.integers(0, atoms, (2, edges)).astype(np.int32)
    path = (l1, l2, l3, channels, 0, channels, 0, channels, 0)
    message = np.zeros((atoms, d3 * channels), np.float32)
    _native.product_forward(isa, [path], start, step, x, y, r, table, pairs, message)

    weight, slope = cubic(table.astype(float), start, step, r.astype(float))
    coupling = wigner_3j(l1, l2, l3)
    source = x.reshape(atoms, d1, channels)[pairs[1]].astype(float)
    turn = y[:, l2 * l2 : l2 * l2 + d2].astype(float)
    each = np.einsum("abc,eau,eb->ecu", coupling, source, turn)
    expected = np.zeros((atoms, d3, channels))
    np.add.at(expected, pairs[0], each * weight[:, None, :])
    np.testing.assert_allclose(message, expected.reshape(atoms, -1), atol=3e-5)

    g = draw(atoms, d3 * channels)
    dx, dy, dr, dt = np.zeros_like(x), np.zeros_like(y), np.zeros_like(r), np.zeros_like(table)
    _native.product_backward(isa, [path], start, step, x, y, r, table, pairs, g, dx, dy, dr, dt)
    at = g.reshape(atoms, d3, channels)[pairs[0]].astype(float)
    to_source = np.zeros((atoms, d1, channels))
    np.add.at(to_source, pairs[1], np.einsum("abc,ecu,eb,eu->eau", coupling, at, turn, weight))
    np.testing.assert_allclose(dx, to_source.reshape(atoms, -1), atol=1e-4)
    to_turn = np.zeros((edges, 9))
    if l2:  # the harmonic of order 0 is a constant: its gradient is not computed
        to_turn[:, l2 * l2 : l2 * l2 + d2] = np.einsum(
            "abc,eau,ecu,eu->eb", coupling, source, at, weight
        )
    np.testing.assert_allclose(dy, to_turn, atol=2e-4)
    along = np.einsum("ecu,ecu->eu", each, at)
    np.testing.assert_allclose(dr, (along * slope).sum(axis=1), atol=2e-3)
    # The table enters linearly: its gradient along any direction is a difference.
    direction = draw(knots, channels)
    moved, _ = cubic(direction.astype(float), start, step, r.astype(float))
    np.testing.assert_allclose((dt * direction).sum(), (along * moved).sum(), rtol=1e-4, atol=1e-3)


def test_bad_arrays_are_refused() -> None:
    x, y = np.zeros((2, 16), np.float32), np.zeros((1, 1), np.float32)
    r, table = np.ones(1, np.float32), np.zeros((8, 16), np.float32)
    edges, message = np.zeros((2, 1), np.int32), np.zeros((2, 16), np.float32)
    good = (0, 0, 0, 16, 0, 16, 0, 16, 0)

    def call(path: tuple[int, ...] = good, **changed: np.ndarray) -> None:
        arrays = {"x": x, "y": y, "r": r, "table": table, "edges": edges, "message": message}
        _native.product_forward("auto", [path], 0.5, 0.1, *(arrays | changed).values())

    call()
    for path, words in (
        ((0, 0, 0, 8, 0, 16, 0, 16, 0), "multiple of 16"),
        ((0, 0, 0, 16, 1, 16, 0, 16, 0), "beyond its arrays"),
        ((0, 1, 0, 16, 0, 16, 0, 16, 0), "couples orders"),
        ((1, 1, 0, 16, 0, 16, 0, 16, 0), "too few harmonics"),
    ):
        with pytest.raises(ValueError, match=words):
            call(path)
    with pytest.raises(ValueError, match="an atom that is not there"):
        call(edges=np.full((2, 1), 2, np.int32))
    with pytest.raises(ValueError, match="positive and finite"):
        call(r=np.array([np.nan], np.float32))
    with pytest.raises(ValueError, match="instruction set"):
        _native.product_forward("sse9", [good], 0.5, 0.1, x, y, r, table, edges, message)


def test_the_network_is_the_reference(data: tuple[Path, Path], network: Network) -> None:
    """Energies, forces and stress of a batch against the float64 definition; float32 keeps six
    digits of features of order one."""
    frames = list(read(data[0]))[:3]
    samples = samples_of(read(data[0])[:3], network.species, cutoff=CUTOFF)
    errors = errors_of(TrainableNetwork(network), samples)
    start = 0
    for index, (frame, found) in enumerate(
        zip(
            frames, ReferencePotential(network).evaluate([f.structure for f in frames]), strict=True
        )
    ):
        n = len(frame.structure)
        assert errors.energy[index] * n + frame.energy == pytest.approx(found.energy, abs=2e-5)
        forces = errors.forces[start : start + n].numpy() + frame.forces
        np.testing.assert_allclose(forces, found.forces, atol=1e-4)
        stress = errors.stress[index].numpy() + frame.stress
        np.testing.assert_allclose(stress, found.stress, atol=1e-6)
        start += n


def test_trained_gives_back_the_network(network: Network) -> None:
    same = TrainableNetwork(network).trained()
    for (name, before), (_, after) in zip(network.arrays(), same.arrays(), strict=True):
        np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-12, err_msg=name)


def test_the_gradient_of_the_loss(network: Network, samples: list[Sample]) -> None:
    """Against differences of the loss itself along directions in the space of weights. The two
    displaced energies err by the square of 0.01 Å over the length on which forces change (some
    0.5 Å), float32 by about as much: 0.5 % covers both."""
    net = TrainableNetwork(network)
    part = samples[:2]
    accumulate(net, part, WEIGHTS)
    gradient = [p.grad.clone() for p in net.parameters()]
    size = float(sum((g**2).sum() for g in gradient)) ** 0.5

    def loss(step: float, direction: list[torch.Tensor]) -> float:
        with torch.no_grad():
            for p, d in zip(net.parameters(), direction, strict=True):
                p.add_(d, alpha=step)
        value = float(np.mean([errors_of(net, [s]).loss(WEIGHTS) for s in part]))
        with torch.no_grad():
            for p, d in zip(net.parameters(), direction, strict=True):
                p.sub_(d, alpha=step)
        return value

    generator = torch.Generator().manual_seed(0)
    random = [torch.randn(p.shape, generator=generator) for p in net.parameters()]
    length = float(sum((d**2).sum() for d in random)) ** 0.5
    for direction in ([g / size for g in gradient], [d / length for d in random]):
        slope = (loss(0.01, direction) - loss(-0.01, direction)) / 0.02
        ours = float(sum((g * d).sum() for g, d in zip(gradient, direction, strict=True)))
        assert ours == pytest.approx(slope, rel=0.005, abs=0.002 * size)


def test_missing_stress_weighs_nothing(data: tuple[Path, Path], network: Network) -> None:
    samples = samples_of(read(data[0])[:1], network.species, cutoff=CUTOFF)
    bare = [
        Sample(s.positions, s.kinds, s.edges, s.offsets, s.volume, s.energy, s.forces,
               torch.full((3, 3), np.nan))
        for s in samples
    ]  # fmt: skip
    with_stress, without = TrainableNetwork(network), TrainableNetwork(network)
    accumulate(with_stress, samples, LossWeights(forces=1.0, energy=2.0, stress=0.0))
    accumulate(without, bare, WEIGHTS)
    for a, b in zip(with_stress.parameters(), without.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("optimizer", ["adam", "soap"])
def test_it_learns_and_goes_on_to_the_same_bits(
    data: tuple[Path, Path],
    network: Network,
    samples: list[Sample],
    tmp_path: Path,
    optimizer: str,
) -> None:
    settings = TrainingSettings(
        model=model(), loss=WEIGHTS, learning_rate=0.01, learning_rate_stop=1e-5, decay="cosine",
        batch=2, epochs=6, seed=1, optimizer=optimizer,
    )  # fmt: skip
    validation = samples_of(read(data[1]), network.species, cutoff=CUTOFF)
    whole = Descent(network, settings, samples, validation)
    epochs = [whole.step_epoch() for _ in range(6)]
    assert epochs[-1].force_mae_validation < 0.7 * epochs[0].force_mae_validation
    calls: list[int] = []
    for limit in (2, 6):
        cut = descend(
            lambda: network, settings, lambda _: samples, lambda _: validation, tmp_path,
            report=lambda epoch: calls.append(epoch.epoch),
            enough=lambda limit=limit: bool(calls) and calls[-1] >= limit,
        )  # fmt: skip
    assert calls == [1, 2, 3, 4, 5, 6]
    assert cut.sha256 == whole.averaged().sha256
    rows = (tmp_path / "curves.csv").read_text().splitlines()
    assert len(rows) == 7


def test_channels_that_do_not_fit_are_refused(data: tuple[Path, Path]) -> None:
    from zifglass.core import InputError

    facts = dataset_facts([read(data[0])], cutoff=CUTOFF)
    odd = fresh_network(model(features=(8, 8)), facts, seed=0)
    with pytest.raises(InputError, match="multiples of 16"):
        TrainableNetwork(odd)


def test_a_batch_is_its_frames(network: Network, samples: list[Sample]) -> None:
    net = TrainableNetwork(network)
    with torch.no_grad():
        together = net(batch_of(samples[:3]))
        alone = torch.cat([net(batch_of([s])) for s in samples[:3]])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-5)


def test_two_processes_are_one(
    data: tuple[Path, Path], network: Network, samples: list[Sample], tmp_path: Path
) -> None:
    """Each takes one frame of a batch of two; sums in another order, so equal to rounding, which
    Adam's division by small second moments enlarges at the start."""
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from tests.training import together_run

    from zifglass.potentials.network import save

    settings = TrainingSettings(
        model=model(), loss=WEIGHTS, learning_rate=0.001, learning_rate_stop=1e-4, decay="cosine",
        batch=2, epochs=2, seed=1,
    )  # fmt: skip
    save(network, tmp_path / "start.safetensors")
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        jobs = [pool.submit(together_run.work, rank, tmp_path, data, settings) for rank in (0, 1)]
        first, second = (job.result(120) for job in jobs)
    assert first == second
    validation = samples_of(read(data[1]), network.species, cutoff=CUTOFF)
    alone = descend(
        lambda: network, settings, lambda _: samples, lambda _: validation, tmp_path / "alone"
    )
    both = (tmp_path / "run" / "curves.csv").read_text().splitlines()[-1].split(",")
    one = (tmp_path / "alone" / "curves.csv").read_text().splitlines()[-1].split(",")
    np.testing.assert_allclose(
        [float(x) for x in both[:-1]], [float(x) for x in one[:-1]], rtol=2e-3
    )
    assert alone.sha256 != network.sha256


def test_train_runs_it_in_its_folder(data: tuple[Path, Path], tmp_path: Path) -> None:
    """Through `train` as the command line calls it: two processes, curves, the engine."""
    from zifglass import load_potential
    from zifglass.core import InputError
    from zifglass.training import train
    from zifglass.training.deploy import deploy

    settings = TrainingSettings(
        model=model(), loss=WEIGHTS, optimizer="soap", learning_rate=0.01, decay="cosine", batch=2,
        epochs=2, execution="native",
    )  # fmt: skip
    seen: list[int] = []
    run = train(settings, *data, tmp_path / "run", report=lambda c: seen.append(len(c)))
    assert len(run.curves) == 2 and run.package is None
    assert np.isfinite(run.curves.learning_rate).all()
    deployed = deploy(run)
    assert deployed.agreement["measured"]
    frame = read(data[1])[0]
    found = load_potential(deployed.potential)(frame.structure)
    assert found.energy == pytest.approx(frame.energy, abs=3.0)
    assert deploy(train(settings, *data, tmp_path / "run")).file == deployed.file
    with pytest.raises(InputError, match="other settings or data"):
        train(settings.model_copy(update={"epochs": 3}), *data, tmp_path / "run")
    further = train(
        settings.model_copy(update={"epochs": 1}), *data, tmp_path / "further",
        start=run.checkpoint,
    )  # fmt: skip
    assert further.curves.force_mae_validation[0] < run.curves.force_mae_validation[0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"decay": "plateau"}, "decay: cosine"),
        ({"device": "cuda"}, "device: cpu"),
        ({"model": NequipModel()}, "bessels_trainable: false"),
    ],
)
def test_settings_that_cannot_be_trained_natively(changes: dict[str, object], words: str) -> None:
    good = {"model": model(), "decay": "cosine", "execution": "native"}
    with pytest.raises(ValueError, match=words):
        TrainingSettings(**good | changes)
