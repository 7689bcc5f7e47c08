"""What rows a history accepts."""

import json
from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from raysel.errors import DataError, OptionError
from raysel.history.tables import TABLES, canonical, newest, run_id, validate
from tests.history.rows import datasets, points, proxies, runs

NAN, INF = float("nan"), float("inf")

BAD = [
    ("observations", points("r", [0.5, NAN]), "row 2: column `value` is nan, but must be a finite number"),
    ("observations", points("r", [INF]), "row 1: column `value` is inf, but must be a finite number"),
    ("observations", points("r", [0.5]).assign(value="0.5"), "row 1: column `value` is '0.5'"),
    ("observations", points("r", [0.5]).assign(value=None), "row 1: column `value` is None"),
    ("observations", points("r", [0.5]).assign(value=True), "row 1: column `value` is True"),
    ("observations", points("r", [0.5, 0.6], first=-1), "row 1: column `step` is -1, but must be a finite number of"),
    ("observations", points("r", [0.5]).assign(step=NAN), "column `step` is nan"),
    ("observations", points("r", [0.5], split="train"), "column `split` is 'train', but must be one of val, test"),
    ("observations", points("r", [0.5], metric=""), "column `metric` is '', but must be text of 1 to 500 characters"),
    ("observations", points("", [0.5]), "column `run_id` is ''"),
    ("observations", points("r", [0.5]).assign(run_id=7), "row 1: column `run_id` is 7, but must be text"),
    ("observations", points("r", [0.5]).assign(seconds=-1.0), "column `seconds` is -1.0"),
    ("observations", points("r", [0.5]).drop(columns="metric"), "observations: column `metric` is 'missing'"),
    (
        "observations",
        points("r", [0.5]).assign(colour="red"),
        "column `colour` is 'unknown', but must be one of run_id",
    ),
    ("observations", points("r", []), "column `run_id` is 'empty', but must be filled in at least one row"),
    (
        "observations",
        pd.concat([points("q", [0.5]), points("r", [0.5]), points("r", [0.6])]),
        "row 3: column `run_id, step, split, metric` is 'r, 1.0, val, accuracy', but must be free of repeats (row 2",
    ),
    (
        "runs",
        runs("a", status="done"),
        "column `status` is 'done', but must be one of running, completed, stopped, failed",
    ),
    ("runs", runs("a", planned_steps=0), "row 1: column `planned_steps` is 0, but must be a finite number above 0"),
    ("runs", runs("a", "b", planned_steps=[1, INF]), "row 2: column `planned_steps` is inf"),
    ("runs", runs("a", "a"), "row 2: column `run_id` is 'a', but must be free of repeats (row 1 has it too)"),
    ("runs", runs("a", seed=1.5), "row 1: column `seed` is 1.5, but must be an integer"),
    ("runs", runs("a", seed="one"), "column `seed` is 'one'"),
    ("runs", runs("a", config="lr=0.1"), "column `config` is 'lr=0.1', but must be a JSON object"),
    ("runs", runs("a", config="[1]"), "column `config` is '[1]', but must be a JSON object"),
    ("runs", runs("a", config=[3]), "column `config` is 3, but must be a JSON object"),
    ("runs", runs("a", recorded_at="yesterday"), "column `recorded_at` is 'yesterday', but must be a point in time"),
    ("runs", runs("a", model="m" * 501), "must be text of 1 to 500 characters"),
    ("runs", runs("a", model=pd.Series(["\ud800"], dtype=object)), "row 1: column `model` is '\\ud800'"),
    ("runs", runs("a").rename(columns={"dataset": "data"}), "column `data` is 'unknown'"),
    ("datasets", datasets("d", mode="up"), "column `mode` is 'up', but must be one of max, min"),
    (
        "datasets",
        datasets("d").drop(columns="mode"),
        "column `mode` is None, but must be given where `primary_metric` is",
    ),
    ("datasets", datasets("d", metric=None), "column `primary_metric` is None, but must be given where `mode` is"),
    ("datasets", datasets("d").assign(classes=-1), "column `classes` is -1, but must be an integer of at least 0"),
    ("datasets", datasets("d", "d"), "row 2: column `dataset` is 'd', but must be free of repeats"),
    ("models", pd.DataFrame({"model": ["m"], "parameters": [1.5]}), "column `parameters` is 1.5"),
    ("models", pd.DataFrame({"model": ["m", None]}), "row 2: column `model` is "),
    ("proxies", proxies("m", NAN), "row 1: column `value` is None, but must be a finite number, or `reason` must say"),
    ("proxies", proxies("m", INF, reason="why"), "column `value` is inf, but must be a finite number"),
    ("proxies", pd.concat([proxies("m", 1.0)] * 2), "row 2: column `model, revision, dataset"),
]


