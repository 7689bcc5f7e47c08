"""The benchmark of plans: what is filled in, in which order, and its rows on a small set."""

import numpy as np
import pytest

from raysel.history import PerformanceMatrix


@pytest.fixture(scope="module")
def modules():
    """The scripts, as they import one another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("benchmarks")
        import plan
        import public_sets

        yield plan, public_sets


def planted(*, holes: float = 0.2) -> PerformanceMatrix:
    rng = np.random.default_rng(0)
    values = rng.standard_normal((12, 1)) + rng.standard_normal((12, 10))
    values[rng.random(values.shape) < holes] = np.nan
    return PerformanceMatrix(
        models=tuple(f"m{i:02}" for i in range(12)), datasets=tuple(f"d{j}" for j in range(10)), values=values
    )


@pytest.mark.parametrize("priced", [False, True])
def test_every_order_fills_in_as_much_and_only_what_is_there(modules, priced):
    plan, _ = modules
    whole = planted()
    there = ~np.isnan(whole.values)
    cost = np.random.default_rng(1).uniform(1, 3, whole.values.shape) if priced else None
    price = np.ones(whole.values.shape) if cost is None else cost
    for order in plan.ORDERS:
        before = np.zeros(there.shape, bool)
        for share, matrix, told in plan.filled(whole, order, cost, top_k=3, seed=0):
            have = ~np.isnan(matrix.values)
            assert not np.any(before & ~have)
            assert np.array_equal(matrix.values[have], whole.values[have])
            assert price[have].sum() <= share * price[there].sum() + 1
            if order != "plan":  # which ends where nothing more is to be learnt
                assert price[have].sum() > share * price[there].sum() - 3
            assert (told is not None) == (order == "plan")
            before = have


def test_models_and_datasets_are_filled_in_one_after_the_other(modules):
    plan, _ = modules
    whole = planted(holes=0.0)
    for axis, order in ((1, "model by model"), (0, "dataset by dataset")):
        for _, matrix, _ in plan.filled(whole, order, None, top_k=3, seed=0):
            measured = (~np.isnan(matrix.values)).mean(axis=axis)
            assert ((measured > 0) & (measured < 1)).sum() <= 1


def test_the_page(modules):
    import pandas as pd

    plan, public_sets = modules
    matrix = planted()
    one = public_sets.MatrixSet(name="planted", told="a planted set", matrix=matrix, targets=matrix.datasets[:3])
    frame = pd.DataFrame(plan.rows(plan.Case(name="planted", one=one), 1))
    assert set(frame["order"]) == {"whole", *plan.ORDERS}
    assert (frame["regret"] >= 0).all()
    text = plan.page(frame, {"planted": "a planted set; 3 targets."})
    assert "## planted" in text
    assert "| random |" in text
    assert "expected regret" in text
