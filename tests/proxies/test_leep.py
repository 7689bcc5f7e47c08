import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.errors import OptionError
from raysel.proxies import leep


def literal(theta, y):
    """Section 3 of the paper, sum by sum."""
    n, n_source = theta.shape
    classes = sorted({*y.tolist()})
    joint = {(c, z): sum(theta[i, z] for i in range(n) if y[i] == c) / n for c in classes for z in range(n_source)}
    marginal = [sum(joint[c, z] for c in classes) for z in range(n_source)]
    total = 0.0
    for i in range(n):
        total += np.log(sum(joint[y[i], z] / marginal[z] * theta[i, z] for z in range(n_source) if marginal[z] > 0))
    return total / n


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 25), st.integers(1, 6), st.integers(2, 4), st.integers(0, 99))
def test_agrees_with_the_paper(n, n_source, n_classes, seed):
    rng = np.random.default_rng(seed)
    theta = rng.dirichlet(np.full(n_source, 0.3), size=n)
    y = rng.permutation(np.arange(n) % n_classes)
    assert leep(theta, y) == pytest.approx(literal(theta, y), rel=1e-9)


@pytest.mark.parametrize(
    ("theta", "y", "expected"),
    [
        ([[1, 0], [1, 0], [0, 1]], [0, 0, 1], 0),  # each source class is one target class
        ([[1, 0], [1, 0], [0, 1]], [7, 7, -2], 0),  # under any names
        ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [0, 0, 1], 0),  # two source classes for one
        ([[1.0], [1.0], [1.0], [1.0]], [0, 0, 0, 1], 0.75 * np.log(0.75) + 0.25 * np.log(0.25)),
        ([[0.5, 0.5, 0]] * 2, [0, 1], np.log(0.5)),  # a source class that is never named
    ],
)
def test_by_hand(theta, y, expected):
    assert leep(np.array(theta, dtype=float), np.array(y)) == pytest.approx(expected)


def test_half_precision_will_do():
    rng = np.random.default_rng(0)
    theta, y = rng.dirichlet(np.ones(40), size=200), rng.integers(4, size=200)
    assert leep(theta.astype(np.float16), y) == pytest.approx(leep(theta, y), abs=1e-3)


@pytest.mark.parametrize(
    ("theta", "message"),
    [
        ([[0.5, 0.4], [0.5, 0.5]], "`probabilities` is 'of sum 0.9 in row 0', but must be at least 0 and of sum 1"),
        ([[0.5, 0.5], [1.5, -0.5]], "`probabilities` is 'of sum 1 in row 1'"),
    ],
)
def test_probabilities_must_be_probabilities(theta, message):
    with pytest.raises(OptionError, match=message):
        leep(theta, [0, 1])


def test_it_is_not_defined_for_regression():
    with pytest.raises(OptionError, match="`task` is 'regression', but must be classification for leep"):
        leep([[0.5, 0.5], [0.5, 0.5]], [0, 1], task="regression")
