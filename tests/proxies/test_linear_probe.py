from importlib import import_module

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_score

from raysel.proxies import linear_probe
from raysel.proxies.linear_probe import RIDGES


def left_out(F, Y):
    """What heads that are really fitted without each sample predict for it, for the best ridge."""
    F, mean, Y = F - F.mean(axis=0), Y.mean(axis=0), Y - Y.mean(axis=0)
    tried = []
    for part in RIDGES:
        ridge = part * np.sum(F**2)
        predicted = np.zeros_like(Y)
        for i in range(len(F)):
            others, labels = np.delete(F, i, axis=0), np.delete(Y, i, axis=0)
            head = np.linalg.solve(others.T @ others + ridge * np.eye(F.shape[1]), others.T @ labels)
            predicted[i] = F[i] @ head
        tried.append((np.sum((Y - predicted) ** 2), part, predicted + mean))
    return min(tried, key=lambda ridge: ridge[:2])[2]


def telling(n, d, seed, signal=0.7):
    rng = np.random.default_rng(seed)
    y = rng.permutation(np.arange(n) % 3)
    return signal * rng.normal(size=(3, d))[y] + rng.normal(size=(n, d)), y


@pytest.mark.parametrize(("n", "d"), [(40, 1), (40, 3), (30, 29), (24, 24), (20, 35)])
@pytest.mark.parametrize("seed", range(3))
def test_agrees_with_leaving_each_out(n, d, seed):
    F, y = telling(n, d, seed)
    assert linear_probe(F, y) == pytest.approx(np.mean(left_out(F, np.eye(3)[y]).argmax(axis=1) == y))
    numbers = 2 + F[:, 0] + np.random.default_rng(seed).normal(size=n)
    errors = numbers - left_out(F, numbers[:, None])[:, 0]
    expected = 1 - np.sum(errors**2) / np.sum((numbers - numbers.mean()) ** 2)
    assert linear_probe(F, numbers, task="regression") == pytest.approx(expected, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("signal", [0.2, 0.5, 1.0])
def test_is_near_a_logistic_regression_on_folds(signal):
    F, y = telling(300, 20, 0, signal)
    folds = StratifiedKFold(10, shuffle=True, random_state=0)
    peer = cross_val_score(LogisticRegression(C=0.1), F, y, cv=folds).mean()
    assert linear_probe(F, y) == pytest.approx(peer, abs=0.05)


def test_blocks_do_not_show(monkeypatch):
    F, y = telling(50, 7, 0)
    numbers = F[:, 0] + y
    whole = linear_probe(F, y), linear_probe(F, numbers, task="regression")
    monkeypatch.setattr(import_module("raysel.proxies.linear_probe"), "_BLOCK", 70)
    assert (linear_probe(F, y), linear_probe(F, numbers, task="regression")) == pytest.approx(whole)


@pytest.mark.parametrize("value", [0.0, 1 / 3, 1e6 + 0.1])
@pytest.mark.parametrize(
    ("labels", "expected"), [([0, 1, 2, 3] * 5, 0.25), ([0] * 15 + [1] * 5, 0.75), ([1] * 15 + [0] * 5, 0.75)]
)
def test_features_that_never_change_are_right_as_often_as_chance(value, labels, expected):
    assert linear_probe(np.full((20, 3), value), labels) == pytest.approx(expected)


def test_noise_is_right_about_as_often_as_chance():
    found = [linear_probe(telling(90, 30, seed, signal=0)[0], np.arange(90) % 3) for seed in range(20)]
    assert np.mean(found) == pytest.approx(1 / 3, abs=0.04)
    rng = np.random.default_rng(0)
    found = [linear_probe(rng.normal(size=(90, 30)), rng.normal(size=90), task="regression") for _ in range(20)]
    assert np.mean(found) == pytest.approx(0, abs=0.05)


@settings(deadline=None, max_examples=20)
@given(st.floats(0.01, 100), st.floats(-100, 100), st.integers(0, 99))
def test_the_units_of_the_numbers_do_not_matter(scale, shift, seed):
    F, _ = telling(40, 5, seed)
    y = F[:, 0] + np.random.default_rng(seed).normal(size=40)
    again = linear_probe(F, scale * y + shift, task="regression")
    assert again == pytest.approx(linear_probe(F, y, task="regression"), rel=1e-6, abs=1e-9)
