import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.proxies import logme
from raysel.proxies.logme import TOLERANCE


def literal(F, y):
    """Algorithm 1 of the paper for one output, with the matrices themselves."""
    n, d = F.shape
    sigma = np.clip(np.linalg.eigvalsh(F.T @ F), 0, None)
    alpha, beta = 1.0, 1.0
    for _ in range(1000):
        ratio = alpha / beta
        m = beta * np.linalg.solve(alpha * np.eye(d) + beta * F.T @ F, F.T @ y)
        gamma = np.sum(beta * sigma / (alpha + beta * sigma))
        alpha, beta = gamma / np.sum(m**2), (n - gamma) / np.sum((F @ m - y) ** 2)
        if abs(alpha / beta - ratio) <= TOLERANCE * ratio or alpha / beta > 1e9:  # it may grow without bound
            break
    A = alpha * np.eye(d) + beta * F.T @ F
    m = beta * np.linalg.solve(A, F.T @ y)
    L = n / 2 * np.log(beta) + d / 2 * np.log(alpha) - n / 2 * np.log(2 * np.pi) - beta / 2 * np.sum((F @ m - y) ** 2)
    return (L - alpha / 2 * np.sum(m**2) - np.linalg.slogdet(A)[1] / 2) / n


def telling(n, d, n_classes, seed):
    """Features in which the classes lie apart, with noise of the same size."""
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    return rng.normal(size=(n_classes, d))[y] + rng.normal(size=(n, d)), y


SHAPES = [(40, 3), (40, 20), (60, 59), (30, 30), (20, 45)]


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_paper(n, d, seed):
    F, y = telling(n, d, 3, seed)
    assert logme(F, y) == pytest.approx(np.mean([literal(F, (y == c).astype(float)) for c in range(3)]), rel=1e-6)


@pytest.mark.parametrize(("n", "d"), SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_the_paper_on_regression(n, d, seed):
    rng = np.random.default_rng(seed)
    F = rng.normal(size=(n, d))
    y = 2 + F[:, 0] - F[:, 1] + rng.normal(size=n)
    assert logme(F, y, task="regression") == pytest.approx(literal(F, y), rel=1e-6)


def test_directions_of_no_length_count_as_none():
    F, y = telling(40, 6, 3, 0)
    assert logme(np.hstack([F, F[:, :2], np.zeros((40, 3))]), y) == pytest.approx(
        np.mean([literal(np.hstack([F, F[:, :2]]), (y == c).astype(float)) for c in range(3)]), rel=1e-6
    )


@settings(deadline=None, max_examples=20)
@given(st.integers(10, 40), st.integers(1, 50), st.integers(0, 99))
def test_a_rotation_of_the_features_changes_nothing(n, d, seed):
    F, y = telling(n, d, 2, seed)
    rotation, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))
    assert logme(F @ rotation, y) == pytest.approx(logme(F, y), rel=1e-5)


def test_outputs_do_not_touch_each_other():
    # Whichever comes first, each class against the rest scores as it does by itself.
    F, y = telling(50, 8, 3, 1)
    alone = [literal(F, (y == c).astype(float)) for c in range(3)]
    for order in ([0, 1, 2], [2, 0, 1], [1, 2, 0]):
        assert logme(F, np.array(order)[y]) == pytest.approx(np.mean(alone), rel=1e-9)


@pytest.mark.parametrize("d", [1, 5, 30, 60])
def test_features_that_say_nothing_do_not_help(d):
    # At best the evidence is that of noise alone, the label's own spread about 0.
    rng = np.random.default_rng(0)
    y = np.arange(30) % 2
    nothing = -0.5 * np.log(2 * np.pi * 0.5) - 0.5
    assert logme(np.zeros((30, d)), y) == pytest.approx(nothing)
    assert logme(rng.normal(size=(30, d)), y) == pytest.approx(nothing, abs=0.15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_perfect_fit_is_large_and_finite(dtype):
    F, y = telling(50, 4, 2, 0)
    perfect = np.hstack([F, np.eye(2)[y]]).astype(dtype)
    assert 5 < logme(perfect, y) < 20
    assert logme(perfect, y) > logme(F, y)


def test_it_ends_where_the_best_ratio_is_without_bound():
    F = np.repeat(np.eye(2), 10, axis=0)[:, :1] - 0.5
    y = np.tile([1.0, -1.0], 10)  # orthogonal to F
    assert logme(F, y, task="regression") == pytest.approx(-0.5 * np.log(2 * np.pi) - 0.5)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_regression_on_other_units_moves_all_models_alike(scale):
    # Evidence is a density, so other units of the labels add -log(scale) whatever the features.
    rng = np.random.default_rng(0)
    F = rng.normal(size=(60, 5))
    y = F[:, 0] + rng.normal(size=60)
    moved = logme(F, scale * y, task="regression")
    assert moved == pytest.approx(logme(F, y, task="regression") - np.log(scale), rel=1e-5)
