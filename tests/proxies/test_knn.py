from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import LeaveOneOut, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor

from raysel.proxies import knn
from raysel.proxies.knn import NEIGHBOURS, TIE


def cosine(a, b):
    return float(a @ b / np.sqrt(a @ a) / np.sqrt(b @ b)) if a.any() and b.any() else 0.0


def votes(F, y, i):
    """{other sample: its part of the vote} for sample i, with what the last place is worth shared by all as near."""
    near = {j: cosine(F[i], F[j]) for j in range(len(F)) if j != i}
    k = min(NEIGHBOURS, len(near))
    last = sorted(near.values(), reverse=True)[k - 1]
    sure = [j for j in near if near[j] > last + TIE]
    tied = [j for j in near if abs(near[j] - last) <= TIE]
    return dict.fromkeys(sure, 1 / k) | dict.fromkeys(tied, (k - len(sure)) / len(tied) / k)


def literal(F, y):
    """One sample at a time, the accuracy."""
    total = 0.0
    for i in range(len(F)):
        vote = votes(F, y, i)
        count = {c: round(sum(part for j, part in vote.items() if y[j] == c), 9) for c in {*y.tolist()}}
        first = [c for c in count if count[c] == max(count.values())]
        total += (y[i] in first) / len(first)
    return total / len(F)


def literal_regression(F, y):
    """One sample at a time, R^2."""
    predicted = [sum(part * y[j] for j, part in votes(F, y, i).items()) for i in range(len(F))]
    return 1 - np.sum((y - predicted) ** 2) / np.sum((y - np.mean(y)) ** 2)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 40), st.integers(1, 30), st.integers(2, 5), st.booleans(), st.integers(0, 99))
def test_agrees_with_the_literal_one(n, d, n_classes, coarse, seed):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % n_classes)
    F = rng.normal(size=(n_classes, d))[y] + rng.normal(size=(n, d))
    F = np.round(F) if coarse else F  # with ties, and samples without length
    assert knn(F, y) == pytest.approx(literal(F, y), abs=1e-9)
    numbers = F[:, 0] + rng.normal(size=n)
    assert knn(F, numbers, task="regression") == pytest.approx(literal_regression(F, numbers), rel=1e-6, abs=1e-9)


def test_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=120)  # two classes and five votes: none is equal
    F = 0.3 * rng.normal(size=(2, 20))[y] + rng.normal(size=(120, 20))
    peers = {"n_neighbors": NEIGHBOURS, "metric": "cosine"}
    predicted = cross_val_predict(KNeighborsClassifier(**peers), F, y, cv=LeaveOneOut())
    assert knn(F, y) == pytest.approx(np.mean(predicted == y))
    numbers = F[:, 0] + 0.1 * rng.normal(size=120)
    predicted = cross_val_predict(KNeighborsRegressor(**peers), F, numbers, cv=LeaveOneOut())
    expected = 1 - np.sum((numbers - predicted) ** 2) / np.sum((numbers - numbers.mean()) ** 2)
    assert knn(F, numbers, task="regression") == pytest.approx(expected)


def test_blocks_do_not_show(monkeypatch):
    rng = np.random.default_rng(0)
    y, F = rng.integers(3, size=101), rng.normal(size=(101, 4))
    whole = knn(F, y)
    monkeypatch.setattr(import_module("raysel.proxies.knn"), "_BLOCK", 700)  # six rows at a time, and five
    assert knn(F, y) == whole


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ([0] * 10 + [1] * 10, 0.0),  # the others of its class are one less than those of the other
        ([0] * 15 + [1] * 5, 0.75),  # the larger class wins every vote
    ],
)
def test_samples_that_are_all_alike(labels, expected):
    assert knn(np.ones((20, 3)), labels) == pytest.approx(expected)
    assert knn(np.zeros((20, 3)), labels) == pytest.approx(expected)


def test_only_the_direction_counts():
    rng = np.random.default_rng(0)
    y, F = rng.integers(3, size=60), rng.normal(size=(60, 5))
    assert knn(F * rng.uniform(0.1, 10, size=(60, 1)), y) == pytest.approx(knn(F, y))
    assert knn(F * 1e200, y) == pytest.approx(knn(F, y))


def test_two_samples():
    assert knn([[1.0], [2.0]], [0, 1]) == 0.0  # each is told the other's
