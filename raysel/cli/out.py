"""Where an answer goes: a folder of this machine, or a place on an object store."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.fs as pafs

from raysel.errors import OptionError


@dataclass(frozen=True)
class Out:
    """A place to write to.

    Args:
        place: An absolute path, or a URI of `pyarrow.fs`.
    """

    place: str

    @classmethod
    def at(cls, place: str) -> "Out":
        """A place that can be written to: better known before anything is trained.

        Raises:
            OptionError: If nothing can be written there.
        """
        if "://" not in place:
            return cls(os.path.abspath(os.path.expanduser(place)))
        found = cls(place.rstrip("/"))
        try:
            filesystem, path = pafs.FileSystem.from_uri(found.place)
            filesystem.create_dir(path)
        except (pa.ArrowException, ValueError, OSError) as error:
            rule = f"a path or a URI that can be written to ({str(error).splitlines()[0]})"
            raise OptionError("out", place, rule) from error
        return found

    @property
    def folder(self) -> Path | None:
        """The folder, where it is one of this machine."""
        return None if "://" in self.place else Path(self.place)

    def named(self, name: str) -> str:
        """What lies there under a name, as a path or URI."""
        return f"{self.place}/{name}"

    @contextmanager
    def written(self, name: str) -> Iterator[Path]:
        """A folder to write to, which is there under this name afterwards."""
        if self.folder is not None:
            yield self.folder / name
            return
        with TemporaryDirectory(prefix="raysel-") as folder:
            yield Path(folder)
            filesystem, path = pafs.FileSystem.from_uri(self.named(name))
            pafs.copy_files(folder, path, pafs.LocalFileSystem(), filesystem)
