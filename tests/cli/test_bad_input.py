"""Bad input ends with exit code 2 and one line that names the parameter and the rule; nothing half-done is left."""

import shutil
from pathlib import Path

import pytest

from raysel import History
from raysel.history.importers import import_file
from tests.cli.conftest import Run

FILES = {
    "empty.csv": "",
    "header.csv": "model,dataset,metric,mode,value\n",
    "nan.csv": "model,dataset,metric,mode,value\na,x,accuracy,max,0.5\nb,x,accuracy,max,nan\n",
    "text.csv": "model,dataset,metric,mode,value\na,x,accuracy,max,good\n",
    "directions.csv": "model,dataset,metric,mode,value\na,x,accuracy,max,0.5\nb,x,accuracy,min,0.5\n",
    "other.csv": "model,dataset,metric,mode,value\na,x,accuracy,min,0.5\n",
    "mode.csv": "model,dataset,metric,mode,value\na,x,accuracy,up,0.5\n",
    "nameless.csv": "model,dataset,metric,mode,value\n,x,accuracy,max,0.5\n",
    "step.csv": "model,dataset,metric,mode,step,value\na,x,accuracy,max,-1,0.5\n",
    "slip.csv": "model,dataset,metric,mode,valeu\na,x,accuracy,max,0.5\n",
    "twice.csv": "model,dataset,metric,mode,value\na,x,accuracy,max,0.5\na,x,accuracy,max,0.6\n",
    "percent.csv": "model,dataset,metric,mode,value\na,v,accuracy,max,50\nb,v,accuracy,max,60\n",
    "infinite.csv": "model,dataset,proxy,value\na,z,leep,inf\n",
    "broken.parquet": "PAR1 and nothing else",
}
ADD = ("history", "add", "history")
RECALL = ("recall", "history", "--target", "z")

CASES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    # the command itself
    "unknown verb": (("recal",), ("recal",)),
    "unknown option": (("--verbose",), ("--verbose",)),
    "unknown option of a verb": ((*RECALL, "--topk", "3"), ("--topk",)),
    # history create
    "create without a place": (("history", "create"), ("HISTORY",)),
    "create where one is": (("history", "create", "history"), ("history", "already")),
    "create where something else is": (("history", "create", "folder"), ("folder", "not empty")),
    "create in a file": (("history", "create", "nan.csv"), ("nan.csv",)),
    "create at an unknown scheme": (("history", "create", "nowhere://bucket/history"), ("nowhere",)),
    # a history that is none
    "show nothing": (("history", "show", "nothing"), ("nothing", "no history")),
    "show a folder": (("history", "show", "folder"), ("folder", "no history")),
    "show a file": (("history", "show", "nan.csv"), ("nan.csv",)),
    "check nothing": (("history", "check", "nothing"), ("nothing", "no history")),
    "compact nothing": (("history", "compact", "nothing"), ("nothing", "no history")),
    "add to nothing": (("history", "add", "nothing", "nan.csv"), ("nothing", "no history")),
    "recall from nothing": (("recall", "nothing", "--target", "z"), ("nothing", "no history")),
    # history add
    "add without a file": (ADD, ("FILE",)),
    "add a missing file": ((*ADD, "missing.csv"), ("missing.csv",)),
    "add an empty file": ((*ADD, "empty.csv"), ("empty.csv",)),
    "add a header": ((*ADD, "header.csv"), ("header.csv", "at least one row")),
    "add a broken Parquet file": ((*ADD, "broken.parquet"), ("broken.parquet",)),
    "add NaN": ((*ADD, "nan.csv"), ("nan.csv, row 2", "`value`", "finite")),
    "add text as a value": ((*ADD, "text.csv"), ("text.csv, row 1", "`value`", "good")),
    "add two directions": ((*ADD, "directions.csv"), ("row 2", "`mode`", "min")),
    "add another direction": ((*ADD, "other.csv"), ("`mode`", "min", "max")),
    "add an unknown mode": ((*ADD, "mode.csv"), ("row 1", "`mode`", "up", "max, min")),
    "add a nameless model": ((*ADD, "nameless.csv"), ("row 1", "`model`")),
    "add a negative step": ((*ADD, "step.csv"), ("row 1", "`step`", "at least 0")),
    "add a column with a slip": ((*ADD, "slip.csv"), ("`value`", "missing")),
    "add two values for one thing": ((*ADD, "twice.csv"), ("row 2", "`value`", "row 1")),
    "map without a column": ((*ADD, "nan.csv", "--map", "model"), ("--map", "'model'", "FIELD=COLUMN")),
    "map nothing": ((*ADD, "nan.csv", "--map", "=net"), ("--map", "'=net'")),
    "map a field twice": ((*ADD, "nan.csv", "--map", "model=a", "--map", "model=b"), ("--map", "'model'", "twice")),
    "map a column that is not there": ((*ADD, "nan.csv", "--map", "model=net"), ("nan.csv", "'net'", "model")),
    "map a field that is none": ((*ADD, "nan.csv", "--map", "modle=model"), ("'modle'", "did you mean mode")),
    "set without a value": ((*ADD, "nan.csv", "--set", "metric="), ("--set", "'metric='", "FIELD=VALUE")),
    "set and map the same": ((*ADD, "nan.csv", "--set", "model=a", "--map", "model=model"), ("`model`", "not both")),
    "scale by nothing": ((*ADD, "nan.csv", "--scale", "0"), ("`scale`", "0.0", "above 0")),
    "scale by infinity": ((*ADD, "nan.csv", "--scale", "inf"), ("`scale`", "inf", "finite")),
    "scale by text": ((*ADD, "nan.csv", "--scale", "half"), ("--scale", "'half'")),
    "an experiment without a dataset": ((*ADD, "folder"), ("`dataset`", "--set dataset=VALUE")),
    "a folder without trials": (
        (*ADD, "folder", "--set", "dataset=w", "--set", "metric=accuracy", "--set", "mode=max"),
        ("`folder`", "a folder for each trial"),
    ),
    # recall
    "recall without a target": (("recall", "history"), ("--target",)),
    "recall for a nameless target": (("recall", "history", "--target", ""), ("`target`", "a name")),
    "recall by an unknown method": ((*RECALL, "--method", "best"), ("--method", "'best'", "default")),
    "recall no model": ((*RECALL, "--top-k", "0"), ("`top_k`", "0", "at least 1")),
    "recall fewer than no model": ((*RECALL, "--top-k", "-3"), ("`top_k`", "-3", "at least 1")),
    "recall some models": ((*RECALL, "--top-k", "some"), ("--top-k", "'some'")),
    "recall at no distance": ((*RECALL, "--tau", "0"), ("`tau`", "0.0", "positive")),
    "recall at a negative distance": ((*RECALL, "--tau", "-0.1"), ("`tau`", "-0.1", "positive")),
    "recall at an undefined distance": ((*RECALL, "--tau", "nan"), ("`tau`", "nan", "positive")),
    "recall with an unknown propagation": ((*RECALL, "--propagate", "all"), ("--propagate", "'all'", "own")),
    "recall with a negative seed": ((*RECALL, "--seed", "-1"), ("`seed`", "-1", "at least 0")),
    "recall with missing proxies": ((*RECALL, "--proxies", "missing.csv"), ("missing.csv",)),
    "recall with nameless proxies": ((*RECALL, "--proxies", ""), ("`file`",)),
    "recall with a matrix for proxies": ((*RECALL, "--proxies", "matrix.csv"), ("`proxies`", "proxy and value")),
    "recall with proxies of other targets": (
        ("recall", "history", "--target", "w", "--proxies", "proxies.csv"),
        ("`proxies`", "proxies.csv", "'w'"),
    ),
    "recall with an infinite proxy": ((*RECALL, "--proxies", "infinite.csv"), ("infinite.csv, row 1", "`value`")),
    "recall from an empty history": (("recall", "empty", "--target", "z"), ("`candidates`", "at least one model")),
    "recall from percentages by the paper": (
        ("recall", "percentages", "--target", "z", "--method", "paper"),
        ("`v`", "60", "at most 1"),
    ),
    "recall to explore more than all": ((*RECALL, "--explore", "2"), ("`explore`", "2", "from 0 to 1")),
    "select to explore less than nothing": (
        ("select", "data", "--models", "zoo/*", "--explore", "-1"),
        ("--explore", "-1", "0<=x<=1"),
    ),
    # quickstart
    "quickstart on an unknown target": (("quickstart", "--target", "digit"), ("'digit'", "did you mean digits")),
    "quickstart with a negative seed": (("quickstart", "--seed", "-1"), ("--seed", "-1", "x>=0")),
    "quickstart by an unknown method": (("quickstart", "--method", "best"), ("--method", "'best'")),
}


