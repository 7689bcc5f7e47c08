"""`raysel history` on small files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from raysel import History
from tests.cli.conftest import Run


def test_create_makes_an_empty_history(run: Run) -> None:
    result = run("history", "create", "new", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"history": "new"})
    assert History("new").parts() == ()


def test_add_takes_a_performance_matrix(run: Run, history: str) -> None:
    matrix = History(history).matrix()
    assert (matrix.models, matrix.datasets) == (("a", "b", "c", "d"), ("x", "y", "z"))
    assert matrix.values[2].tolist() == [0.9, 0.95, 0.3]


def test_add_takes_curves(run: Run, history: str, tmp_path: Path) -> None:
    rows = [
        f"a,w,{split},{step},{value}" for split, step, value in (("val", 1, 0.5), ("val", 2, 0.6), ("test", 2, 0.7))
    ]
    (tmp_path / "curves.csv").write_text("\n".join(["model,dataset,split,step,value", *rows]))
    assert run("history", "add", history, "curves.csv", "--set", "metric=f1", "--set", "mode=max").exit_code == 0
    (curve,) = History(history).curves(dataset="w")
    assert (curve.values.tolist(), curve.final) == ([0.5, 0.6], 0.7)


def test_add_takes_proxies(run: Run, history: str) -> None:
    assert run("history", "add", history, "proxies.csv").exit_code == 0
    assert History(history).proxy_scores("leep")[("a", "z")] == -0.1


def test_add_maps_sets_and_scales(run: Run, history: str, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("net,acc\na,81.5\nb,90\n")
    mapped = ("--map", "model=net", "--map", "value=acc", "--scale", "0.01")
    fixed = ("--set", "dataset=w", "--set", "metric=accuracy", "--set", "mode=max")
    result = run("history", "add", history, "own.csv", *mapped, *fixed)
    assert result.exit_code == 0, result.stderr
    matrix = History(history).matrix()
    assert matrix.values[:2, matrix.datasets.index("w")].tolist() == pytest.approx([0.815, 0.9])


def test_show_says_how_much_there_is(run: Run, history: str) -> None:
    plain = json.loads(run("history", "show", history, "--json").stdout)
    assert plain["models"] == 4
    assert [entry["dataset"] for entry in plain["datasets"]] == ["x", "y", "z"]
    assert plain["cells"] == 12
    shown = run("history", "show", history).stdout
    assert "4 models, 3 datasets, 12 of 12 cells" in shown
    assert "Known of models" not in shown


def test_show_says_what_is_known_of_models(run: Run, history: str) -> None:
    facts = pd.DataFrame({"model": ["a", "b"], "parameters": [7, 8], "licence": ["mit", ""]})
    History(history).append(models=facts)
    plain = json.loads(run("history", "show", history, "--json").stdout)
    assert plain["facts"] == {"parameters": 2, "family": 0, "source": 0, "licence": 1, "card": 0}
    assert "Known of models: parameters of 2, licence of 1." in run("history", "show", history).stdout


def test_rename_and_forget(run: Run, history: str) -> None:
    result = run("history", "rename", history, "a", "a@1", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"renamed": "a", "name": "a@1"})
    assert run("history", "forget", history, "b").stdout == "forgot b\n"
    assert History(history).matrix().models == ("a@1", "c", "d")
    assert "b" in run("history", "forget", history, "b").stderr


def test_check_finds_what_is_wrong(run: Run, history: str, tmp_path: Path) -> None:
    result = run("history", "check", history)
    assert (result.exit_code, result.stdout) == (0, "nothing is wrong\n")
    (tmp_path / history / "stray.txt").write_text("?")
    result = run("history", "check", history, "--json")
    assert result.exit_code == 1
    assert any("stray.txt" in problem for problem in json.loads(result.stdout))


def test_adding_the_same_again_changes_nothing(run: Run, history: str) -> None:
    parts = History(history).parts()
    result = run("history", "add", history, "matrix.csv", "--json")
    assert json.loads(result.stdout) == {"added": {}, "ignored": []}
    assert History(history).parts() == parts


def test_columns_that_are_left_out_are_named(run: Run, history: str, tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("model,dataset,metric,mode,value,mood\na,w,f1,max,0.5,good\n")
    result = run("history", "add", history, "own.csv")
    assert result.exit_code == 0
    assert "mood" in result.stderr


def test_compact_merges_and_changes_nothing(run: Run, history: str, tmp_path: Path) -> None:
    (tmp_path / "more.csv").write_text("model,dataset,metric,mode,value\na,w,accuracy,max,0.5\n")
    for file in ("proxies.csv", "more.csv"):
        assert run("history", "add", history, file).exit_code == 0
    before = History(history).matrix()
    plain = json.loads(run("history", "compact", history, "--json").stdout)
    assert plain["parts_after"] < plain["parts_before"]
    after = History(history).matrix()
    assert (after.models, after.datasets) == (before.models, before.datasets)
    np.testing.assert_array_equal(after.values, before.values)


@pytest.mark.parametrize("args", [(), ("history",)])
def test_without_a_verb_the_help_is_shown(run: Run, args: tuple[str, ...]) -> None:
    result = run(*args)
    assert result.exit_code == 0
    assert result.stdout == run(*args, "--help").stdout


def test_version(run: Run) -> None:
    assert run("--version").stdout == "raysel, version 0.1.0\n"
