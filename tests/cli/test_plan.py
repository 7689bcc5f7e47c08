"""`raysel history plan` on small histories."""

import json
from pathlib import Path

import pandas as pd
import pytest

from raysel import History
from tests.cli.conftest import Run


def holes(history: str) -> None:
    """One more model, with one run alone, and a dataset without any."""
    runs = {"run_id": ["e"], "model": ["e"], "dataset": ["x"], "status": ["completed"], "planned_steps": [1]}
    points = {"run_id": ["e"], "step": [1], "split": ["val"], "metric": ["accuracy"], "value": [0.85]}
    new = {"dataset": ["w"], "primary_metric": ["accuracy"], "mode": ["max"], "size": [100]}
    History(history).append(runs=pd.DataFrame(runs), observations=pd.DataFrame(points), datasets=pd.DataFrame(new))


def timed(history: str) -> None:
    """A run of a, which took 60 s."""
    runs = {"run_id": ["t"], "model": ["a"], "dataset": ["x"], "status": ["completed"], "planned_steps": [1]}
    points = {"run_id": ["t"], "step": [1], "split": ["val"], "metric": ["accuracy"], "value": [0.5], "seconds": [60.0]}
    History(history).append(runs=pd.DataFrame(runs), observations=pd.DataFrame(points))


def test_the_runs_with_what_they_gain(run: Run, history: str) -> None:
    holes(history)
    result = run("history", "plan", history, "--budget", "3", "--top-k", "2", "--json")
    assert result.exit_code == 0, result.stderr
    plan = json.loads(result.stdout)
    assert (plan["measured"], plan["cells"], plan["unit"], plan["seconds"]) == (13, 20, "accuracy", None)
    assert len(plan["runs"]) == 3
    measured = {(m, d) for m in "abcd" for d in "xyz"} | {("e", "x")}
    assert not measured & {(entry["model"], entry["dataset"]) for entry in plan["runs"]}
    assert 0 < plan["gain"] <= plan["regret"]
    assert sum(entry["gain"] for entry in plan["runs"]) == pytest.approx(plan["gain"])


def test_a_table_for_people_and_a_file_for_record(run: Run, history: str, tmp_path: Path) -> None:
    holes(history)
    result = run("history", "plan", history, "--budget", "2 runs", "--top-k", "2", "--out", "plan.json")
    assert result.exit_code == 0, result.stderr
    assert "Planned: 2 runs" in result.stdout
    assert "13 of 20 cells are measured" in result.stdout
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["runs"][0]["model"] in result.stdout
    assert "raysel history record" in result.stderr


def test_a_budget_of_time_needs_times(run: Run, history: str) -> None:
    holes(history)
    result = run("history", "plan", history, "--budget", "5min", "--top-k", "2")
    assert result.exit_code == 2
    assert "no run on record says how long it took" in result.stderr
    timed(history)
    result = run("history", "plan", history, "--budget", "5min", "--top-k", "2", "--json")
    plan = json.loads(result.stdout)
    assert plan["runs"]
    assert plan["seconds"] == pytest.approx(60 * len(plan["runs"]))
    assert plan["seconds"] <= 300


def test_models_and_datasets_may_be_named(run: Run, history: str) -> None:
    chosen = ("--models", "zoo/latin-v*", "--models", "a", "--datasets", "[xy]", "--top-k", "1")
    result = run("history", "plan", history, "--budget", "2", *chosen, "--json")
    assert result.exit_code == 0, result.stderr
    assert {(entry["model"], entry["dataset"]) for entry in json.loads(result.stdout)["runs"]} == {
        ("zoo/latin-vit", "x"),
        ("zoo/latin-vit", "y"),
    }


def test_what_failed_is_not_planned(run: Run, history: str) -> None:
    holes(history)
    runs = {"run_id": ["f"], "model": ["e"], "dataset": ["y"], "status": ["failed"], "planned_steps": [1]}
    History(history).append(runs=pd.DataFrame(runs))
    result = run("history", "plan", history, "--budget", "20", "--top-k", "2", "--json")
    planned = {(entry["model"], entry["dataset"]) for entry in json.loads(result.stdout)["runs"]}
    assert ("e", "w") in planned
    assert ("e", "y") not in planned


def test_nothing_to_learn_is_said(run: Run, history: str) -> None:
    result = run("history", "plan", history, "--budget", "5", "--top-k", "4")
    assert "all 4 models are recalled whatever is run" in result.stderr
    assert "Planned: 0 runs" in result.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--budget", "0"), "`budget` is '0'"),
        (("--budget", "much"), "`budget` is 'much'"),
        (("--budget", "0h"), "`budget` is '0h'"),
        (("--budget", "3", "--models", "nobody"), "no model is named 'nobody'"),
        (("--budget", "3", "--datasets", "nothing"), "no dataset is named 'nothing'"),
    ],
)
def test_bad_input(run: Run, history: str, options: tuple[str, ...], message: str) -> None:
    result = run("history", "plan", history, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
