"""A spare copy of what Tune saves of a run.

Tune writes each snapshot over the one before, file by file, and a driver may be killed meanwhile: a file that was cut
off keeps the run from ever being restored. The snapshot before it is kept beside the results for that; what happened
since is in the journal (`raysel.tune.journal`).
"""

import json
import logging
import re
from collections.abc import Mapping
from typing import Any

import pyarrow.fs as pafs
from ray import tune
from ray.train._internal.storage import get_fs_and_path
from ray.tune.experiment import Trial

logger = logging.getLogger(__name__)
_FILE = re.compile(r"(experiment_state|search_gen_state|searcher-state|callback-states)-.*\.(json|pkl)")
_SPARE = "raysel/snapshot"
_STOP = b"."  # the last byte of every pickle


class SpareSnapshot(tune.Callback):
    """Before Tune writes a snapshot over the last, copies that, if it is whole.

    >>> tune.RunConfig(callbacks=[SpareSnapshot()]).callbacks[0].get_state()
    """

    def __init__(self) -> None:
        self._place: tuple[pafs.FileSystem, str] | None = None

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Where the run is kept is known from its trials."""
        storage: Any = trial.storage
        self._place = storage.storage_filesystem, storage.experiment_fs_path

    def get_state(self) -> None:
        """Called when Tune is about to save; the callback itself has no state."""
        if self._place is None:
            return
        filesystem, folder = self._place
        try:
            last = _newest(filesystem, folder)
            if last and all(map(_is_whole, last, last.values())):
                spare = f"{folder}/{_SPARE}"
                _write(filesystem, f"{spare}.tmp", last)
                if filesystem.get_file_info(spare).type != pafs.FileType.NotFound:
                    filesystem.delete_dir(spare)
                filesystem.move(f"{spare}.tmp", spare)
        except OSError as error:  # a run goes on without
            logger.warning("no spare snapshot of the run could be written: %s", error)


def mend(storage_path: str, name: str) -> bool:
    """Put the spare snapshot of a run in place of one that was cut off; whether that was needed.

    Without a spare one the broken files are deleted: nothing was saved before them, and Tune begins anew.

    Args:
        storage_path: Where Tune keeps its results.
        name: The run's.
    """
    filesystem, parent = get_fs_and_path(storage_path)
    folder, spare = f"{parent}/{name}", f"{parent}/{name}/{_SPARE}"
    last = _newest(filesystem, folder)
    if all(map(_is_whole, last, last.values())):
        return False
    for file in _saved(filesystem, folder):
        filesystem.delete_file(f"{folder}/{file}")
    kept = _newest(filesystem, spare)
    _write(filesystem, folder, kept)
    logger.warning(
        "the last snapshot of %s was cut off: %s", name, "the one before is used" if kept else "it begins anew"
    )
    return True


def _saved(filesystem: pafs.FileSystem, folder: str) -> list[str]:
    """The names of the files that Tune saved, oldest first."""
    found = filesystem.get_file_info(pafs.FileSelector(folder, allow_not_found=True))
    return sorted(info.base_name for info in found if _FILE.fullmatch(info.base_name))


def _newest(filesystem: pafs.FileSystem, folder: str) -> dict[str, bytes]:
    """Content by name of the newest file of each kind."""
    newest = {file.partition("-20")[0]: file for file in _saved(filesystem, folder)}  # their names have the time
    found = {}
    for file in newest.values():
        with filesystem.open_input_stream(f"{folder}/{file}") as stream:
            found[file] = stream.readall()
    return found


def _is_whole(file: str, content: bytes) -> bool:
    if not file.startswith("experiment_state"):
        return content.endswith(_STOP)  # pickles all, which are not opened here
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _write(filesystem: pafs.FileSystem, folder: str, files: Mapping[str, bytes]) -> None:
    filesystem.create_dir(folder)
    for file, content in files.items():
        with filesystem.open_output_stream(f"{folder}/{file}") as stream:
            stream.write(content)
