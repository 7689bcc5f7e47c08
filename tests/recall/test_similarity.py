import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.errors import OptionError
from raysel.recall import similarity
from raysel.recall.similarity import distances

NAN, INF = np.nan, np.inf


@pytest.mark.parametrize(
    ("a", "b", "k", "expected"),
    [
        ([0.5], [0.7], 5, 0.2),  # one dataset: the mean of all
        ([0.5, 0.9], [0.7, 0.8], 5, 0.15),  # fewer than k
        ([0, 0, 0, 0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 5, 0.5),  # the five largest
        ([0, 0, 0, 0, 0, 0, 0], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 1, 0.7),
        ([0, 0, 0, 0, 0, 0, NAN], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 5, 0.4),  # six shared are enough
        ([0, 0, 0, 0, 0, NAN, NAN], [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 5, INF),  # five are not
        ([0, 0, 0, 0, 0, NAN], [0.1, 0.2, 0.3, 0.4, NAN, 0.6], 5, INF),
        ([0.5, NAN], [NAN, 0.5], 5, INF),
        ([0.5, 0.5], [0.5, 0.5], 5, 0.0),
    ],
)
def test_distance(a, b, k, expected):
    found = distances(np.array([a, b], dtype=float), k=k)
    assert found == pytest.approx(np.array([[0, expected], [expected, 0]]))


def test_no_models_and_no_datasets():
    assert distances(np.empty((0, 3))).shape == (0, 0)
    assert distances(np.empty((2, 0))).tolist() == [[0, INF], [INF, 0]]


def test_k_must_be_positive():
    with pytest.raises(OptionError, match="`k` is 0"):
        distances(np.zeros((2, 2)), k=0)


def literal(values, k):
    """The definition, pair by pair."""
    n, n_datasets = values.shape
    result = np.zeros((n, n))
    for a in range(n):
        for b in range(n):
            shared = [d for d in range(n_datasets) if not np.isnan(values[a, d]) and not np.isnan(values[b, d])]
            largest = sorted((abs(values[a, d] - values[b, d]) for d in shared), reverse=True)[:k]
            if a != b:
                result[a, b] = np.mean(largest) if len(shared) >= min(6, n_datasets) else INF
    return result


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 12), st.integers(1, 10), st.floats(0, 0.6), st.integers(1, 6), st.integers(0, 99))
def test_agrees_with_its_definition(n_models, n_datasets, holes, k, seed):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_models, n_datasets))
    values[rng.random(values.shape) < holes] = NAN
    assert distances(values, k=k) == pytest.approx(literal(values, k))


def test_blocks_do_not_show(monkeypatch):
    values = np.random.default_rng(0).normal(size=(23, 9))
    whole = distances(values)
    monkeypatch.setattr(similarity, "_BLOCK", 50)
    assert distances(values) == pytest.approx(whole, abs=1e-12)
