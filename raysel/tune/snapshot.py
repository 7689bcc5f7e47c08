"""A spare copy of what Tune saves of a run.

Tune writes each snapshot over the one before, file by file, and a driver may be killed meanwhile: a file that was cut
off keeps the run from ever being restored. The snapshot before it is kept beside the results for that; what happened
since is in the journal (`raysel.tune.journal`).
"""

import json
import logging
import os
import re
from collections.abc import Mapping

import pyarrow.fs as pafs
from ray.train._internal.storage import StorageContext, get_fs_and_path

logger = logging.getLogger(__name__)
_FILE = re.compile(r"(experiment_state|search_gen_state|searcher-state|callback-states)-.*\.(json|pkl)")
_STATE = "experiment_state"
_SPARE = "raysel/snapshot"
_STOP = b"."  # the last byte of every pickle


def keep(storage: StorageContext) -> None:
    """Copy a run's snapshot, if it is whole; called when Tune is about to write the next over it.

    Args:
        storage: Where a trial of the run is kept.
    """
    filesystem, folder = storage.storage_filesystem, storage.experiment_fs_path
    try:
        last = _newest(filesystem, folder)
        if _is_usable(last):
            spare = f"{folder}/{_SPARE}"
            _write(filesystem, f"{spare}.tmp", last)
            if filesystem.get_file_info(spare).type != pafs.FileType.NotFound:
                filesystem.delete_dir(spare)
            filesystem.move(f"{spare}.tmp", spare)
    except OSError as error:  # a run goes on without
        logger.warning("no spare snapshot of the run could be written: %s", error)


def mend(path: str) -> bool:
    """Make the last snapshot of a run whole, before it is restored; whether there is anything to restore.

    If a driver was killed while Tune wrote the snapshot, the one before takes its place. Where no trial is in either
    nothing had begun: Tune cannot restore that, and a new run loses nothing.

    Args:
        path: The folder or URI of the experiment, as for `Tuner.restore`.

    >>> mend("results/none")
    False
    """
    filesystem, folder = get_fs_and_path(path if "://" in path else os.path.abspath(os.path.expanduser(path)))
    if _is_usable(_newest(filesystem, folder)):
        return True
    broken, spare = _saved(filesystem, folder), _newest(filesystem, f"{folder}/{_SPARE}")
    for file in broken:
        filesystem.delete_file(f"{folder}/{file}")
    if spare:
        _write(filesystem, folder, spare)
        logger.warning("the last snapshot of %s was cut off: the one before is used", path)
    return bool(spare)


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


def _is_usable(files: Mapping[str, bytes]) -> bool:
    """Whether a run can be restored from these: they are whole, and of one with trials."""
    try:
        trials = [json.loads(content)["trial_data"] for file, content in files.items() if file.startswith(_STATE)]
    except ValueError:  # cut off
        return False
    pickles = [content for file, content in files.items() if not file.startswith(_STATE)]  # which are not opened here
    return any(trials) and all(content.endswith(_STOP) for content in pickles)


def _write(filesystem: pafs.FileSystem, folder: str, files: Mapping[str, bytes]) -> None:
    filesystem.create_dir(folder)
    for file, content in files.items():
        with filesystem.open_output_stream(f"{folder}/{file}") as stream:
            stream.write(content)
