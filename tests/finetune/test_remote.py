"""Datasets on object stores, copied once a node."""

import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.fs as pafs
import pytest

from raysel.errors import OptionError
from raysel.finetune import read, remote
from raysel.finetune.remote import Remote
from raysel.models import ImageFiles
from tests.finetune.test_sources import LABELS, TEXTS, photos, table


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This node's."""
    monkeypatch.setenv("RAYSEL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "data"


# On a file system as it lies under every store ----------------------------------------------------------------------


def test_a_folder_is_copied_once(tmp_path: Path, cache: Path) -> None:
    source = photos(tmp_path / "pets", {"cat": 2, "dog": 1})
    found = Remote.at(source.as_uri())
    copy = found()
    assert copy == cache / found.key / "pets"
    assert sorted(str(path.relative_to(copy)) for path in copy.rglob("*.png")) == [
        "cat/0.png",
        "cat/1.png",
        "dog/0.png",
    ]
    shutil.rmtree(source)
    assert pickle.loads(pickle.dumps(found))() == copy  # noqa: S301
    assert [path.name for path in cache.iterdir() if path.suffix == ".part"] == []


def test_a_file_is_copied_under_its_name(tmp_path: Path) -> None:
    source = table(tmp_path / "reviews.csv", text=["a"], label=["b"])
    copy = Remote.at(source.as_uri())()
    assert (copy.name, copy.read_text()) == ("reviews.csv", source.read_text())


def test_what_has_changed_is_copied_anew(tmp_path: Path) -> None:
    source = table(tmp_path / "reviews.csv", text=["a"], label=["b"])
    before = Remote.at(source.as_uri())
    table(source, text=["longer"], label=["b"])
    after = Remote.at(source.as_uri())
    assert before.key != after.key
    assert "longer" in after().read_text()
    with pytest.raises(OptionError, match="left as it is while it is read"):
        before()


def test_what_cannot_be_copied_leaves_nothing_that_looks_whole(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Remote.at(photos(tmp_path / "pets", {"cat": 2, "dog": 1}).as_uri())

    def full(*args: object) -> None:
        raise OSError("no space left")

    with monkeypatch.context() as patched:
        patched.setattr(remote.pafs, "copy_files", full)
        with pytest.raises(OptionError, match=r"can be copied to .*cache/data \(no space left\)"):
            found()
    assert [path.suffix for path in cache.iterdir()] == [".lock"]
    assert found().is_dir()


def test_what_is_not_there_is_told() -> None:
    with pytest.raises(OptionError, match="a folder or a file that is there"):
        Remote.at("file:///nowhere/at/all")
    with pytest.raises(OptionError, match=r"a URI that pyarrow\.fs knows"):
        read("carrier-pigeon://nest/letter.csv")


def test_images_are_found_on_each_node_in_its_own_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = Remote.at(photos(tmp_path / "pets", {"cat": 1, "dog": 1}).as_uri())
    images = ImageFiles(np.array(["dog/0.png", "cat/0.png"]), below=found)
    here, shown, digest = images.place(0), images.decoded((2, 2), 3), images.digest
    monkeypatch.setenv("RAYSEL_CACHE", str(tmp_path / "of another node"))
    there = pickle.loads(pickle.dumps(images[np.array([1, 0])]))  # noqa: S301
    assert there.place(1) != here
    assert there.decoded((2, 2), 3)[::-1].tolist() == shown.tolist()
    assert pickle.loads(pickle.dumps(images)).digest == digest  # noqa: S301


def test_a_file_uri_is_the_file_itself(tmp_path: Path, cache: Path) -> None:
    data = read(table(tmp_path / "reviews.csv", text=TEXTS, label=LABELS).as_uri())
    assert (data.name, len(data.train) + len(data.val) + len(data.test)) == ("reviews", 20)
    assert not cache.exists()


# On a store -----------------------------------------------------------------------------------------------------------


def uploaded(source: Path, uri: str) -> str:
    filesystem, path = pafs.FileSystem.from_uri(uri)
    pafs.copy_files(str(source), path, pafs.LocalFileSystem(), filesystem)
    return uri


READS = """
import sys
from raysel.finetune import read
data = read(sys.argv[1])
print(data.fingerprint, data.train.inputs.decoded((2, 2), 3).sum())
"""


@pytest.mark.slow
def test_a_dataset_in_a_bucket_is_read_as_in_a_folder(tmp_path: Path, bucket: str, cache: Path) -> None:
    folder = photos(tmp_path / "pets", {"cat": 12, "dog": 12})
    expected, found = read(folder), read(uploaded(folder, f"{bucket}/pets"))
    assert (found.name, found.fingerprint, found.class_names) == ("pets", expected.fingerprint, ("cat", "dog"))
    assert found.train.inputs.decoded((4, 4), 3).tolist() == expected.train.inputs.decoded((4, 4), 3).tolist()

    texts = table(tmp_path / "reviews.csv", text=TEXTS, label=LABELS)
    assert read(uploaded(texts, f"{bucket}/reviews.csv")).fingerprint == read(texts).fingerprint

    # Several processes of a node that has no copy yet make one.
    shutil.rmtree(cache)
    command = [sys.executable, "-c", READS, f"{bucket}/pets"]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    told = {process.communicate(timeout=200)[0] for process in processes}
    assert len(told) == 1
    assert told.pop().startswith(expected.fingerprint)
    assert len([path for path in cache.iterdir() if path.is_dir()]) == 1


@pytest.mark.slow
def test_an_object_whose_name_leads_out_of_the_copy_is_refused(tmp_path: Path, bucket: str) -> None:
    boto3 = pytest.importorskip("boto3")
    uploaded(photos(tmp_path / "pets", {"cat": 1}), f"{bucket}/pets")
    boto3.client("s3").put_object(Bucket=bucket.removeprefix("s3://"), Key="pets/../../../evil.png", Body=b"evil")
    with pytest.raises(OptionError, match=r"without files such as '\.\./"):
        read(f"{bucket}/pets")
    with pytest.raises(OptionError, match="a folder or a file that is there"):
        read(f"{bucket}/none")
