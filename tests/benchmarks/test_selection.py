"""The benchmark of selections: its exact baselines by hand, and its rows and page on one target of the mini zoo."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest

from raysel.history import History
from raysel.replay.snapshot import Snapshot
from raysel.replay.tasks import task
from tests.replay.recorded import run, tables

METHODS = ["default", "random-k", "halving-all", "asha-3-all", "fine-tune-all", "paper"]


@pytest.fixture(scope="module")
def modules():
    """The scripts, as they import one another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("benchmarks")
        import selection
        import selection_page

        yield selection, selection_page


@pytest.fixture(scope="module")
def frame(modules):
    found, seconds = modules[0].replayed("mini_zoo", "digits", METHODS, 2)
    assert seconds > 0
    return modules[0].rounded(found)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_fine_tuning_some_is_the_mean_over_all_choices(modules, tmp_path, count):
    history = History.create(str(tmp_path / "history"))
    # last validation scores and finals disagree
    scores = {"a": (0.9, 0.5), "b": (0.8, 0.9), "c": (0.7, 0.7), "d": (0.6, 0.8)}
    history.append(**tables([run(model, [0.1, last], final=final) for model, (last, final) in scores.items()]))
    found = modules[0].fine_tuned_some(task(Snapshot(history), "target"), count, 0)
    chosen = [max(some, key=lambda model: scores[model][0]) for some in itertools.combinations(scores, count)]
    regret = 0.9 - np.mean([scores[model][1] for model in chosen])
    assert found["regret"] == pytest.approx(regret)
    assert found["relative_regret"] == pytest.approx(regret / (0.9 - 0.725))
    assert (found["steps"], found["trainings"], found["seconds"]) == (2 * count, count, 20 * count)


@pytest.mark.parametrize(
    ("loss", "losses", "costs", "expected"),
    [
        (0.5, [0.4, 0.1], [2, 8], 2),
        (0.1, [0.4, 0.1], [2, 8], 8),
        (0.25, [0.4, 0.1], [2, 8], 4),  # half way, in log cost
        (0.05, [0.4, 0.1], [2, 8], math.inf),
        (0.1, [0.4, 0.1, 0.3, 0.0], [2, 8, 9, 10], 8),  # what a cheaper point reached stays reached
    ],
)
def test_the_cost_at_which_a_curve_reaches_a_loss(modules, loss, losses, costs, expected):
    assert modules[1].cost_at(loss, np.array(losses), np.array(costs, dtype=float)) == pytest.approx(expected)


@pytest.mark.parametrize(("cost", "expected"), [(1, 0.4), (2, 0.4), (4, 0.25), (8, 0.1), (99, 0.1)])
def test_what_a_curve_loses_at_a_cost(modules, cost, expected):
    assert modules[1].loss_at(cost, np.array([0.4, 0.1]), np.array([2.0, 8.0])) == pytest.approx(expected)
    assert modules[1].loss_at(cost, np.array([0.1, 0.4]), np.array([8.0, 2.0])) == pytest.approx(expected)


def test_rows_are_tidy_and_curves_agree_with_the_table(modules, frame):
    assert not frame.duplicated(modules[0].KEY).any()
    rows, curves = frame[frame["part"] == "table"], frame[frame["part"] == "curve"]
    assert set(rows["method"]) == set(METHODS)
    assert (rows["regret"] >= 0).all()
    assert rows["makespan_16"].le(rows["makespan_1"]).all()
    for method in ("default", "random-k"):
        here = rows[rows["method"] == method].set_index("seed")["regret"]
        same = curves[(curves["method"] == method) & (curves["top_k"] == 10)].set_index("seed")["regret"]
        assert here.equals(same)
    every = curves[(curves["method"] == "fine-tune-some") & (curves["top_k"] == 31)]
    assert every["regret"].tolist() == rows[rows["method"] == "fine-tune-all"]["regret"].tolist()
    assert set(curves["top_k"][curves["method"] == "default"]) == {1, 2, 3, 5, 10, 15, 20, 31}


def test_new_rows_take_the_place_of_old_ones(modules, frame, tmp_path):
    file = tmp_path / "selection.parquet"
    assert modules[0].merged(frame, file) is frame
    frame.assign(regret=7.0).to_parquet(file)
    again = modules[0].merged(frame[frame["method"] == "default"], file)
    assert len(again) == len(frame)
    assert set(again["regret"][again["method"] != "default"]) == {7.0}
    assert 7.0 not in set(again["regret"][again["method"] == "default"])


def test_the_page_tells_every_method_and_is_the_same_again(modules, frame, tmp_path):
    other = frame.assign(target="another", regret=frame["regret"] + 0.25)
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        modules[1].write_page(pd.concat([frame, other]), tmp_path / name)
    first, second = ({file.name: file.read_bytes() for file in (tmp_path / name).iterdir()} for name in ("one", "two"))
    assert first == second
    assert set(first) == {"selection.md", "selection_mini_zoo.svg", "selection_mini_zoo_seconds.svg"}
    page = first["selection.md"].decode()
    for method in METHODS:
        assert f"| {method} |" in page, method
    for other in ("halving-all", "asha-3-all", "fine-tune-all"):
        assert f"| mini_zoo | default | {other} | seconds |" in page
