"""Files in long form: what they become, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raysel.errors import DataError, OptionError, RayselError, UnknownNameError
from raysel.history import History, run_id
from raysel.history.importers import import_file, read_tidy
from tests.history.conftest import in_memory
from tests.history.rows import datasets, points

Write = Callable[[str], Path]
HEAD = "model,dataset,metric,mode,value"


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a CSV file from lines."""

    def write(text: str) -> Path:
        path = tmp_path / "file.csv"
        path.write_text(text)
        return path

    return write


# What files become --------------------------------------------------------------------------------------------------


def test_a_matrix_becomes_completed_runs_with_test_values(history: History, write: Write) -> None:
    added = import_file(history, write(f"{HEAD}\na,x,acc,max,0.5\nb,x,acc,max,0.25\na,y,loss,min,2\n"))
    assert dict(added.rows) == {"datasets": 2, "observations": 3, "runs": 3}
    matrix = history.matrix()
    assert (matrix.models, matrix.datasets, matrix.lower_is_better) == (("a", "b"), ("x", "y"), (False, True))
    np.testing.assert_array_equal(matrix.values, [[0.5, -2.0], [0.25, np.nan]])
    assert set(history.runs()["status"]) == {"completed"}
    assert set(history.observations()["split"]) == {"test"}
    assert history.curves() == []


def test_curves_become_runs_with_values_by_step(history: History, write: Write) -> None:
    lines = "a,x,val,1,0.5,10\na,x,val,2,0.6,20\na,x,test,2,0.7,20\n"
    path = write(f"model,dataset,split,epoch,value,time\n{lines}")
    mapping, constants = {"step": "epoch", "seconds": "time"}, {"metric": "acc", "mode": "max", "seed": "3"}
    import_file(history, path, mapping=mapping, constants=constants)
    (curve,) = history.curves()
    assert (curve.steps.tolist(), curve.values.tolist(), curve.final) == ([1, 2], [0.5, 0.6], 0.7)
    assert (curve.planned_steps, curve.status, curve.seed) == (2, "completed", 3)
    assert curve.seconds is not None
    assert curve.seconds.tolist() == [10, 20]
    assert curve.run_id == run_id(model="a", dataset="x", seed=3)


def test_proxies_become_proxy_scores(history: History, write: Write) -> None:
    path = write("model,dataset,proxy,value,kind\na,x,leep,-0.5,source\na,*,probe,84.2,source\n")
    added = import_file(history, path)
    assert (dict(added.rows), added.ignored) == ({"proxies": 2}, ("kind",))
    assert history.proxy_scores("leep") == {("a", "x"): -0.5}
    assert history.proxy_scores("probe") == {("a", "*"): 84.2}


def test_parquet_reads_like_csv(tmp_path: Path) -> None:
    frame = pd.DataFrame({"model": [7, 7], "dataset": pd.Categorical(["x", "x"]), "step": np.array([1, 2], np.int16)})
    frame = frame.assign(metric="acc", mode="max", value=np.array([0.5, 0.75], np.float32))
    frame.to_parquet(tmp_path / "file.parquet")
    frame.to_csv(tmp_path / "file.csv", index=False)
    one, other = (read_tidy(tmp_path / f"file.{kind}").rows for kind in ("parquet", "csv"))
    for table in ("runs", "observations", "datasets"):
        pd.testing.assert_frame_equal(one[table], other[table], check_categorical=False)
    assert one["runs"]["model"].tolist() == ["7"]


@pytest.mark.parametrize("name", ["NA", "null", "007", "1e5", "", "nan"])
def test_names_stay_as_they_are_written(history: History, write: Write, name: str) -> None:
    path = write(f"{HEAD}\n{name},x,acc,max,0.5\n")
    if name:
        import_file(history, path)
        assert history.matrix().models == (name,)
    else:
        with pytest.raises(DataError, match="row 1: column `model` is '', but must be filled in"):
            import_file(history, path)