@pytest.fixture(scope="session")
def bad_files(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good history, an empty one, one in per cent, and bad files."""
    folder = tmp_path_factory.mktemp("bad")
    shutil.copytree(template, folder, dirs_exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text)
    (folder / "folder").mkdir()
    (folder / "folder" / "note.txt").write_text("not a history")
    History.create(folder / "empty")
    import_file(History.create(folder / "percentages"), folder / "percent.csv")
    return folder


@pytest.mark.parametrize(("args", "named"), CASES.values(), ids=CASES)
def test_bad_input_is_one_line_and_exit_code_2(
    run: Run, bad_files: Path, tmp_path: Path, args: tuple[str, ...], named: tuple[str, ...]
) -> None:
    shutil.copytree(bad_files, tmp_path, dirs_exist_ok=True)
    before = History("history").parts()
    result = run(*args)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("raysel: ")
    assert result.stderr.count("\n") == 1, result.stderr
    for part in named:
        assert part in result.stderr
    assert History("history").parts() == before, "nothing of bad input is kept"


def test_a_corrupt_part_is_named(run: Run, history: str, tmp_path: Path) -> None:
    part = next((tmp_path / history / "parts").glob("runs*"))
    part.write_bytes(part.read_bytes()[:100])
    for args in (("history", "show", history), ("recall", history, "--target", "z")):
        result = run(*args)
        assert result.exit_code == 2
        assert part.name in result.stderr
        assert result.stderr.count("\n") == 1
    result = run("history", "check", history)
    assert result.exit_code == 1
    assert part.name in result.stdout


@pytest.mark.parametrize("address", ["ray://127.0.0.1:10001", "127.0.0.1:1"])
def test_quickstart_refuses_a_cluster_that_it_cannot_use(
    run: Run, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", address)
    result = run("quickstart")
    assert result.exit_code == 2
    assert result.stderr.startswith(f"raysel: `RAY_ADDRESS` is {address!r}, but must be ")
    assert result.stderr.count("\n") == 1
