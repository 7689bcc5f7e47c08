"""Folders that a stranger made: an error or a good read, never a crash, a hang, much memory or code that runs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from raysel.errors import CorruptPartError, HistoryError
from raysel.history import History, claims, folder
from tests.history.rows import points, runs

ROOT = Path(__file__).parents[2]
PART = "models-00000000000000000001-" + "0" * 32 + ".parquet"


def damaged_ones(place: Path, *, seed: int, count: int) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "tests.history.hostile", str(place), str(seed), str(count)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def test_damaged_files_give_an_error_or_a_good_read(tmp_path: Path) -> None:
    # Of the cases from 750 on one made pyarrow end the process.
    found = damaged_ones(tmp_path, seed=30, count=25)
    assert found["read"] + found["refused"] == 25
    assert min(found["read"], found["refused"]) > 2, "damage is neither always nor never felt"
    assert found["megabytes"] < 300


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 9))
def test_many_damaged_files(tmp_path: Path, seed: int) -> None:
    found = damaged_ones(tmp_path, seed=seed, count=500)
    assert found["read"] + found["refused"] == 500
    assert found["megabytes"] < 500


def test_a_part_of_an_older_raysel_that_lacks_columns_is_read(history: History) -> None:
    with_models(history, pa.table({"model": ["m"]}))
    assert history.models()[["model", "family", "card"]].values.tolist() == [["m", "", ""]]


# Parts --------------------------------------------------------------------------------------------------------------


def with_models(history: History, table: pa.Table, **options: object) -> Path:
    """A part of models that somebody wrote by other means."""
    path = Path(history.uri) / "parts" / PART
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, **options)
    return path


def test_a_flipped_byte_of_a_value_is_found(history: History) -> None:
    history.append(runs=runs("a"), observations=points("a", [0.25, 0.5]))
    (path,) = (Path(history.uri) / "parts").glob("observations-*")
    content = bytearray(path.read_bytes())
    place = bytes(content).index(b"accuracy")
    content[place] ^= 1
    path.write_bytes(content)
    with pytest.raises(CorruptPartError, match="CRC"):
        history.observations()


@pytest.mark.parametrize(
    ("column", "values", "rule"),
    [
        ("model", pa.array([b"\xff\xfe"], pa.binary()), "is of type"),
        ("model", pa.array([["a"]]), "is of type"),
        ("model", pa.array([{"a": 1}]), "is not one of the table|is of type"),
        ("parameters", pa.array([1.5]), "is of type double"),
        ("parameters", pa.array([-1], pa.int64()), "an integer of at least 0"),
        ("pickled", pa.array([b"cos\nsystem\n(S'true'\ntR."]), "`pickled` is not one of the table"),
    ],
)
def test_columns_that_are_not_the_tables_are_refused(
    history: History, column: str, values: pa.Array, rule: str
) -> None:
    with_models(history, pa.table({"model": ["m"], column: values} if column != "model" else {"model": values}))
    with pytest.raises(CorruptPartError, match=rule):
        history.models()


def test_little_that_unpacks_to_very_much_is_refused(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "_UNPACKED_BYTES", 1_000_000)
    bomb = pa.table({"model": [f"m{number}" for number in range(20)], "card": ["x" * 1_000_000] * 20})
    path = with_models(history, bomb, compression="zstd", use_dictionary=False, write_statistics=False)
    assert path.stat().st_size < 100_000
    with pytest.raises(CorruptPartError, match="it unpacks to 20,000,"):
        history.models()
    with_models(history, bomb.slice(0, 1), compression="none")
    assert len(history.models()) == 1


def test_an_encoding_that_makes_text_longer_is_refused(history: History) -> None:
    table = pa.table({"model": ["m"], "card": ["x" * 1000]})
    with_models(history, table, use_dictionary=False, column_encoding={"card": "DELTA_BYTE_ARRAY"})
    with pytest.raises(CorruptPartError, match="an encoding that parts are not written in"):
        history.models()


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd", "gzip"])
@pytest.mark.parametrize("dictionary", [True, False])
def test_pages_tell_what_the_footer_of_an_honest_file_tells(version: str, compression: str, dictionary: bool) -> None:
    table = pa.table({"a": [str(number % 90) for number in range(20_000)], "b": [float(n) for n in range(20_000)]})
    sink = pa.BufferOutputStream()
    options = {"use_dictionary": dictionary, "data_page_size": 1000, "row_group_size": 7000}
    pq.write_table(table, sink, data_page_version=version, compression=compression, **options)
    file = pa.BufferReader(sink.getvalue())
    metadata, groups = pq.ParquetFile(file).metadata, claims.row_groups(file)
    told = [[metadata.row_group(group).column(number) for number in range(2)] for group in range(3)]
    for chunk, column in zip((c for g in groups for c in g), (c for g in told for c in g), strict=True):
        assert (chunk.name, chunk.length) == (column.path_in_schema, column.total_compressed_size)
        assert (chunk.unpacked, chunk.start) == (column.total_uncompressed_size, column.file_offset or chunk.start)
        assert len(chunk.least or b"") == len(chunk.greatest or b"") > 0
    assert groups[0][0].least == b"0"
    assert groups[0][0].greatest == b"9"
    footer = sum(chunk.unpacked for group in groups for chunk in group)
    assert 0.8 * footer < claims.unpacked_bytes(file, groups) <= footer, "the footer counts headers in"


# Files that are none ------------------------------------------------------------------------------------------------


def test_a_link_to_a_part_elsewhere_is_not_followed(history: History, tmp_path: Path) -> None:
    path = with_models(history, pa.table({"model": ["secret"]}))
    shutil.move(path, tmp_path / "elsewhere.parquet")
    path.symlink_to(tmp_path / "elsewhere.parquet")
    with pytest.raises(CorruptPartError, match="it is a link"):
        history.models()
    assert any("it is a link" in problem for problem in history.check())


@pytest.mark.parametrize("name", [f"parts/{PART}", "pins/one.json", "raysel-history.json"])
def test_a_pipe_keeps_nobody_waiting(history: History, name: str) -> None:
    path = Path(history.uri) / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    with pytest.raises(HistoryError, match="it is no file"):
        (History(history.uri).pins(), history.models())


@pytest.mark.parametrize("area", ["parts", "pins", "retired", "derived", "tmp"])
def test_nothing_is_deleted_where_a_link_leads(tmp_path: Path, history: History, area: str) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / PART).touch()
    os.utime(theirs / PART, (0, 0))
    shutil.rmtree(Path(history.uri) / area, ignore_errors=True)
    (Path(history.uri) / area).symlink_to(theirs)
    with pytest.raises(HistoryError, match=rf"{area} is a link"):
        History(history.uri).compact()
    assert (theirs / PART).exists()


def test_a_link_to_a_whole_history_is_fine(tmp_path: Path, history: History) -> None:
    history.append(models=pd.DataFrame({"model": ["m"]}))
    (tmp_path / "link").symlink_to(history.uri)
    linked = History(str(tmp_path / "link"))
    linked.compact()
    assert linked.names() == ("m",)


def test_compaction_deletes_no_file_that_it_did_not_write(history: History) -> None:
    stray = Path(history.uri) / "tmp" / "thesis.tex"
    stray.parent.mkdir(exist_ok=True)
    stray.touch()
    os.utime(stray, (0, 0))
    history.compact()
    assert stray.exists()


# Names and JSON -----------------------------------------------------------------------------------------------------


def test_odd_names_reach_no_terminal_as_they_are(history: History) -> None:
    (Path(history.uri) / "\x1b[2J\nall is well").touch()
    (problem,) = history.check()
    assert problem == r"'\x1b[2J\nall is well' does not belong to the history"


def test_a_name_that_is_no_text_is_an_error_that_names_it(history: History) -> None:
    with open(os.fsencode(history.uri) + b"/\xff\xfe", "wb"):
        pass
    with pytest.raises(HistoryError, match=r"holds a name that is no UTF-8: .*\\xff\\xfe"):
        history.check()


@pytest.mark.parametrize(
    "text",
    ["[" * 200_000, '{"a":' * 100_000, "1" * 10_000, '"\\ud800"', "\0", b"\xff\xfe".decode("latin-1"), ""],
    ids=["deep list", "deep object", "long number", "half a character", "zero", "bytes", "nothing"],
)
def test_json_that_says_nothing_is_an_error(history: History, text: str) -> None:
    (Path(history.uri) / "pins").mkdir()
    (Path(history.uri) / "pins" / "one.json").write_text(text)
    with pytest.raises(HistoryError):
        history.pins()
    (Path(history.uri) / "raysel-history.json").write_text(text)
    with pytest.raises(HistoryError):
        History(history.uri)


def test_json_is_read_up_to_a_size(history: History) -> None:
    marker = Path(history.uri) / "raysel-history.json"
    with marker.open("r+b") as file:
        file.truncate(17 << 20)  # no bytes are written for it
    with pytest.raises(HistoryError, match="more than"):
        History(history.uri)


def test_a_configuration_nested_too_deep_is_named_with_its_run(history: History) -> None:
    table = pa.table(
        {"run_id": ["r"], "model": ["m"], "dataset": ["d"], "status": ["completed"], "planned_steps": [1.0]}
    )
    config = pa.array(["[" * 100_000])
    recorded = pa.array([0], pa.timestamp("us", tz="UTC"))
    path = Path(history.uri) / "parts" / PART.replace("models", "runs")
    path.parent.mkdir()
    pq.write_table(table.append_column("config", config).append_column("recorded_at", recorded), path)
    history.append(observations=points("r", [0.5]))
    with pytest.raises(HistoryError, match="the configuration of run r is no JSON object"):
        history.curves()


def test_derived_data_that_is_not_as_it_should_be_is_made_anew(history: History) -> None:
    history.append(runs=runs("a"), observations=points("a", [0.25, 0.5]))
    history.compact()
    (path,) = (Path(history.uri) / "derived").iterdir()
    expected = history.matrix().values.tolist()
    metadata = pq.read_schema(path).metadata
    for columns in ({}, {"model": [1]}, {"model": ["a"], "0": ["x"]}, {"model": ["a", "a"], "0": [0.5, 0.5]}):
        pq.write_table(pa.table(columns).replace_schema_metadata(metadata), path)
        assert History(history.uri).matrix().values.tolist() == expected
