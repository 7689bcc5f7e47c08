"""Large zoos: what is left out of them, what is not, and what is kept beside their history."""

import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raysel.history import History
from raysel.recall import cluster, rank, to_score
from raysel.recall.front import front
from raysel.recall.prior import prior, standardise
from tests.recall.zoos import permuted, planted, with_holes


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit that the zoos of tests exceed."""
    for module in ("rank", "kept"):
        monkeypatch.setattr(importlib.import_module(f"raysel.recall.{module}"), "EXACT", 18)
    monkeypatch.setattr(importlib.import_module("raysel.recall.kept"), "_ENOUGH", 3)
    monkeypatch.setitem(front.__kwdefaults__, "most", 18)
    return 18


@given(seed=st.integers(0, 50), share=st.sampled_from([0.0, 0.5]), most=st.integers(1, 40))
def test_the_front_is_who_leads_by_prior_wherever_a_dataset_is_left_out(seed, share, most):
    matrix = with_holes(planted(seed)[0], share, seed)
    found = front(matrix, most=most)
    if most >= 30:
        assert found is matrix
        return
    z = standardise(matrix.values)
    assert len(found.models) == most
    assert found.beyond == 30 - most
    np.testing.assert_array_equal(found.z, z[[matrix.row[model] for model in found.models]])
    if most > z.shape[1]:
        assert matrix.models[int(prior(z).round(12).argmax())] in found.models
        for j in range(z.shape[1]):
            rows = np.flatnonzero(~np.isnan(z[:, j]))
            elsewhere = prior(np.delete(z[rows], j, axis=1)).round(12)
            assert not len(rows) or matrix.models[rows[elsewhere.argmax()]] in found.models


def test_a_large_zoo_is_ranked_within_its_front_and_the_shortlist_says_so(small_limit):
    matrix, _ = planted(1)
    shortlist = rank(matrix, [*matrix.models, "new"], top_k=4)
    assert "(those that lead, of 30: too many to compare every two), 1 without history" in shortlist.regime
    assert sum(map(len, shortlist.clusters)) == small_limit
    assert len(to_score(matrix, matrix.models, cluster(matrix))) == len(shortlist.clusters)
    z = standardise(matrix.values)
    assert shortlist.entries[0].score == pytest.approx(prior(z)[matrix.row[shortlist.models[0]]])
    assert rank(permuted(matrix, 3), (*permuted(matrix, 4).models, "new"), top_k=4) == shortlist


def test_candidates_that_are_few_are_all_ranked(small_limit):
    matrix, _ = planted(1)
    worst = [matrix.models[row] for row in prior(standardise(matrix.values)).argsort()[:5]]
    shortlist = rank(matrix, worst, top_k=5)
    assert set(shortlist.models) == set(worst)
    assert "too many" not in shortlist.regime


def test_the_paper_leaves_nothing_out(small_limit):
    matrix, _ = planted(1)
    assert sum(map(len, rank(matrix, matrix.models, method="paper").clusters)) == 30


def history_of(matrix, folder: Path) -> History:
    history = History.create(folder / "history")
    cells = [(m, d) for m in matrix.models for d in matrix.datasets]
    ids = [f"{m}/{d}" for m, d in cells]
    runs = {"run_id": ids, "model": [m for m, _ in cells], "dataset": [d for _, d in cells]}
    points = {"run_id": ids, "step": 1.0, "split": "val", "metric": "accuracy", "value": matrix.values.ravel()}
    history.append(
        datasets=pd.DataFrame({"dataset": matrix.datasets, "primary_metric": "accuracy", "mode": "max"}),
        runs=pd.DataFrame(runs | {"status": "completed", "planned_steps": 1.0}),
        observations=pd.DataFrame(points),
    )
    return history
