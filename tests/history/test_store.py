"""The store: appending, reading, compaction, pins, and what is refused."""

import json
import pickle
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysel.errors import (
    CorruptPartError,
    DataError,
    HistoryError,
    HistoryExistsError,
    HistoryNotFoundError,
    OptionError,
    UnknownNameError,
)
from raysel.history import History
from raysel.history.folder import Folder
from raysel.history.tables import TABLES, validate
from tests.history.rows import datasets, points, proxies, runs


def filled(history: History) -> History:
    """Two models on one dataset, in three appends; the second corrects a value of the first."""
    history.append(
        datasets=datasets("d"),
        runs=runs("a", "b"),
        observations=pd.concat([points("a", [0.1, 0.2]), points("b", [0.3, 0.4])]),
    )
    history.append(observations=points("a", [0.25], first=2))
    history.append(proxies=proxies("a", -0.5), models=pd.DataFrame({"model": ["a"], "parameters": [10]}))
    return history


def path_of(history: History, kind: str) -> Path:
    """The only part file of one table."""
    (path,) = (Path(history.uri) / "parts").glob(f"{kind}-*")
    return path


# Appending and reading ----------------------------------------------------------------------------------------------


def test_what_was_appended_is_read_and_the_newest_row_wins(anywhere: History) -> None:
    history = filled(anywhere)
    assert history.observations()["value"].tolist() == [0.1, 0.3, 0.4, 0.25]
    assert history.matrix().values.tolist() == [[0.25], [0.4]]
    assert history.runs()[["run_id", "status"]].values.tolist() == [["a", "completed"], ["b", "completed"]]
    assert history.models()["parameters"].tolist() == [10]
    assert history.proxy_scores("leep") == {("a", "d"): -0.5}
    assert history.proxy_scores("logme") == {}
    assert history.datasets()["mode"].tolist() == ["max"]


def test_another_handle_and_a_pickled_one_read_the_same(anywhere: History) -> None:
    filled(anywhere)
    again = History(anywhere.uri, filesystem=anywhere._filesystem)
    assert again.matrix().values.tolist() == anywhere.matrix().values.tolist()
    sent = pickle.loads(pickle.dumps(anywhere.pinned(anywhere.parts())))  # noqa: S301
    assert sent.matrix().values.tolist() == anywhere.matrix().values.tolist()


def test_an_empty_history_is_a_normal_state(anywhere: History) -> None:
    assert (anywhere.parts(), anywhere.curves(), anywhere.check()) == ((), [], [])
    assert anywhere.matrix().values.shape == (0, 0)
    assert all(len(getattr(anywhere, name)()) == 0 for name in TABLES)
    anywhere.compact()
    assert anywhere.summary().runs == {"running": 0, "completed": 0, "stopped": 0, "failed": 0}


def test_seconds_come_with_their_hardware(anywhere: History) -> None:
    anywhere.append(
        datasets=datasets("d"),
        runs=runs("a", "b", hardware=["1 x A10G", None]),
        observations=pd.concat([points(name, [0.1, 0.2]).assign(seconds=[1.0, 2.0]) for name in "ab"]),
    )
    assert [(curve.run_id, curve.hardware) for curve in anywhere.curves()] == [("a", "1 x A10G"), ("b", "")]


def test_nothing_is_written_where_any_table_is_bad(history: History) -> None:
    with pytest.raises(DataError):
        history.append(runs=runs("a"), observations=points("a", [float("nan")]))
    assert history.parts() == ()


@pytest.mark.parametrize("known", ["max", "min"])
def test_two_directions_for_one_metric_are_refused(history: History, known: str) -> None:
    history.append(datasets=datasets("c", "d", mode=known))
    other = "min" if known == "max" else "max"
    with pytest.raises(DataError, match=f"row 2: column `mode` is '{other}', but must be '{known}': accuracy of d has"):
        history.append(datasets=datasets("e", "d", mode=other))
    history.append(datasets=datasets("d", metric="loss", mode=other))
    assert history.datasets().set_index("dataset").loc["d", "primary_metric"] == "loss"


def test_a_view_knows_the_directions_that_were_given_since(history: History) -> None:
    history.append(datasets=datasets("c"))
    view = history.pinned(history.parts())
    history.append(datasets=datasets("d"))
    with pytest.raises(DataError, match="accuracy of d has that direction already"):
        view.append(datasets=datasets("d", mode="min"))


