"""Datasets on an object store: each node copies them once, whole or not at all.

::

    $RAYSEL_CACHE/data/<key>/<name>        the copy, ~/.cache/raysel where the variable is not set
    $RAYSEL_CACHE/data/<key>.lock          held while it is made

The key is made of the place and of what lies there: names, sizes and times of change. Where any of them changes,
another copy is made; the older ones stay until somebody deletes them.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as pafs
from filelock import FileLock

from raysel.errors import OptionError

_AT_A_TIME = 16


def is_remote(source: object) -> bool:
    """Whether a source is the URI of another place than this machine's folders."""
    return isinstance(source, str) and "://" in source and not source.startswith("file://")


@dataclass(frozen=True)
class Remote:
    """A dataset on an object store, as it was when it was first looked at.

    It can be sent to other nodes, and called there: it returns where that node's copy is.

    Args:
        uri: A file or a folder, in any scheme of `pyarrow.fs`.
        key: Twenty hexadecimal digits that change with what lies there.
    """

    uri: str
    key: str

    @classmethod
    def at(cls, uri: str) -> "Remote":
        """What lies there now.

        Raises:
            OptionError: If nothing does, or the place cannot be reached.
        """
        listed = _listed(uri)
        told = "\n".join(f"{name} {info.size} {info.mtime_ns}" for name, info in sorted(listed.items()))
        return cls(uri, hashlib.sha256(f"{uri}\n{told}".encode()).hexdigest()[:20])

    def __call__(self) -> Path:
        """Where the copy is on this node; it is made if there is none.

        Raises:
            OptionError: If it cannot be made, or what lies there has changed meanwhile.
        """
        cache = os.environ.get("RAYSEL_CACHE") or Path.home() / ".cache" / "raysel"
        return _copy(self.uri, self.key, Path(cache).resolve() / "data")


@lru_cache
def _copy(uri: str, key: str, cache: Path) -> Path:
    """The copy of this node, made by the first process that asks."""
    parts = urlsplit(uri)
    place = cache / key / (PurePosixPath(parts.path).name or parts.netloc)
    if place.exists():
        return place
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f"{key}.lock"):
            if not place.exists():
                _fetch(uri, key, place)
    except OSError as error:
        raise OptionError("data", uri, f"a place that can be copied to {cache} ({_first_line(error)})") from error
    return place


def _fetch(uri: str, key: str, place: Path) -> None:
    """Copy beside the place, then rename: what has its name is whole."""
    filesystem, path = _resolved(uri)
    part = Path(tempfile.mkdtemp(dir=place.parents[1], prefix=f"{key}-", suffix=".part"))
    try:
        listed = _listed(uri)
        single = filesystem.get_file_info(path).is_file
        copied = part if single else part / place.name
        for name in listed:
            (copied / name).parent.mkdir(parents=True, exist_ok=True)

        def copy(name: str) -> None:
            source = path if single else f"{path.rstrip('/')}/{name}"
            pafs.copy_files(source, str(copied / name), filesystem, pafs.LocalFileSystem())

        with ThreadPoolExecutor(_AT_A_TIME) as workers:
            list(workers.map(copy, listed))
        if Remote.at(uri).key != key:
            raise OptionError("data", uri, "left as it is while it is read")
        place.parent.mkdir(exist_ok=True)
        (part / place.name).rename(place)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _listed(uri: str) -> Mapping[str, pafs.FileInfo]:
    """The files by their names below the place; of a file itself its own."""
    filesystem, path = _resolved(uri)
    try:
        here = filesystem.get_file_info(path)
        if here.is_file:
            return {here.base_name: here}
        infos = filesystem.get_file_info(pafs.FileSelector(path, recursive=True, allow_not_found=True))
    except OSError as error:
        raise OptionError("data", uri, f"a place that can be reached ({_first_line(error)})") from error
    found = {info.path[len(path.rstrip("/")) + 1 :]: info for info in infos if info.is_file}
    if not found:
        raise OptionError("data", uri, "a folder or a file that is there")
    for name in found:  # a store takes any text for a name, and this one would be written outside of the copy
        if name.startswith("/") or ".." in PurePosixPath(name).parts or "\\" in name:
            raise OptionError("data", uri, f"a place without files such as {name!r}")
    return found


def _resolved(uri: str) -> tuple[pafs.FileSystem, str]:
    try:
        filesystem, path = pafs.FileSystem.from_uri(uri)
    except (pa.ArrowException, ValueError) as error:
        raise OptionError("data", uri, f"a path, or a URI that pyarrow.fs knows ({_first_line(error)})") from error
    except OSError as error:
        raise OptionError("data", uri, f"a place that can be reached ({_first_line(error)})") from error
    return filesystem, path


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
