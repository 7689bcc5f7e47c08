"""Plans on small matrices: what is worth a run, and laws that hold for any history."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.errors import NothingToRecallError, OptionError
from raysel.history import PerformanceMatrix
from raysel.recall.plan import Plan, believe, plan


def planted(
    seed: int, *, models: int = 30, datasets: int = 12, holes: float = 0.6, telling: float = 0.7
) -> PerformanceMatrix:
    """Models of a common quality, which every dataset tells as far, on scales of its own."""
    rng = np.random.default_rng(seed)
    quality = rng.standard_normal((models, 1))
    z = telling * quality + np.sqrt(1 - telling**2) * rng.standard_normal((models, datasets))
    values = rng.uniform(0, 50, datasets) + z * rng.uniform(0.5, 5, datasets)
    values[rng.random(values.shape) < holes] = np.nan
    return PerformanceMatrix(
        models=tuple(f"m{i:02}" for i in range(models)),
        datasets=tuple(f"d{j:03}" for j in range(datasets)),
        values=values,
    )


def made(matrix: PerformanceMatrix, *, runs: int = 20, top_k: int = 5, seed: int = 0) -> Plan:
    return plan(matrix, matrix.models, matrix.datasets, runs=runs, top_k=top_k, seed=seed)


def cells(planned: Plan) -> list[tuple[str, str]]:
    return [(run.model, run.dataset) for run in planned.runs]


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), holes=st.floats(0, 1), runs=st.integers(1, 60), top_k=st.integers(1, 8))
def test_laws(seed: int, holes: float, runs: int, top_k: int) -> None:
    matrix = planted(seed, holes=holes, models=12, datasets=6)
    planned = made(matrix, runs=runs, top_k=top_k)
    measured = ~np.isnan(matrix.values)
    assert planned.measured == measured.sum()
    assert len(planned.runs) <= min(runs, (~measured).sum())
    assert len(set(cells(planned))) == len(planned.runs)
    for model, dataset in cells(planned):
        assert not measured[matrix.row[model], matrix.datasets.index(dataset)]
    assert sum(run.gain for run in planned.runs) == pytest.approx(planned.gain)
    assert all(run.gain >= 0 for run in planned.runs)
    assert planned.regret >= planned.gain - 1e-12
    assert np.isfinite([planned.regret, planned.gain, planned.scale]).all()


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), data=st.data())
def test_the_order_of_names_does_not_matter(seed: int, data: st.DataObject) -> None:
    matrix = planted(seed, models=10, datasets=5)
    rows, columns = (data.draw(st.permutations(range(n))) for n in matrix.values.shape)
    shuffled = PerformanceMatrix(
        models=tuple(matrix.models[i] for i in rows),
        datasets=tuple(matrix.datasets[j] for j in columns),
        values=matrix.values[np.ix_(rows, columns)],
    )
    assert made(shuffled, top_k=3) == made(matrix, top_k=3)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), low=st.floats(-50, 50), factor=st.floats(0.1, 10))
def test_the_unit_of_the_finals_does_not_matter(seed: int, low: float, factor: float) -> None:
    matrix = planted(seed, models=15, datasets=5, holes=0.3)
    moved = replace(matrix, values=low + factor * matrix.values)
    assert believe(moved.values).mean == pytest.approx(believe(matrix.values).mean, abs=1e-6)
    assert made(moved).scale == pytest.approx(factor * made(matrix).scale)
    assert made(moved).gain == pytest.approx(made(matrix).gain, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_beliefs_come_close_to_the_truth_and_know_how_close(seed: int) -> None:
    rng = np.random.default_rng(seed)
    quality = rng.standard_normal(400)
    z = 0.7 * quality[:, None] + np.sqrt(1 - 0.7**2) * rng.standard_normal((400, 20))
    truth = (z / z.std(axis=0)).mean(axis=1)
    z[rng.random(z.shape) < 0.5] = np.nan
    believed = believe(3 + 5 * z)
    assert believed.telling == pytest.approx(np.full(20, 0.7), abs=0.2)
    assert believed.spread == pytest.approx(np.full(20, 5.0), rel=0.3)
    errors = (believed.mean - truth + truth.mean()) / np.sqrt(believed.variance)
    assert 0.8 < errors.std() < 1.25


def test_of_a_complete_matrix_nothing_is_left_to_learn() -> None:
    whole = planted(0, holes=0.0)
    believed = believe(whole.values)
    assert believed.variance == pytest.approx(np.zeros(30), abs=1e-12)
    z = (whole.values - whole.values.mean(axis=0)) / whole.values.std(axis=0)
    assert np.corrcoef(believed.mean, z.mean(axis=1))[0, 1] > 0.999


def test_a_model_measured_beside_good_ones_only_is_not_thought_average() -> None:
    quality = np.linspace(2, -2, 20)
    values = quality[:, None] + np.random.default_rng(0).normal(0, 0.2, (20, 8))
    values[10:, 4:] = np.nan  # half of the datasets have seen the better half alone
    values[0, :4] = np.nan  # and the best model those only
    assert believe(values).mean.argmax() < 2


def test_runs_go_to_models_near_the_line() -> None:
    quality = np.repeat([3.0, 0.0, -3.0], [3, 4, 3])
    values = np.full((10, 20), np.nan)
    values[:, :8] = quality[:, None] + np.random.default_rng(1).normal(0, 0.3, (10, 8))
    matrix = PerformanceMatrix(
        models=tuple(f"m{i}" for i in range(10)), datasets=tuple(f"d{j:02}" for j in range(20)), values=values
    )
    ran = {model for model, _ in cells(made(matrix, runs=8, top_k=5))}
    assert ran <= {"m3", "m4", "m5", "m6"}


def test_a_model_without_runs_is_worth_more_than_one_known_to_be_poor() -> None:
    matrix = planted(0, holes=0.0, models=10, datasets=6)
    poorest = matrix.models[int(believe(matrix.values).mean.argmin())]
    j = matrix.datasets.index("d000")
    values = matrix.values.copy()
    values[:, j] = np.nan
    planned = plan(replace(matrix, values=values), [poorest, "new"], matrix.datasets, runs=3, top_k=1)
    assert {model for model, _ in cells(planned)} == {"new"}


def test_runs_that_cost_less_come_first() -> None:
    matrix = PerformanceMatrix(models=(), datasets=(), values=np.empty((0, 0)))
    each = np.array([[100.0, 1.0], [100.0, 1.0], [100.0, 1.0]])
    planned = plan(matrix, "abc", ["dear", "cheap"], seconds=103, each=each, top_k=1)
    assert [dataset for _, dataset in cells(planned)] == ["cheap", "cheap", "cheap", "dear"]
    assert planned.seconds == 103


@pytest.mark.parametrize("seconds", [1, 7.5, 40])
def test_a_budget_of_seconds_is_kept(seconds: float) -> None:
    matrix = planted(3)
    each = np.random.default_rng(0).uniform(0.5, 5, matrix.values.shape)
    planned = plan(matrix, matrix.models, matrix.datasets, seconds=seconds, each=each, top_k=5)
    assert planned.seconds is not None
    assert seconds - 5 < planned.seconds <= seconds


def test_what_is_refused_is_not_planned() -> None:
    matrix = planted(4)
    first = cells(made(matrix))
    planned = plan(matrix, matrix.models, matrix.datasets, runs=20, top_k=5, without=first[:3])
    assert not set(first[:3]) & set(cells(planned))


def test_more_runs_gain_more() -> None:
    matrix = planted(5)
    gains = [made(matrix, runs=runs).gain for runs in (5, 30, 150)]
    assert gains == sorted(gains)
    assert gains[0] > 0


def test_where_all_are_recalled_nothing_is_worth_a_run() -> None:
    matrix = planted(6, models=5)
    planned = made(matrix, top_k=5)
    assert (planned.runs, planned.gain, planned.regret) == ((), 0.0, 0.0)


def test_an_empty_history_is_begun() -> None:
    matrix = PerformanceMatrix(models=(), datasets=(), values=np.empty((0, 0)))
    planned = plan(matrix, "abcdef", "xyz", runs=12, top_k=2)
    first, second = cells(planned)[:6], cells(planned)[6:]
    assert {model for model, _ in first} == {model for model, _ in second} == set("abcdef")
    assert len({dataset for _, dataset in first}) == len({dataset for _, dataset in second}) == 1  # side by side
    assert planned.gain > 0


def test_a_larger_budget_only_goes_on() -> None:
    matrix = planted(7)
    assert cells(made(matrix, runs=40))[:15] == cells(made(matrix, runs=15))


def test_contenders_are_compared_on_the_same_datasets() -> None:
    """Three models that stand alike at the line, and many datasets that would tell as much."""
    quality = np.repeat([3.0, 0.0, -3.0], [3, 3, 3])
    values = np.full((9, 30), np.nan)
    ahead = np.add.outer(np.arange(9), np.arange(6)) % 3 - 1  # on one dataset, behind on another, level in all
    values[:, :6] = quality[:, None] + 0.3 * ahead
    matrix = PerformanceMatrix(
        models=tuple(f"m{i}" for i in range(9)), datasets=tuple(f"d{j:02}" for j in range(30)), values=values
    )
    planned = cells(made(matrix, runs=6, top_k=4))
    assert {model for model, _ in planned} == {"m3", "m4", "m5"}
    assert len({dataset for _, dataset in planned}) == 2


def test_in_rounds_it_finds_the_best_of_the_whole_matrix_sooner_than_other_orders() -> None:
    missed = dict.fromkeys(("plan", "random", "dataset by dataset"), 0.0)
    for seed in range(6):
        whole = planted(seed, models=40, datasets=20, holes=0.0)
        z = ((whole.values - whole.values.mean(axis=0)) / whole.values.std(axis=0)).mean(axis=1)
        most = np.sort(z)[-10:].mean()
        drawn = np.random.default_rng(seed).permutation(whole.values.size)
        for order in missed:
            have = np.zeros(whole.values.shape, bool)
            have.T.flat[: 320 if order == "dataset by dataset" else 0] = True
            have.flat[drawn[: 320 if order == "random" else 0]] = True
            while have.sum() < 320:  # 40 %
                now = replace(whole, values=np.where(have, whole.values, np.nan))
                for model, dataset in cells(made(now, runs=80, top_k=10)):
                    have[whole.row[model], whole.datasets.index(dataset)] = True
            best = np.argsort(-believe(np.where(have, whole.values, np.nan)).mean)[:10]
            missed[order] += most - z[best].mean()
    assert 2 * missed["plan"] < min(missed["random"], missed["dataset by dataset"])


def test_what_is_expected_is_what_comes_of_it() -> None:
    """On data that is as the belief has it; careful, since datasets are taken to tell little until they show more."""
    promised, had = [], []
    for seed in range(40):
        whole = planted(seed, models=40, datasets=225, holes=0.0)
        benchmarks, new = whole.values[:, :25], whole.values[:, 25:] / whole.values[:, 25:].std(axis=0)
        begun = np.where(np.random.default_rng(seed).random(benchmarks.shape) < 0.9, np.nan, benchmarks)
        start = PerformanceMatrix(models=whole.models, datasets=whole.datasets[:25], values=begun)
        planned = made(start, runs=120)
        after = begun.copy()
        for model, dataset in cells(planned):
            i, j = start.row[model], start.datasets.index(dataset)
            after[i, j] = benchmarks[i, j]
        best = [new[np.argsort(-believe(values).mean)[:5]].max(axis=0).mean() for values in (begun, after)]
        promised.append(planned.gain)
        had.append(best[1] - best[0])
    assert 0.5 < np.mean(promised) / np.mean(had) < 1.2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"runs": 0}, "`runs` is 0"),
        ({"runs": 3, "seconds": 5.0}, "`runs` is 3"),
        ({}, "`runs` is None"),
        ({"seconds": -1.0}, "`seconds` is -1.0"),
        ({"seconds": 5.0}, "`each` is None"),
        ({"runs": 3, "each": np.ones((1, 1))}, "`each` is"),
        ({"runs": 3, "top_k": 0}, "`top_k` is 0"),
    ],
)
def test_bad_options(options: dict[str, object], message: str) -> None:
    matrix = planted(0)
    with pytest.raises(OptionError, match=message):
        plan(matrix, matrix.models, matrix.datasets, **options)  # type: ignore[arg-type]


def test_nothing_to_choose_from() -> None:
    matrix = planted(0)
    with pytest.raises(NothingToRecallError):
        plan(matrix, [], matrix.datasets, runs=1)
    with pytest.raises(OptionError, match="`datasets`"):
        plan(matrix, matrix.models, [], runs=1)