def test_an_append_of_nothing_is_refused(history: History) -> None:
    with pytest.raises(OptionError, match="given at least one table"):
        history.append()


def test_a_history_that_cannot_be_written_to_says_so(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Folder, path: str, content: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Folder, "_write", full)
    for action in (lambda: history.append(runs=runs("a")), lambda: history.pin("selection")):
        with pytest.raises(HistoryError, match=r"cannot be written to: .*No space left"):
            action()
    monkeypatch.undo()
    assert (history.parts(), history.check()) == ((), [])


def test_a_relative_path_is_the_same_history_in_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    history = History.create("history")
    assert history.uri == "history"
    sent = pickle.dumps(history)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    arrived = pickle.loads(sent)  # noqa: S301
    assert (arrived.parts(), arrived.uri) == ((), str(tmp_path / "history"))


def test_the_newest_proxy_score_wins_whatever_its_version(history: History) -> None:
    for version, value in (("2", 0.2), ("1", 0.1)):
        history.append(proxies=proxies("a", value, version=version))
    assert history.proxy_scores("leep") == {("a", "d"): 0.1}
    history.compact()
    assert history.proxy_scores("leep") == {("a", "d"): 0.1}


def test_readers_pass_over_what_is_no_part(history: History) -> None:
    filled(history)
    parts = Path(history.uri) / "parts"
    (parts / "runs-1-half.parquet.tmp").write_bytes(b"half")
    (parts / "notes.txt").write_text("mine")
    assert len(history.matrix().models) == 2


# Opening and creating -----------------------------------------------------------------------------------------------


def test_only_create_makes_a_history(tmp_path: Path) -> None:
    with pytest.raises(HistoryNotFoundError, match="holds no history"):
        History(str(tmp_path / "typo"))
    assert not (tmp_path / "typo").exists()


def test_create_refuses_a_place_that_is_taken(tmp_path: Path) -> None:
    History.create(str(tmp_path / "history"))
    with pytest.raises(HistoryExistsError, match="holds a history already"):
        History.create(str(tmp_path / "history"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("")
    with pytest.raises(HistoryError, match=r"is not empty \(it holds thesis\.tex\)"):
        History.create(str(tmp_path / "mine"))


@pytest.mark.parametrize("uri", ["", None, 3])
def test_a_place_is_a_path_or_a_uri(uri: object) -> None:
    with pytest.raises(OptionError, match="a path or a URI"):
        History(uri)  # type: ignore[arg-type]


def test_an_unknown_scheme_is_refused() -> None:
    with pytest.raises(OptionError, match=r"pyarrow\.fs"):
        History("ftp2://host/history")


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        ("{}", HistoryNotFoundError, "does not say so"),
        ("[]", HistoryNotFoundError, "does not say so"),
        ('{"format": "raysel-history", "version": 2}', HistoryError, "has format 2, but this raysel reads 1"),
        ("{", HistoryError, "cannot be read"),
        ("[" * 100_000, HistoryError, "cannot be read"),
        ("\0" * (17 << 20), HistoryError, "more than"),
    ],
)
def test_a_marker_that_says_something_else_is_refused(
    tmp_path: Path, content: str, error: type[HistoryError], message: str
) -> None:
    (tmp_path / "raysel-history.json").write_text(content)
    with pytest.raises(error, match=message):
        History(str(tmp_path))


