"""Where answers go."""

from pathlib import Path

import pyarrow.fs as pafs
import pytest

from raysel.cli.out import Out
from raysel.errors import OptionError


def test_a_path_is_an_absolute_one_from_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    out = Out.at("answers")
    monkeypatch.chdir("/")
    assert (out.folder, out.named("ray")) == (tmp_path / "answers", str(tmp_path / "answers" / "ray"))
    with out.written("model") as folder:
        assert folder == tmp_path / "answers" / "model"
    assert not (tmp_path / "answers").exists(), "nothing is made before there is an answer"


def test_what_is_written_is_copied_to_a_uri(tmp_path: Path) -> None:
    out = Out.at(f"{tmp_path.as_uri()}/answers/")
    assert (out.folder, out.named("ray")) == (None, f"{tmp_path.as_uri()}/answers/ray")
    with out.written("model") as folder:
        (folder / "deeper").mkdir()
        (folder / "deeper" / "config.json").write_text("{}")
    assert (tmp_path / "answers" / "model" / "deeper" / "config.json").read_text() == "{}"
    assert not folder.exists()


@pytest.mark.parametrize("place", ["carrier-pigeon://nest", "file:///proc/nothing/here"])
def test_a_place_that_cannot_be_written_to_is_refused_at_once(place: str) -> None:
    with pytest.raises(OptionError, match="a path or a URI that can be written to"):
        Out.at(place)


@pytest.mark.slow
def test_what_is_written_is_copied_to_a_bucket(bucket: str) -> None:
    with Out.at(f"{bucket}/answers").written("model") as folder:
        (folder / "config.json").write_text("{}")
    filesystem, path = pafs.FileSystem.from_uri(f"{bucket}/answers/model/config.json")
    assert filesystem.open_input_file(path).read() == b"{}"
    with pytest.raises(OptionError, match="can be written to"):
        Out.at(f"{bucket}-that-is-not/answers")
