import numpy as np
import pytest

from raysel.proxies.spectrum import Spectrum


@pytest.mark.parametrize(("n", "d"), [(30, 4), (12, 12), (5, 20)])
def test_agrees_with_the_singular_value_decomposition(n, d):
    rng = np.random.default_rng(0)
    F, Y = rng.normal(size=(n, d)), rng.normal(size=(n, 2))
    U, s, _ = np.linalg.svd(F, full_matrices=False)
    found = Spectrum.of(F)
    assert found.sigma == pytest.approx(s[::-1] ** 2)
    assert np.abs(found.project(Y)) == pytest.approx(np.abs(U[:, ::-1].T @ Y))  # the sign of a direction is anyone's
    left = found.left(slice(0, n))
    assert left.T @ left == pytest.approx(np.eye(len(s)), abs=1e-9)
    assert found.left(slice(1, 3)) == pytest.approx(left[1:3])
    assert found.project(Y) == pytest.approx(left.T @ Y)


@pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
def test_directions_of_no_length_are_left_out(shape):
    rng = np.random.default_rng(0)
    F = rng.normal(size=(shape[0], 3)) @ rng.normal(size=(3, shape[1]))
    assert len(Spectrum.of(F).sigma) == 3
    assert len(Spectrum.of(np.zeros(shape)).sigma) == 0