@pytest.mark.parametrize(("table", "rows", "message"), BAD, ids=[f"{name}-{i}" for i, (name, _, _) in enumerate(BAD)])
def test_bad_rows_are_refused_with_row_column_and_rule(table: str, rows: pd.DataFrame, message: str) -> None:
    with pytest.raises(DataError) as caught:
        validate(TABLES[table], rows.reset_index(drop=True))
    assert message in str(caught.value)
    assert str(caught.value).startswith(table)


@pytest.mark.parametrize("rows", [None, [], {"run_id": ["a"]}, "runs.csv"])
def test_rows_come_in_a_frame_or_an_arrow_table(rows: object) -> None:
    with pytest.raises(OptionError, match=r"a pandas\.DataFrame or a pyarrow\.Table"):
        validate(TABLES["runs"], rows)


def test_a_column_given_twice_is_refused() -> None:
    twice = pd.DataFrame([["a", "b"]], columns=["model", "model"])
    with pytest.raises(DataError, match="given once"):
        validate(TABLES["models"], twice)


def test_what_nobody_gave_has_its_default() -> None:
    before = datetime.now(timezone.utc)
    (row,) = validate(TABLES["runs"], runs("a")).to_pylist()
    assert row.pop("recorded_at") - before < timedelta(seconds=10)
    assert row == {
        "run_id": "a",
        "model": "a",
        "revision": "",
        "dataset": "d",
        "fingerprint": "",
        "config": "{}",
        "seed": None,
        "hardware": "",
        "status": "completed",
        "reason": "",
        "planned_steps": 2.0,
    }


@pytest.mark.parametrize(
    ("column", "given", "kept"),
    [
        ("seed", [3.0, NAN], [3, None]),
        ("seed", pd.array([3, None], dtype="Int64"), [3, None]),
        ("seed", np.array([3, 4], dtype=np.uint8), [3, 4]),
        ("config", [{"lr": 0.1, "a": None}, NAN], ['{"a":null,"lr":0.1}', "{}"]),
        ("config", ['{"b": 1, "a": 2}', ""], ['{"a":2,"b":1}', "{}"]),
        ("hardware", pd.Categorical(["gpu", None]), ["gpu", ""]),
        ("planned_steps", np.array([1, 2], dtype=np.float32), [1.0, 2.0]),
        ("dataset", ["naïve", "数据"], ["naïve", "数据"]),
        (
            "recorded_at",
            pd.to_datetime(["2024-01-02", "2024-01-03"]),
            [datetime(2024, 1, d, tzinfo=timezone.utc) for d in (2, 3)],
        ),
        (
            "recorded_at",
            pd.to_datetime(["2024-01-02T01:00+01:00"] * 2),
            [datetime(2024, 1, 2, tzinfo=timezone.utc)] * 2,
        ),
    ],
)
def test_values_are_taken_in_any_fitting_type(column: str, given: object, kept: list[object]) -> None:
    frame = runs("a", "b", **{column: given})
    assert validate(TABLES["runs"], frame)[column].to_pylist() == kept
    if column != "config":
        assert validate(TABLES["runs"], pa.Table.from_pandas(frame))[column].to_pylist() == kept


def test_run_ids_depend_on_everything_that_was_run() -> None:
    given = {"model": "m", "dataset": "d", "revision": "r", "config": "{}", "seed": 1, "trial": "t"}
    ids = {run_id(**given)} | {run_id(**given | {name: "other" if name != "seed" else 2}) for name in given}
    assert len(ids) == len(given) + 1
    assert run_id(**given) == run_id(**dict(reversed(given.items())))


def test_canonical_json_is_json_with_sorted_keys() -> None:
    assert json.loads(canonical({"b": [1], "a": {"y": 1, "x": None}})) == {"b": [1], "a": {"y": 1, "x": None}}
    assert canonical({"b": 1, "a": 2}) == canonical({"a": 2, "b": 1})


def test_the_last_row_of_a_key_is_the_newest() -> None:
    table = TABLES["observations"]
    rows = pa.concat_tables([validate(table, points("r", [0.1, 0.2])), validate(table, points("r", [0.3], first=2))])
    assert newest(table, rows)["value"].to_pylist() == [0.1, 0.3]
    assert newest(table, rows).select(["run_id", "step"]).to_pylist() == [
        {"run_id": "r", "step": 1.0},
        {"run_id": "r", "step": 2.0},
    ]


def test_keys_of_many_columns_stay_apart() -> None:
    """The number that stands for a key must not run over, however many distinct values its columns have."""
    table, count = TABLES["proxies"], 2500
    names = [f"n{number}" for number in range(count)]
    rows = pd.DataFrame(dict.fromkeys(table.key, names) | {"value": 1.0})
    twice = pd.concat([rows, rows.iloc[[7]]], ignore_index=True)
    assert len(validate(table, rows)) == count
    with pytest.raises(DataError, match=f"row {count + 1}.*row 8 has it too"):
        validate(table, twice)
