import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from raysel.errors import OptionError
from raysel.proxies import hscore


def literal(F, y):
    """The papers' formula with the matrices themselves, and Ledoit and Wolf's sums one sample at a time."""
    n, d = F.shape
    centred = F - F.mean(axis=0)
    covariance = sum(np.outer(f, f) for f in centred) / n
    mu = np.trace(covariance) / d
    delta = np.sum((covariance - mu * np.eye(d)) ** 2)
    b = sum(np.sum((np.outer(f, f) - covariance) ** 2) for f in centred) / n**2
    alpha = min(b, delta) / delta if d > 1 else 0.0
    shrunk = (1 - alpha) * covariance + alpha * mu * np.eye(d)
    means = np.array([centred[y == label].mean(axis=0) for label in y])  # each sample's class mean
    return np.trace(np.linalg.pinv(shrunk) @ ((1 - alpha) * means.T @ means / n))


def telling(n, d, n_classes, seed):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) ** 2 % n_classes)  # of unequal classes
    return 3 + rng.normal(size=(n_classes, d))[y] + rng.normal(size=(n, d)), y


@pytest.mark.parametrize(("n", "d"), [(40, 1), (40, 3), (60, 59), (30, 30), (20, 45)])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_papers(n, d, seed):
    F, y = telling(n, d, 4, seed)
    assert hscore(F, y) == pytest.approx(literal(F, y), rel=1e-8)


@settings(deadline=None, max_examples=20)
@given(st.integers(8, 40), st.integers(2, 60), st.integers(0, 99))
def test_the_covariance_is_shrunk_as_scikit_learn_shrinks_it(n, d, seed):
    F, y = telling(n, d, 3, seed)
    shrunk, alpha = ledoit_wolf(F)
    means = np.array([F[y == label].mean(axis=0) for label in y]) - F.mean(axis=0)
    assert hscore(F, y) == pytest.approx((1 - alpha) * np.trace(np.linalg.solve(shrunk, means.T @ means)) / n, rel=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_its_range(n_classes):
    y = np.repeat(np.arange(n_classes), 400)
    rng = np.random.default_rng(0)
    assert hscore(np.eye(n_classes)[y] + 1e-3 * rng.normal(size=(len(y), n_classes)), y) == pytest.approx(
        n_classes - 1, rel=0.01
    )
    assert hscore(np.tile(rng.normal(size=(400, 4)), (n_classes, 1)), y) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("value", [0.0, 1.0, 1 / 3, 1e6 + 0.1])
def test_features_that_never_change_tell_nothing(value):
    assert hscore(np.full((60, 3), value), np.arange(60) % 3) == pytest.approx(0, abs=1e-9)


def test_noise_in_many_directions_is_not_trusted():
    # Without shrinkage, features as many as samples would tell any classes apart: it would be 2 for both.
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    noise = rng.normal(size=(60, 200))
    assert hscore(noise, y) < 0.5
    assert hscore(noise + 3 * rng.normal(size=(3, 200))[y], y) > 1.5


def test_it_is_not_defined_for_regression():
    with pytest.raises(OptionError, match="`task` is 'regression', but must be classification for hscore"):
        hscore(np.eye(4), [0.1, 0.2, 0.3, 0.4], task="regression")