@pytest.mark.parametrize(
    ("metrics", "options", "expected"),
    [
        (["val_loss", "test_loss"], {}, [("val", "loss"), ("test", "loss")]),
        (["valid_loss", "validation_loss2"], {"primary_metric": "loss"}, [("val", "loss"), ("val", "loss2")]),
        (
            ["test_acc", "reported_test_acc"],
            {"primary_metric": "acc"},
            [("test", "acc"), ("test", "reported_test_acc")],
        ),
        (
            ["val_loss", "test_loss"],
            {"split": "val", "primary_metric": "val_loss"},
            [("val", "val_loss"), ("val", "test_loss")],
        ),
        (["loss", "val_loss"], {}, [("test", "loss"), ("val", "loss")]),
        (["valid", "test"], {"split": "validation", "primary_metric": "test"}, [("val", "valid"), ("val", "test")]),
    ],
)
def test_a_metric_may_tell_its_split(
    write: Write, metrics: list[str], options: dict[str, str], expected: list[tuple[str, str]]
) -> None:
    path = write("\n".join([HEAD, *(f"a,x,{metric},min,0.5" for metric in metrics)]))
    observations = read_tidy(path, constants=options).rows["observations"]
    assert list(zip(observations["split"], observations["metric"], strict=True)) == expected


def test_without_a_split_curves_hold_validation_values(write: Write) -> None:
    path = write(f"{HEAD},step\na,x,acc,max,0.5,1\n")
    assert read_tidy(path).rows["observations"]["split"].tolist() == ["val"]


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [
        ("step,planned_steps", ["1,5", "3,5"], ("stopped", 5)),
        ("step,planned_steps", ["1,5", "5,5"], ("completed", 5)),
        ("step,planned_steps,status", ["1,5,failed", "3,5,failed"], ("failed", 5)),
        ("step,status", ["1,stopped", "3,stopped"], ("stopped", 3)),
        ("step,status", ["1,", "3,"], ("completed", 3)),
        ("step", ["0", "2.5"], ("completed", 2.5)),
        ("planned_steps", ["5"], ("completed", 5)),
    ],
)
def test_where_a_run_was_to_end(write: Write, columns: str, rows: list[str], expected: tuple[str, float]) -> None:
    path = write(
        "\n".join([f"{HEAD},{columns}", *(f"a,x,acc,max,0.{number},{row}" for number, row in enumerate(rows))])
    )
    (run,) = read_tidy(path).rows["runs"].to_dict("records")
    assert (run["status"], run["planned_steps"]) == expected


def test_scale_turns_per_cent_into_shares(write: Write) -> None:
    path = write(f"{HEAD}\na,x,acc,max,85.5\n")
    assert read_tidy(path, scale=0.01).rows["observations"]["value"].tolist() == [pytest.approx(0.855)]
    path = write("model,dataset,proxy,value\na,x,probe,85.5\n")
    assert read_tidy(path, scale=0.01).rows["proxies"]["value"].tolist() == [pytest.approx(0.855)]


def test_hyperparameters_tell_runs_apart(history: History, write: Write) -> None:
    lines = 'a,x,acc,max,0.1,0.01,"{""b"": 1}"\na,x,acc,max,0.2,0.10,sgd\na,x,acc,max,0.3,,\n'
    path = write(f"{HEAD},rate,config\n{lines}")
    import_file(history, path, mapping={"config.lr": "rate"}, constants={"config.wd": "1e-4", "config.note": "mine"})
    fixed = '"note":"mine","wd":0.0001'
    assert sorted(history.runs()["config"]) == sorted(
        ['{"b":1,"lr":0.01,' + fixed + "}", '{"config":"sgd","lr":0.1,' + fixed + "}", "{" + fixed + "}"]
    )


def test_runs_that_diverged_are_kept_as_failed(history: History, write: Write) -> None:
    path = write(f"{HEAD},step\na,x,acc,max,0.5,1\na,x,acc,max,nan,2\nb,x,acc,max,0.5,1\nb,x,acc,max,0.6,2\n")
    import_file(history, path, constants={"nan": "failed"})
    failed, completed = history.curves()
    assert (failed.status, failed.values.tolist(), failed.planned_steps, failed.final) == ("failed", [0.5], 2, None)
    assert (completed.status, completed.final) == ("completed", 0.6)


@pytest.mark.parametrize(("repeats", "kept"), [("first", 0.5), ("last", 0.6)])
def test_repeats_are_one_or_chosen(write: Write, repeats: str, kept: float) -> None:
    path = write(f"{HEAD}\na,x,acc,max,0.5\na,x,acc,max,0.5\na,x,acc,max,0.6\n")
    assert read_tidy(path, constants={"repeats": repeats}).rows["observations"]["value"].tolist() == [kept]
    path = write(f"{HEAD}\na,x,acc,max,0.5\na,x,acc,max,0.5\n")
    assert read_tidy(path).rows["observations"]["value"].tolist() == [0.5]


