"""`raysel recall` on a small history."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import Result

from raysel import History
from tests.cli.conftest import Run

KEYS = ["model", "cluster", "representative", "proxies", "score", "reason", "uncertainty"]


def answer(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.stderr
    plain: dict[str, Any] = json.loads(result.stdout)
    return plain


def models(plain: dict[str, Any]) -> list[str]:
    return [entry["model"] for entry in plain["shortlist"]]


@pytest.mark.parametrize("method", ["default", "paper"])
def test_json_has_the_promised_keys(run: Run, history: str, method: str) -> None:
    plain = answer(run("recall", history, "--target", "z", "--method", method, "--json"))
    assert list(plain) == ["method", "shortlist", "clusters"]
    assert plain["method"] == method
    assert [list(entry) for entry in plain["shortlist"]] == [KEYS] * 4
    assert sorted(model for cluster in plain["clusters"] for model in cluster) == ["a", "b", "c", "d"]
    for entry in plain["shortlist"]:
        assert entry["model"] in plain["clusters"][entry["cluster"]]
        assert entry["representative"] in plain["clusters"][entry["cluster"]]
        assert any(character.isdigit() for character in entry["reason"])
    scores = [entry["score"] for entry in plain["shortlist"]]
    assert scores == sorted(scores, reverse=True)


def test_the_target_is_left_out_of_the_history(run: Run, history: str) -> None:
    # On z alone a and b are the better ones; on x and y c and d are.
    assert models(answer(run("recall", history, "--target", "z", "--json")))[:2] == ["c", "d"]


def test_a_target_that_is_not_in_the_history_is_judged_by_all_of_it(run: Run, history: str) -> None:
    assert "on 3 benchmark datasets" in run("recall", history, "--target", "new", "--json").stderr


def test_top_k_and_tau(run: Run, history: str) -> None:
    args = ("recall", history, "--target", "z", "--method", "paper", "--json")
    assert len(answer(run(*args, "--top-k", "3"))["shortlist"]) == 3
    assert answer(run(*args, "--tau", "0.1"))["clusters"] == [["b", "a"], ["c", "d"]]
    assert answer(run(*args, "--tau", "0.001"))["clusters"] == [["a"], ["b"], ["c"], ["d"]]
    assert len(answer(run(*args, "--tau", "0.9"))["clusters"]) == 1


@pytest.mark.parametrize(
    ("options", "compared"),
    [
        (("--target", "z"), 1),
        (("--target", "z", "--task", "regression"), 1),
        (("--target", "new", "--task", "classification"), 2),
        (("--target", "new"), None),
        (("--target", "z", "--across-tasks"), None),
    ],
)
def test_models_are_compared_on_datasets_of_the_target_s_type(
    run: Run, history: str, options: tuple[str, ...], compared: int | None
) -> None:
    tasks = pd.DataFrame({"dataset": ["x", "y", "z"], "task": ["regression", "classification", "classification"]})
    History(history).append(datasets=tasks.assign(primary_metric="accuracy", mode="max"))
    told = run("recall", history, *options, "--json").stderr
    assert ("Models are compared" in told) is (compared is not None)
    assert compared is None or f"compared on the {compared} of these" in told


def test_the_paper_weighs_with_the_proxy_of_the_representative(run: Run, history: str) -> None:
    args = ("recall", history, "--target", "z", "--method", "paper", "--tau", "0.1", "--proxies", "proxies.csv")
    entries = {entry["model"]: entry for entry in answer(run(*args, "--json"))["shortlist"]}
    assert (entries["a"]["representative"], entries["a"]["proxies"]) == ("b", {"leep": -0.2})
    assert entries["a"]["score"] == pytest.approx(0.55 * 2.718281828459045**-0.2)
    own = {entry["model"]: entry for entry in answer(run(*args, "--propagate", "own", "--json"))["shortlist"]}
    assert own["a"]["proxies"] == {"leep": -0.1}
    assert own["a"]["score"] == pytest.approx(0.55 * 2.718281828459045**-0.1)


def test_only_rows_of_the_target_count(run: Run, history: str, tmp_path: Path) -> None:
    args = ("recall", history, "--target", "z", "--method", "paper", "--proxies")
    whole = run(*args, "proxies.csv", "--json").stdout
    lines = (tmp_path / "proxies.csv").read_text().splitlines(keepends=True)
    (tmp_path / "less.csv").write_text("".join(line for line in lines if ",x," not in line))
    assert run(*args, "less.csv", "--json").stdout == whole


SEVERAL = {
    # Of equals leep is taken, else the one that scores most models.
    "equals": ("a,z,logme,1.0\nb,z,logme,2.0\nc,z,logme,0.0\nd,z,logme,5.0\n", "leep"),
    "fewer": ("a,z,logme,1.0\nb,z,logme,2.0\n", "leep"),
    "more": ("new,z,logme,0.5\na,z,logme,1.0\nb,z,logme,2.0\nc,z,logme,0.0\nd,z,logme,5.0\n", "logme"),
}


@pytest.mark.parametrize(("rows", "used"), SEVERAL.values(), ids=SEVERAL)
def test_the_paper_s_method_takes_one_of_several_proxies_and_says_which(
    run: Run, history: str, tmp_path: Path, rows: str, used: str
) -> None:
    (tmp_path / "two.csv").write_text((tmp_path / "proxies.csv").read_text() + rows)
    args = ("recall", history, "--target", "z", "--method", "paper", "--propagate", "own", "--proxies", "two.csv")
    result = run(*args, "--json")
    counts = f"leep (4), logme ({rows.count('logme')})"
    assert f"two.csv scores models on z with {counts}: {used} is used" in result.stderr
    proxies = [entry["proxies"] for entry in answer(result)["shortlist"]]
    assert {proxy for scores in proxies for proxy in scores} == {used}


@pytest.mark.parametrize("rows", [rows for rows, _ in SEVERAL.values()], ids=SEVERAL)
def test_the_default_uses_all_proxies(run: Run, history: str, tmp_path: Path, rows: str) -> None:
    (tmp_path / "two.csv").write_text((tmp_path / "proxies.csv").read_text() + rows)
    result = run("recall", history, "--target", "z", "--propagate", "own", "--proxies", "two.csv", "--json")
    assert "is used" not in result.stderr
    assert "leep and logme not trusted (0.00)" in result.stderr
    entries = {entry["model"]: entry["proxies"] for entry in answer(result)["shortlist"]}
    assert entries["a"] == {"leep": -0.1, "logme": 1.0}
    table = run("recall", history, "--target", "z", "--propagate", "own", "--proxies", "two.csv").stdout
    assert table.index("leep") < table.index("logme") < table.index("score")


def test_the_default_learns_from_the_history_what_each_proxy_is_worth(run: Run, history: str, tmp_path: Path) -> None:
    # On x and y, of six models, leep knows the order and logme has it turned round.
    models, datasets = "abcdef", "xy"
    (tmp_path / "more.csv").write_text(
        "model,dataset,metric,mode,value\n"
        + "".join(f"{m},{d},accuracy,max,{0.2 + i / 10}\n" for i, m in enumerate("ef") for d in datasets)
    )
    finals = {("a", "x"): 0.50, ("a", "y"): 0.60, ("b", "x"): 0.52, ("b", "y"): 0.62}
    finals |= {("c", "x"): 0.90, ("c", "y"): 0.95, ("d", "x"): 0.88, ("d", "y"): 0.94}
    finals |= {(m, d): 0.2 + i / 10 for i, m in enumerate("ef") for d in datasets}
    (tmp_path / "past.csv").write_text(
        "model,dataset,proxy,value\n"
        + "".join(f"{m},{d},leep,{v}\n{m},{d},logme,{-v}\n" for (m, d), v in finals.items())
        # The target's own record teaches nothing.
        + "".join(f"{m},z,logme,{i}\n" for i, m in enumerate(models))
    )
    for file in ("more.csv", "past.csv"):
        assert run("history", "add", history, file).exit_code == 0
    (tmp_path / "two.csv").write_text((tmp_path / "proxies.csv").read_text() + "a,z,logme,1.0\nb,z,logme,2.0\n")
    told = run("recall", history, "--target", "z", "--proxies", "two.csv", "--json").stderr
    assert "leep 0.50, logme 0.00, as learned on 2 benchmark datasets" in " ".join(told.split())


def test_models_that_only_the_file_knows_are_candidates(run: Run, history: str, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text((tmp_path / "proxies.csv").read_text() + "new,z,leep,-0.3\n")
    result = run("recall", history, "--target", "z", "--proxies", "new.csv", "--json")
    entry = next(entry for entry in answer(result)["shortlist"] if entry["model"] == "new")
    assert (entry["cluster"], entry["representative"], entry["proxies"]) == (None, None, {"leep": -0.3})


def test_day_one_ranks_by_the_proxy_and_says_so(run: Run, history: str) -> None:
    assert run("history", "create", "empty").exit_code == 0
    result = run("recall", "empty", "--target", "z", "--proxies", "proxies.csv", "--json")
    assert models(answer(result)) == ["a", "b", "d", "c"]
    assert "Day one" in result.stderr


def test_the_same_seed_gives_the_same_bytes(run: Run, history: str) -> None:
    args = ("recall", history, "--target", "z", "--seed", "3", "--json")
    assert run(*args).stdout_bytes == run(*args).stdout_bytes


def test_the_table_is_for_people(run: Run, history: str) -> None:
    result = run("recall", history, "--target", "z", "--top-k", "2")
    assert result.exit_code == 0
    assert "Recalled: 2 models (method default)" in result.stdout
    assert "mean z-score" in result.stdout
