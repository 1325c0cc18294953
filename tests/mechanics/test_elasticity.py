from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from zifglass.core import InputError
from zifglass.mechanics import directions, elasticity

index = {(0, 0): 0, (1, 1): 1, (2, 2): 2, (1, 2): 3, (2, 1): 3, (0, 2): 4, (2, 0): 4, (0, 1): 5,
         (1, 0): 5}  # fmt: skip


def cubic(c11: float, c12: float, c44: float) -> np.ndarray:
    c = np.diag([c11 - c12] * 3 + [c44] * 3).astype(float)
    c[:3, :3] += c12
    return c


def test_voigt_maps_against_loops(triclinic: np.ndarray) -> None:
    compliance = np.linalg.inv(triclinic)
    c4 = elasticity.stiffness_tensor(triclinic)
    s4 = elasticity.compliance_tensor(compliance)
    factor = [1, 1, 1, 2, 2, 2]
    for i, j, k, el in itertools.product(range(3), repeat=4):
        a, b = index[i, j], index[k, el]
        assert c4[i, j, k, el] == triclinic[a, b]
        assert s4[i, j, k, el] == pytest.approx(compliance[a, b] / (factor[a] * factor[b]))
    assert np.array_equal(elasticity.stiffness_matrix(c4), triclinic)
    assert elasticity.compliance_matrix(s4) == pytest.approx(compliance)
    # C : S is the identity on symmetric tensors.
    one = np.einsum("ijkl,klmn->ijmn", c4, s4)
    eye = np.eye(3)
    identity = 0.5 * (np.einsum("im,jn->ijmn", eye, eye) + np.einsum("in,jm->ijmn", eye, eye))
    assert one == pytest.approx(identity, abs=1e-12)


def test_strain_and_stress_vectors_give_the_energy(triclinic: np.ndarray) -> None:
    strain = np.random.default_rng(1).normal(size=(3, 3))
    strain = strain + strain.T
    e = elasticity.strain_vector(strain)
    stress = np.einsum("ijkl,kl->ij", elasticity.stiffness_tensor(triclinic), strain)
    assert elasticity.stress_vector(stress) == pytest.approx(triclinic @ e)
    assert e @ triclinic @ e == pytest.approx(np.sum(strain * stress))
    assert elasticity.strain_matrix(e) == pytest.approx(strain)


def test_rotation_keeps_energy_and_invariants(triclinic: np.ndarray) -> None:
    r = Rotation.random(rng=np.random.default_rng(3)).as_matrix()
    turned = elasticity.rotate_stiffness(triclinic, r)
    strain = np.diag([0.3, -0.2, 0.1]) + 0.05
    e, e_turned = (elasticity.strain_vector(x) for x in (strain, r @ strain @ r.T))
    assert e_turned @ turned @ e_turned == pytest.approx(e @ triclinic @ e)
    s = np.linalg.inv(triclinic)
    assert elasticity.rotate_compliance(s, r) == pytest.approx(np.linalg.inv(turned))
    assert elasticity.stiffness_eigenvalues(turned) == pytest.approx(
        elasticity.stiffness_eigenvalues(triclinic)
    )
    here, there = elasticity.averages(triclinic, s), elasticity.averages(
        turned, np.linalg.inv(turned)
    )  # fmt: skip
    for (_, a), (_, b) in zip(here.items(), there.items(), strict=True):
        assert a == pytest.approx(b)


def test_cubic_averages_are_the_textbook_ones() -> None:
    c11, c12, c44 = 168.4, 121.4, 75.4  # copper, GPa (Simmons and Wang)
    c = cubic(c11, c12, c44)
    a = elasticity.averages(c, np.linalg.inv(c))
    assert a.bulk_voigt == pytest.approx((c11 + 2 * c12) / 3)
    assert a.bulk_reuss == pytest.approx((c11 + 2 * c12) / 3)
    assert a.shear_voigt == pytest.approx((c11 - c12 + 3 * c44) / 5)
    assert a.shear_reuss == pytest.approx(5 * (c11 - c12) * c44 / (4 * c44 + 3 * (c11 - c12)))
    zener = 2 * c44 / (c11 - c12)
    # Ranganathan and Ostoja-Starzewski, Eq. 12: A = (6/5)(√Z − 1/√Z)² for cubic crystals.
    assert a.anisotropy == pytest.approx(1.2 * (zener**0.5 - zener**-0.5) ** 2)
    isotropic = cubic(3.0, 1.0, 1.0)
    assert elasticity.averages(isotropic, np.linalg.inv(isotropic)).anisotropy == pytest.approx(
        0.0, abs=1e-12
    )