# Into the history ---------------------------------------------------------------------------------------------------


def test_importing_twice_writes_nothing_the_second_time(anywhere: History, write: Write) -> None:
    path = write(f"{HEAD},step,seed,seconds\na,x,acc,max,0.5,1,,\na,x,acc,max,0.6,2,,3.5\nb,x,acc,max,0.6,2,7,\n")
    assert dict(import_file(anywhere, path).rows) == {"datasets": 1, "observations": 3, "runs": 2}
    parts = anywhere.parts()
    assert dict(import_file(anywhere, path).rows) == {}
    assert anywhere.parts() == parts


def test_a_longer_file_of_the_same_runs_adds_what_is_new(history: History, write: Write) -> None:
    import_file(history, write(f"{HEAD},step\na,x,acc,max,0.5,1\n"))
    added = import_file(history, write(f"{HEAD},step\na,x,acc,max,0.5,1\na,x,acc,max,0.7,2\n"))
    assert dict(added.rows) == {"observations": 1, "runs": 1}
    assert history.matrix().values.tolist() == [[0.7]]


def test_what_is_known_of_a_dataset_is_kept(history: History, write: Write) -> None:
    history.append(datasets=datasets("x", metric="f1").assign(classes=10))
    path = write(f"{HEAD}\na,x,acc,max,0.5\n")
    import_file(history, path)
    assert history.datasets()["primary_metric"].tolist() == ["f1"]
    import_file(history, path, constants={"primary_metric": "acc"})
    assert history.datasets()[["primary_metric", "classes"]].values.tolist() == [["acc", 10]]


def test_a_direction_opposite_to_the_known_one_adds_nothing(history: History, write: Write) -> None:
    history.append(datasets=datasets("x", metric="acc"))
    with pytest.raises(DataError, match="acc of x has that direction already"):
        import_file(history, write(f"{HEAD}\na,x,acc,min,0.5\n"))
    assert len(history.runs()) == len(history.observations()) == 0


row = st.tuples(
    st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]), st.integers(1, 3), st.sampled_from([None, 0, 1])
)


@settings(max_examples=20, deadline=None)
@given(rows=st.dictionaries(row, st.floats(-5, 5), min_size=1, max_size=8), shuffle=st.randoms(use_true_random=False))
def test_neither_order_nor_repetition_of_rows_matters(
    tmp_path_factory: pytest.TempPathFactory, rows: dict[tuple[str, str, int, int | None], float], shuffle: object
) -> None:
    path, reads = tmp_path_factory.mktemp("file") / "file.csv", []
    lines = [(*key, value) for key, value in rows.items()]
    for times in (1, 2):
        pd.DataFrame(lines * times, columns=["model", "dataset", "step", "seed", "value"]).to_csv(path, index=False)
        history = in_memory()
        import_file(history, path, constants={"metric": "acc", "mode": "max"})
        matrix = history.matrix()
        curves = [(c.run_id, c.seed, c.steps.tolist(), c.values.tolist(), c.final) for c in history.curves()]
        reads.append((matrix.models, matrix.datasets, np.nan_to_num(matrix.values, nan=-99).tolist(), curves))
        shuffle.shuffle(lines)  # type: ignore[attr-defined]
    assert reads[0] == reads[1]
    assert len(reads[0][3]) == len({(model, dataset, seed) for model, dataset, _, seed in rows})


# What is refused ----------------------------------------------------------------------------------------------------

