"""Places for histories: a local folder, and a store that knows puts but no renames."""

import uuid
from pathlib import Path

import fsspec
import pyarrow.fs as pafs
import pytest

from raysel.history import History


def in_memory() -> History:
    """An empty history in an object store that lives in this process."""
    store = pafs.PyFileSystem(pafs.FSSpecHandler(fsspec.filesystem("memory")))
    return History.create(f"/{uuid.uuid4().hex}/history", filesystem=store)


@pytest.fixture
def history(tmp_path: Path) -> History:
    """An empty history in a local folder."""
    return History.create(str(tmp_path / "history"))


@pytest.fixture(params=["local", "subtree", "objects"])
def anywhere(request: pytest.FixtureRequest, tmp_path: Path) -> History:
    """An empty history, on each kind of file system in turn."""
    if request.param == "local":
        return History.create((tmp_path / "history").as_uri())
    if request.param == "subtree":
        return History.create("history", filesystem=pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem()))
    return in_memory()