def test_stability_and_singular_tensors() -> None:
    assert elasticity.is_stable(cubic(3.0, 1.0, 1.0))
    assert not elasticity.is_stable(cubic(1.0, 1.2, 1.0))  # C11 < C12
    assert not elasticity.is_stable(cubic(3.0, -2.0, 1.0))  # C11 + 2 C12 < 0
    with pytest.raises(InputError, match="singular"):
        elasticity.inverse(cubic(1.0, 1.0, 1.0))
    with pytest.raises(InputError, match="symmetric"):
        elasticity.check_tensor(cubic(3.0, 1.0, 1.0) + np.triu(np.ones((6, 6)), 1))
    with pytest.raises(InputError, match="shape"):
        elasticity.check_tensor(np.eye(3))


def test_cubic_directional_extremes_are_the_textbook_ones() -> None:
    c11, c12, c44 = 168.4, 121.4, 75.4
    s = np.linalg.inv(cubic(c11, c12, c44))
    e = directions.directional_extremes(s)
    along = directions.young_modulus(s, np.array([[1.0, 0, 0], [1, 1, 1] / np.sqrt(3)]))
    assert e.young[0].value == pytest.approx(along[0], rel=1e-9)
    assert e.young[1].value == pytest.approx(along[1], rel=1e-9)
    assert 1 / along[0] == pytest.approx(s[0, 0])
    assert e.shear[0].value == pytest.approx((c11 - c12) / 2, rel=1e-9)
    assert e.shear[1].value == pytest.approx(c44, rel=1e-9)
    for extreme in e.linear_compressibility:
        assert extreme.value == pytest.approx(1 / (c11 + 2 * c12))
    # Norris (DOI 10.1098/rspa.2006.1726): the extremes of ν of a cubic crystal with Z > 1 and
    # these constants lie at n = 110, m = 1-10 and m = 001.
    n = np.array([1.0, 1.0, 0.0]) / np.sqrt(2)
    low = directions.poisson_ratio(s, n, np.array([1.0, -1.0, 0.0]) / np.sqrt(2))
    high = directions.poisson_ratio(s, n, np.array([0.0, 0.0, 1.0]))
    assert e.poisson[0].value == pytest.approx(low, rel=1e-6)
    assert e.poisson[1].value == pytest.approx(high, rel=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_directional_extremes_against_random_search(seed: int) -> None:
    """No random pair of directions beats the extremes, and the best come close to them."""
    generator = np.random.default_rng(seed)
    a = generator.normal(size=(6, 6))
    s = a @ a.T + 0.3 * np.eye(6)
    e = directions.directional_extremes(s)
    n = generator.normal(size=(200_000, 3))
    n /= np.linalg.norm(n, axis=1)[:, None]
    m = np.cross(n, generator.normal(size=n.shape))
    m /= np.linalg.norm(m, axis=1)[:, None]
    for (low, high), values in (
        (e.young, directions.young_modulus(s, n)),
        (e.linear_compressibility, directions.linear_compressibility(s, n)),
        (e.shear, directions.shear_modulus(s, n, m)),
        (e.poisson, directions.poisson_ratio(s, n, m)),
    ):
        span = high.value - low.value
        assert low.value <= values.min() + 1e-9 * span
        assert high.value >= values.max() - 1e-9 * span
        # 200,000 pairs come within a few per cent of the span of any smooth extreme.
        assert values.min() - low.value < 0.03 * span
        assert high.value - values.max() < 0.03 * span
    g, nu = directions.transverse_extremes(s, n[:500])
    assert (g[:, 0] <= directions.shear_modulus(s, n[:500], m[:500]) * (1 + 1e-9)).all()
    assert (nu[:, 1] >= directions.poisson_ratio(s, n[:500], m[:500]) - 1e-9).all()


def test_extremes_are_invariant_and_carry_errors(triclinic: np.ndarray) -> None:
    s = np.linalg.inv(triclinic)
    r = Rotation.random(rng=np.random.default_rng(5)).as_matrix()
    here = directions.directional_extremes(s, samples=np.stack([0.9 * s, s, 1.1 * s]))
    there = directions.directional_extremes(elasticity.rotate_compliance(s, r))
    for name in ("young", "linear_compressibility", "shear", "poisson"):
        for a, b in zip(getattr(here, name), getattr(there, name), strict=True):
            assert a.value == pytest.approx(b.value, rel=1e-8)
            assert b.std is None
            # All of S scaled by ±10 %: moduli vary as 1/S, ν not at all.
            expected = np.std([1 / 0.9, 1, 1 / 1.1] if name in ("young", "shear") else
                              [0.9, 1, 1.1], ddof=1)  # fmt: skip
            expected = 0.0 if name == "poisson" else expected * abs(a.value)
            assert a.std == pytest.approx(expected, abs=1e-9 * abs(a.value))