GOOD = f"{HEAD}\na,x,acc,max,0.5\n"
CURVE = f"{HEAD},step\na,x,acc,max,0.5,1\n"
BAD: list[tuple[str, dict[str, object], type[RayselError], str]] = [
    ("", {}, OptionError, "`file` is .*but must be a CSV or Parquet file"),
    (f"{HEAD}\n", {}, OptionError, "a table with at least one row"),
    ('model,dataset\n\0\1,x,y,z\n\n\n"', {}, OptionError, "a CSV or Parquet file"),
    ("model,dataset,metric,mode\na,x,acc,max\n", {}, DataError, "column `value` is 'missing', but must be there"),
    ("model,dataset,value\na,x,1\n", {}, DataError, "column `metric` is 'missing'.*--set metric=VALUE"),
    ("dataset,proxy,value\nx,leep,1\n", {}, DataError, "column `model` is 'missing'"),
    (f"{GOOD}b,x,acc,max,nan\n", {}, DataError, "file.csv, row 2: column `value` is 'nan', but must be a finite"),
    (f"{GOOD}b,x,acc,max,\n", {}, DataError, "row 2: column `value` is ''"),
    (f"{GOOD}b,x,acc,max,inf\n", {}, DataError, "row 2: column `value` is 'inf'"),
    (f"{GOOD}b,x,acc,max,high\n", {"constants": {"nan": "failed"}}, DataError, "row 2: column `value` is 'high'"),
    (f"{CURVE}a,x,acc,max,0.6,-1\n", {}, DataError, "row 2: column `step` is '-1', but must be a finite number of at"),
    (f"{CURVE}a,x,acc,max,0.6,\n", {}, DataError, "row 2: column `step` is ''"),
    (f"{CURVE}a,x,acc,max,0.6,inf\n", {}, DataError, "row 2: column `step` is 'inf'"),
    (CURVE, {"constants": {"step": "0"}}, DataError, "column `step` is 0.0, but must be above 0 in at least one row"),
    (f"{GOOD}b,x,acc,min,0.6\n", {}, DataError, "row 2: column `mode` is 'min', but must be the same for a metric"),
    (f"{GOOD}b,x,val_acc,min,0.6\n", {}, DataError, "row 2: column `mode` is 'min'"),
    (f"{GOOD}b,x,acc,up,0.6\n", {}, DataError, "row 2: column `mode` is 'up', but must be one of max, min"),
    (f"{GOOD}b,x,f1,max,0.6\n", {}, DataError, "column `metric` is 'acc, f1', but must be the only one of dataset x"),
    (
        GOOD,
        {"constants": {"primary_metric": "f1"}},
        DataError,
        "column `primary_metric` is 'f1', but must be a metric of",
    ),
    (GOOD, {"constants": {"split": "train"}}, DataError, "column `split` is 'train', but must be one of val, valid"),
    (GOOD, {"constants": {"status": "done"}}, DataError, "column `status` is 'done'"),
    (GOOD, {"constants": {"seed": "1.5"}}, DataError, "column `seed` is '1.5', but must be an integer"),
    (GOOD, {"constants": {"seconds": "-1"}}, DataError, "column `seconds` is '-1'"),
    (GOOD, {"constants": {"planned_steps": "0"}}, DataError, "column `planned_steps` is '0'"),
    (GOOD, {"constants": {"nan": "drop"}}, OptionError, "`nan` is 'drop', but must be one of refuse, failed"),
    (
        GOOD,
        {"constants": {"repeats": "mean"}},
        OptionError,
        "`repeats` is 'mean', but must be one of refuse, first, last",
    ),
    (GOOD, {"constants": {"colour": "red"}}, UnknownNameError, "no field is named 'colour'"),
    (GOOD, {"mapping": {"sead": "model"}}, UnknownNameError, "no field is named 'sead'; did you mean seed"),
    (GOOD, {"mapping": {"seed": "number"}}, UnknownNameError, "no column of file.csv is named 'number'"),
    (GOOD, {"mapping": {"model": "model"}, "constants": {"model": "a"}}, OptionError, "either set or mapped"),
    (GOOD, {"scale": 0.0}, OptionError, "`scale` is 0.0, but must be a finite number above 0"),
    (GOOD, {"scale": -1.0}, OptionError, "`scale` is -1.0"),
    (GOOD, {"scale": float("nan")}, OptionError, "`scale` is nan"),
    (
        f"{HEAD},seeds\na,x,acc,max,0.5,1\n",
        {},
        DataError,
        "column `seeds` is 'unknown', but must be a field .--map seed=",
    ),
    (f"{GOOD}a,x,acc,max,0.6\n", {}, DataError, "row 2: column `value` is 0.6, but must be the value of row 1"),
    (f"{HEAD},base\na,x,acc,max,0.5,l\na,x,acc,max,0.6,m\n", {}, DataError, "tells them apart by a column: base"),
    (f"{HEAD},epoch\na,x,acc,max,0.5,1\na,x,acc,max,0.6,2\n", {}, DataError, "tells them apart by a column: epoch"),
    (
        f"{CURVE}a,x,acc,max,0.6,3\n",
        {"constants": {"planned_steps": "2"}},
        DataError,
        "row 2: column `step` is 3.0, but",
    ),
    (
        CURVE,
        {"constants": {"planned_steps": "2", "status": "completed"}},
        DataError,
        "`status` is 'completed', but must",
    ),
    (
        f"{CURVE[:-1]}\n".replace("step\n", "step,hardware\n").replace(",1\n", ",1,gpu\na,x,acc,max,0.6,2,cpu\n"),
        {},
        DataError,
        "row 2: column `hardware` is 'cpu', but must be the same in all rows of a run",
    ),
    (
        f"{HEAD},parameters\na,x,acc,max,0.5,1.5\n",
        {},
        DataError,
        "column `parameters` is '1.5', but must be an integer",
    ),
    (
        f"{HEAD},parameters\na,x,acc,max,0.5,1\na,y,acc,max,0.5,2\n",
        {},
        DataError,
        "row 2: column `parameters` is 2.0, but must be the same in all rows of a model",
    ),
    (
        f"{HEAD},parameters,parameters_in_millions\na,x,acc,max,0.5,1,1\n",
        {},
        OptionError,
        "given only where `parameters` is not",
    ),
    ("model,dataset,proxy,value\na,x,leep,nan\n", {}, DataError, "row 1: column `value` is 'nan'"),
    ("model,dataset,proxy,value\na,x,leep,1\na,x,leep,2\n", {}, DataError, "row 2: column `value` is 2.0"),
    (
        "model,dataset,proxy,value\na,x,leep,1\n",
        {"constants": {"seed": "1"}},
        UnknownNameError,
        "no field is named 'seed'",
    ),
]