def test_a_file_is_no_history(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text("model,dataset")
    with pytest.raises(HistoryNotFoundError):
        History(str(tmp_path / "runs.csv"))


# Damaged parts ------------------------------------------------------------------------------------------------------


def rewritten(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def columns_of(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


RUNS = validate(TABLES["runs"], runs("a"))
DAMAGES = {
    "empty": b"",
    "text": b"run_id,model\n",
    "short": rewritten(RUNS)[:-20],
    "no footer": rewritten(RUNS)[:200],
    "unknown column": rewritten(RUNS.append_column("script", pa.array(["rm"]))),
    "wrong type": rewritten(RUNS.set_column(0, "run_id", pa.array([7]))),
    "column missing": rewritten(RUNS.drop_columns(["status"])),
    "a name missing": rewritten(pa.table({**columns_of(RUNS), "model": pa.array([None], pa.string())})),
    "unknown status": rewritten(pa.table({**columns_of(RUNS), "status": pa.array(["done"])})),
    "no steps": rewritten(pa.table({**columns_of(RUNS), "planned_steps": pa.array([float("nan")])})),
    "pickled objects": pickle.dumps({"run_id": ["a"]}),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_part_is_named(history: History, damage: str) -> None:
    filled(history)
    part = path_of(history, "runs")
    part.write_bytes(DAMAGES[damage])
    with pytest.raises(CorruptPartError, match=part.name):
        history.matrix()
    (problem,) = (sentence for sentence in history.check() if part.name in sentence)
    assert "cannot be read" in problem
    with pytest.raises(CorruptPartError):
        History(history.uri).runs()
    assert part.exists()


def test_a_configuration_that_is_no_json_is_named_with_its_run(history: History) -> None:
    filled(history)
    columns = columns_of(validate(TABLES["runs"], runs("a")))
    path_of(history, "runs").write_bytes(rewritten(pa.table({**columns, "config": pa.array(["{"])})))
    with pytest.raises(HistoryError, match="the configuration of run a is no JSON object"):
        history.curves()


def test_compaction_leaves_the_parts_of_a_table_with_a_damaged_one(history: History) -> None:
    for _ in range(2):
        history.append(runs=runs("a"))
    (Path(history.uri) / "parts" / history.parts()[0]).write_bytes(b"")
    before = history.parts()
    with pytest.raises(CorruptPartError):
        history.compact()
    assert history.parts() == before


@pytest.mark.parametrize("name", ["../marker.json", "runs-1.parquet", "/etc/passwd", "runs-" + "0" * 20 + "-x.parquet"])
def test_only_parts_can_be_pinned(history: History, name: str) -> None:
    with pytest.raises(OptionError, match="names of parts"):
        history.pinned([name])


# Compaction and pins ------------------------------------------------------------------------------------------------


def test_compaction_leaves_one_part_a_table_and_the_same_rows(anywhere: History) -> None:
    history = filled(anywhere)
    before = {name: getattr(history, name)() for name in TABLES}
    history.compact()
    assert len(history.parts()) == len(TABLES)
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(history, name)(), before[name])
    kept = history.parts()
    history.compact()
    assert history.parts() == kept


def test_rows_written_while_compaction_works_stay_newer(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(history)
    publish = Folder.publish

    def publish_late(self: Folder, *args: object, **options: object) -> None:
        if options.get("stamp") is not None and not written:
            written.append(1)
            history.append(observations=points("a", [0.9], first=2))
        publish(self, *args, **options)  # type: ignore[arg-type]

    written: list[int] = []
    monkeypatch.setattr(Folder, "publish", publish_late)
    history.compact()
    assert written
    assert history.matrix().values.tolist() == [[0.9], [0.4]]


def test_a_pin_keeps_parts_through_compaction(anywhere: History) -> None:
    history = filled(anywhere)
    pinned = history.pinned(history.pin("selection"))
    history.append(observations=points("a", [0.9], first=2), runs=runs("a", status="stopped"))
    history.compact()
    history.compact()
    assert history.matrix().values.tolist() == [[0.4]]
    assert pinned.matrix().values.tolist() == [[0.25], [0.4]]
    assert pinned.parts() == history.pins()["selection"]
    assert history.check() == []
    history.unpin("selection")
    history.compact()
    assert history.pins() == {}
    with pytest.raises(HistoryError, match="was not pinned when it was compacted"):
        pinned.matrix()
    with pytest.raises(HistoryError, match="was not pinned"):
        pinned.pin("late")
    assert history.pins() == {}


def test_a_view_does_not_see_what_is_written_later(history: History) -> None:
    view = filled(history).pinned(history.parts())
    view.append(runs=runs("c"), observations=points("c", [0.7, 0.8]))
    assert view.matrix().models == ("a", "b")
    assert history.matrix().models == ("a", "b", "c")
    assert "pinned" in repr(view)


def test_a_view_pins_its_own_parts(history: History) -> None:
    view = filled(history).pinned(history.parts())
    history.append(runs=runs("c"))
    assert view.pin("selection") == view.parts() != history.parts()


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "x" * 200, "a b"])
def test_pins_are_named_like_files(history: History, name: str) -> None:
    with pytest.raises(OptionError, match="`pin` is"):
        history.pin(name)


def test_unpinning_what_is_not_pinned_names_the_pins(history: History) -> None:
    history.pin("selection")
    with pytest.raises(UnknownNameError, match="did you mean selection"):
        history.unpin("selectoin")


def test_compaction_deletes_nothing_while_a_pin_cannot_be_read(history: History) -> None:
    filled(history)
    view = history.pinned(history.pin("selection"))
    pin = Path(history.uri) / "pins" / "selection.json"
    good = pin.read_text()
    for bad in ("{", '{"parts": ["../../x"]}', "[]"):
        pin.write_text(bad)
        history.append(observations=points("a", [0.26], first=2))
        with pytest.raises(HistoryError, match=r"selection\.json"):
            history.compact()
        assert any("selection.json" in problem for problem in history.check())
    pin.write_text(good)
    assert view.matrix().values.tolist() == [[0.25], [0.4]]


class CrashError(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("crash_at", range(8))
def test_a_crash_in_mid_compaction_loses_nothing(
    history: History, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    filled(history)
    history.append(runs=runs("c"), observations=points("c", [0.5, 0.6]))
    before = {name: getattr(history, name)() for name in TABLES}
    steps = iter(range(100))
    with monkeypatch.context() as patch:
        for name in ("_move", "_write", "drop"):
            original = getattr(Folder, name)

            def step(self: Folder, *args: object, original: object = original) -> None:
                if next(steps) == crash_at:
                    raise CrashError
                original(self, *args)  # type: ignore[operator]

            patch.setattr(Folder, name, step)
        with pytest.raises(CrashError):
            history.compact()
    for _ in range(2):
        for name in TABLES:
            pd.testing.assert_frame_equal(getattr(history, name)(), before[name])
        history.compact()
    assert len(history.parts()) == len(TABLES)


def test_two_compactions_at_once_lose_nothing(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(history)
    before = {name: getattr(history, name)() for name in TABLES}
    publish, depth = Folder.publish, []

    def publish_and_compact(self: Folder, *args: object, **options: object) -> None:
        publish(self, *args, **options)  # type: ignore[arg-type]
        if len(depth) < 3:
            depth.append(1)
            History(history.uri).compact()

    monkeypatch.setattr(Folder, "publish", publish_and_compact)
    history.compact()
    assert len(depth) == 3
    for name in TABLES:
        pd.testing.assert_frame_equal(getattr(history, name)(), before[name])


def test_a_reader_lists_again_when_a_listed_part_vanishes(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    filled(history)
    parts, listed = Folder.parts, []

    def parts_before_compaction(self: Folder) -> tuple[str, ...]:
        found = parts(self)
        if not listed:
            listed.append(1)
            History(history.uri).compact()
        return found

    monkeypatch.setattr(Folder, "parts", parts_before_compaction)
    assert history.matrix().values.tolist() == [[0.25], [0.4]]


def test_a_listing_that_misses_what_compaction_moves_is_taken_again(
    history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scan can pass by the merged part and, later, by the gap that the old ones leave."""
    filled(history)
    old = set(history.parts())
    files, scans = Folder.files, []

    def scan(self: Folder, area: str) -> dict[str, object]:
        if area == "parts":
            scans.append(1)
            if len(scans) == 2:
                History(history.uri).compact()
                return {name: info for name, info in files(self, area).items() if name in old}
        return dict(files(self, area))

    monkeypatch.setattr(Folder, "files", scan)
    assert history.matrix().values.tolist() == [[0.25], [0.4]]


def test_a_listing_that_sees_a_run_sees_its_points(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    files, scans = Folder.files, []

    def scan(self: Folder, area: str) -> dict[str, object]:
        found = dict(files(self, area))
        if area == "parts":
            scans.append(1)
            if len(scans) == 3:
                history.append(runs=runs("a"), observations=points("a", [0.1, 0.2]))
                # The scan had passed the place of the points before they were published.
                late = files(self, area).items()
                return {name: info for name, info in late if not name.startswith("observations")}
        return found

    monkeypatch.setattr(Folder, "files", scan)
    assert len(history.runs()) == 0
    assert history.curves()[0].values.tolist() == [0.1, 0.2]


def test_old_leftovers_of_writers_go_with_compaction(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    history.append(runs=runs("a"))
    leftover = Path(history.uri) / "tmp" / f"{'0' * 32}-left.parquet"
    leftover.write_bytes(b"half")
    history.compact()
    assert leftover.exists()
    monkeypatch.setattr("raysel.history.folder._ABANDONED_NS", -(10**12))
    history.compact()
    assert not leftover.exists()


# Check and summary --------------------------------------------------------------------------------------------------


def test_check_says_what_is_wrong_in_sentences(history: History) -> None:
    history.append(
        datasets=datasets("d"),
        runs=pd.concat([runs("good"), runs("bare", "short"), runs("odd", "two", dataset="x")]),
        observations=pd.concat(
            [
                *(points("good", [0.1, 0.2]), points("short", [0.1]), points("lost", [0.1])),
                *(points("odd", [0.1, 0.2]), points("two", [0.1, 0.2], metric="loss")),
            ]
        ),
    )
    history.append(runs=runs("one", dataset="y"), observations=points("one", [0.1, 0.2], metric="f1"))
    history.append(runs=runs("fresh", status="running"))
    (Path(history.uri) / "readme.txt").write_text("")
    (Path(history.uri) / "parts" / "old.bak").write_text("")
    (Path(history.uri) / "tmp" / "left").write_text("")
    history.pin("gone")
    missing = "runs-" + "0" * 20 + "-" + "0" * 32 + ".parquet"
    (Path(history.uri) / "pins" / "gone.json").write_text(json.dumps({"parts": [missing]}))
    assert history.check() == [
        "readme.txt does not belong to the history",
        "parts/old.bak is not a part and is not read",
        "tmp/left was not published: its writer is busy or dead (compaction deletes it after a day)",
        f"the pin gone names 1 part ({missing}) that is gone",
        "1 observations belong to 1 run (lost) that no row of `runs` describes",
        "1 run (bare) ended without an observation",
        "1 completed run (short) without a value at the last planned step, and so without a final",
        "dataset x has no primary metric and direction on record: it has not exactly one metric, so it has no results",
        "dataset y has no primary metric and direction on record: its only metric, f1, is taken, higher being better",
    ]


def test_check_finds_two_directions_that_two_writers_gave_at_once(history: History) -> None:
    folder = Folder(history.uri)
    for mode in ("max", "min"):
        folder.publish(TABLES["datasets"], validate(TABLES["datasets"], datasets("d", mode=mode)))
    assert history.check() == ["accuracy of dataset d was recorded as max and as min; the newest is in force"]


def test_proxies_that_cannot_be_had_are_no_scores(history: History) -> None:
    refused = proxies("b", float("nan"), reason="the model gives no probabilities")
    history.append(proxies=pd.concat([proxies("a", 0.5), refused]))
    assert history.proxies()["model"].tolist() == ["a"]
    assert history.refusals()[["model", "reason"]].values.tolist() == [["b", "the model gives no probabilities"]]
    assert history.proxy_scores("leep") == {("a", "d"): 0.5}
    assert (history.summary().proxies, history.check()) == ({"leep": 1}, [])
    history.append(proxies=proxies("b", 0.25))
    assert len(history.refusals()) == 0
    assert history.proxy_scores("leep") == {("a", "d"): 0.5, ("b", "d"): 0.25}


@pytest.mark.parametrize(
    ("table", "rows", "lacks"),
    [
        ("proxies", proxies("a", 0.5), "reason"),
        ("models", pd.DataFrame({"model": ["a"], "card": ["Good."]}), "licence"),
    ],
)
def test_parts_from_before_a_column_are_read(history: History, table: str, rows: pd.DataFrame, lacks: str) -> None:
    history.append(**{table: rows})
    (part,) = (Path(history.uri) / "parts").iterdir()
    pq.write_table(pq.read_table(part).drop_columns([lacks]), part)
    again = History(history.uri)
    assert getattr(again, table)()[["model", lacks]].values.tolist() == [["a", ""]]
    again.append(**{table: rows.assign(**{lacks: "said"})})
    again.compact()
    assert again.check() == []


def test_the_summary_counts(history: History) -> None:
    filled(history)
    history.append(runs=runs("c", dataset="e", status="stopped"), observations=points("c", [0.1]))
    history.pin("selection")
    summary = history.summary()
    assert summary.runs == {"running": 0, "completed": 2, "stopped": 1, "failed": 0}
    assert (summary.models, summary.observations, summary.cells) == (3, 5, 2)
    assert [(d.dataset, d.metric, d.mode, d.models, d.runs) for d in summary.datasets] == [
        ("d", "accuracy", "max", 2, 2),
        ("e", "accuracy", "max", 1, 1),
    ]
    assert (summary.proxies, summary.pins) == ({"leep": 1}, ("selection",))
    assert summary.facts == {"parameters": 1, "family": 0, "source": 0, "licence": 0, "card": 0}
    assert summary.parts == len(history.parts())
    assert summary.size_bytes == sum(f.stat().st_size for f in (Path(history.uri) / "parts").iterdir())
    assert summary.first is not None
    assert summary.last is not None
    assert summary.first <= summary.last
