"""The benchmark of recall: its exact baseline by hand, and its rows on a small set."""

import itertools

import numpy as np
import pytest

from raysel.history import PerformanceMatrix


@pytest.fixture(scope="module")
def modules():
    """The scripts, as they import one another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("benchmarks")
        import public_sets
        import recall

        yield recall, public_sets


@pytest.mark.parametrize("k", [1, 2, 3, 5])
def test_the_best_of_a_random_choice_is_the_mean_over_all(modules, k):
    finals = [0.3, 0.9, 0.5, 0.5, 0.1]
    expected = np.mean([max(some) for some in itertools.combinations(finals, k)])
    assert modules[0].best_of_random(finals, k) == pytest.approx(expected)


def planted(modules, *, low=0.0):
    """Nine models, of which the first three are good on average and the fourth on the target `odd` alone."""
    models, datasets = tuple(f"m{i}" for i in range(9)), ("x", "y", "odd", "copy")
    values = np.array([[0.9 - 0.05 * i, 0.8 - 0.05 * i, 0.7 - 0.05 * i, 0.7 - 0.05 * i] for i in range(9)]) + low
    values[3, 2] = 0.95 + low
    proxy = {(model, dataset): values[i, j] for i, model in enumerate(models) for j, dataset in enumerate(datasets)}
    return modules[1].MatrixSet(
        name="planted",
        told="",
        matrix=PerformanceMatrix(models=models, datasets=datasets, values=values),
        proxies={"oracle": proxy},
        together=(frozenset(("odd", "copy")),),
        targets=("odd",),
        sizes={model: float(i) for i, model in enumerate(models)},
    )


def test_rows_of_a_planted_set(modules):
    rows = {row["method"]: row for row in modules[0].rows(planted(modules))}
    assert {row["k"] for row in rows.values()} == {3}
    assert rows["best-average"]["regret"] == rows["default"]["regret"] == pytest.approx(0.95 - 0.7)
    assert rows["oracle alone"]["regret"] == 0
    assert rows["default + oracle, own"]["regret"] == 0
    assert rows["largest"]["mean_final"] == pytest.approx(0.7 - 0.05 * 7)
    assert rows["random"]["relative_regret"] < 1
    assert {"paper", "paper + oracle, own", "default + oracle, representatives"} <= set(rows)


def test_the_paper_refuses_what_is_not_in_0_to_1(modules):
    rows = [row["method"] for row in modules[0].rows(planted(modules, low=1.0))]
    assert "default" in rows
    assert not any(method.startswith("paper") for method in rows)


def test_the_page_says_it(modules):
    import pandas as pd

    frame = pd.DataFrame(modules[0].rows(planted(modules, low=1.0)))
    page = modules[0].page(frame, {"planted": "a planted set"})
    assert "a planted set; 1 targets, 9 models, K = 3." in page
    assert "The paper's method refuses this set" in page
    assert "| best-average | 1 | 0.2500 [0.2500, 0.2500] | - |" in page