@pytest.mark.parametrize(("text", "options", "error", "message"), BAD, ids=range(len(BAD)))
def test_bad_files_are_refused_and_nothing_is_added(
    history: History, write: Write, text: str, options: dict[str, object], error: type[RayselError], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        import_file(history, write(text), **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert history.parts() == ()


def test_a_file_that_is_not_there_is_refused(history: History, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="No such file"):
        import_file(history, tmp_path / "none.csv")


def test_points_of_unheard_runs_do_not_hinder_an_import(history: History, write: Write) -> None:
    history.append(observations=points("ghost", [0.5]))
    import_file(history, write(GOOD))
    assert history.matrix().values.tolist() == [[0.5]]


TIMM = """model,img_size,top1,top1_err,top5,top5_err,param_count,crop_pct,interpolation
eva_giant_patch14_336.clip_ft_in1k,336,89.466,10.534,98.826,1.174,"1,013.01",1.000,bicubic
resnet18.a1_in1k,288,73.15,26.85,91.02,8.98,11.69,1.0,bicubic
resnet18.a1_in1k,224,71.49,28.51,90.07,9.93,11.69,0.95,bicubic
"""
RECYCLING = """Unnamed: 0,model_name,avg,20_newsgroup,cola,mnli
0,roberta-base,83.2,85.281466,83.22,87.98
1,ibm/ColD-Fusion,84.1,86.364843,84.95,
"""
TWO_PHASE = "ishan--bert-base-uncased-mnli\troberta-base\n0.45\t0.33\n0.9\t0.92\n-0.04\t0.2\n"


def test_timm_results_in_one_command(tmp_path: Path) -> None:
    (tmp_path / "results-imagenet.csv").write_text(TIMM)
    history = History.create(tmp_path / "history")
    imported = import_file(
        history,
        tmp_path / "results-imagenet.csv",
        mapping={"value": "top1", "config.img_size": "img_size", "parameters_in_millions": "param_count"},
        constants={"metric": "accuracy", "mode": "max"},
        scale=0.01,
        prefix="timm/",
    )
    assert dict(imported.rows) == {"datasets": 1, "models": 2, "observations": 3, "runs": 3}
    matrix = history.matrix()
    assert matrix.datasets == ("imagenet",), "as the file is called"
    assert matrix.models == ("timm/eva_giant_patch14_336.clip_ft_in1k", "timm/resnet18.a1_in1k")
    assert matrix.values[0, 0] == pytest.approx(0.89466)
    sizes = dict(zip(history.models()["model"], history.models()["parameters"], strict=True))
    assert sizes == {"timm/eva_giant_patch14_336.clip_ft_in1k": 1_013_010_000, "timm/resnet18.a1_in1k": 11_690_000}
    assert "top1_err" in imported.ignored


def test_a_size_does_not_replace_what_else_is_known(history: History, write: Write) -> None:
    history.append(models=pd.DataFrame({"model": ["a"], "family": ["vit"], "card": ["Good."], "parameters": [1]}))
    path = write(f"{HEAD},parameters\na,x,acc,max,0.5,7\na,y,acc,max,0.5,\nb,x,acc,max,0.5,\n")
    assert import_file(history, path).rows["models"] == 1
    assert history.models()[["model", "family", "parameters", "card"]].values.tolist() == [["a", "vit", 7, "Good."]]
    assert "models" not in import_file(history, path).rows


@pytest.mark.parametrize("prefix", ["", "hf/"])
def test_the_two_phase_papers_matrix_in_one_command(tmp_path: Path, prefix: str) -> None:
    (tmp_path / "matrix.txt").write_text(TWO_PHASE)
    (tmp_path / "datasets.txt").write_text("cola\nMatthijs/snacks\nstsb\n")
    history = History.create(tmp_path / "history")
    import_file(history, tmp_path / "matrix.txt", constants={"metric": "accuracy", "mode": "max"}, prefix=prefix)
    matrix = history.matrix()
    assert matrix.models == (f"{prefix}ishan/bert-base-uncased-mnli", f"{prefix}roberta-base")
    assert matrix.datasets == ("Matthijs/snacks", "cola", "stsb")
    assert matrix.values.tolist() == [[0.9, 0.45, -0.04], [0.92, 0.33, 0.2]]


def test_the_two_phase_papers_proxy_scores(history: History, tmp_path: Path) -> None:
    (tmp_path / "leep_score_multirc.txt").write_text("ishan--bert-base-uncased-mnli\troberta-base\n-0.68\t-0.683\n")
    import_file(history, tmp_path / "leep_score_multirc.txt", constants={"proxy": "leep", "dataset": "multirc"})
    scores = history.proxy_scores("leep")
    assert scores == {("ishan/bert-base-uncased-mnli", "multirc"): -0.68, ("roberta-base", "multirc"): -0.683}


@pytest.mark.parametrize(
    ("names", "options", "says"),
    [
        (None, {}, "a matrix beside its datasets.txt .*datasets.txt"),
        ("cola\nsst2\n", {}, r"a row for each of 2 datasets \(it has 3\)"),
        ("cola\nsst2\nstsb\n", {"constants": {"dataset": "cola"}}, r"a row for each of 1 datasets \(it has 3\)"),
        ("cola\nsst2\nstsb\n", {"wide": True}, "`wide` is True"),
        ("cola\nsst2\nstsb\n", {}, "column `metric` is 'missing'"),
    ],
)
def test_bad_matrices_of_the_two_phase_paper(
    tmp_path: Path, names: str | None, options: dict[str, Any], says: str
) -> None:
    (tmp_path / "matrix.txt").write_text(TWO_PHASE)
    if names is not None:
        (tmp_path / "datasets.txt").write_text(names)
    with pytest.raises(RayselError, match=says):
        read_tidy(tmp_path / "matrix.txt", **options)


def test_a_wide_table(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(RECYCLING)
    history = History.create(tmp_path / "history")
    options: dict[str, Any] = {
        "mapping": {"model": "model_name"},
        "constants": {"metric": "score", "mode": "max"},
        "wide": True,
        "without": ["avg", "Unnamed: 0"],
    }
    import_file(history, tmp_path / "table.csv", prefix="hf/", **options)
    matrix = history.matrix()
    assert matrix.models == ("hf/ibm/ColD-Fusion", "hf/roberta-base")
    assert matrix.datasets == ("20_newsgroup", "cola", "mnli")
    assert np.isnan(matrix.values).tolist() == [[False, False, True], [False] * 3]
    assert matrix.values[1].tolist() == [85.281466, 83.22, 87.98]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"wide": True, "mapping": {"model": "name"}}, "no column of table.csv is named 'name'"),
        ({"wide": True, "mapping": {"model": "model_name"}, "without": ["mean"]}, "is named 'mean'"),
        ({"without": ["avg"]}, "`without` is"),
    ],
)
def test_bad_wide_tables_are_refused(tmp_path: Path, options: dict[str, Any], says: str) -> None:
    (tmp_path / "table.csv").write_text(RECYCLING)
    with pytest.raises(RayselError, match=says):
        import_file(History.create(tmp_path / "history"), tmp_path / "table.csv", **options)
