"""The folder that a history lives in: immutable part files, published whole or not at all.

::

    raysel-history.json                           says that this is a history, and its format
    parts/<table>-<utc ns>-<uuid>.parquet         rows; a part is never changed
    pins/<name>.json                              parts to keep through compaction
    retired/<part>                                parts that compaction replaced and that a pin still names
    derived/<kind>-<fingerprint>.parquet          what was worked out from parts (`raysel.history.derived`)
    tmp/                                          what is being written (only where a rename publishes)

On a file system with an atomic rename a file is written under `tmp/`, brought to the disk and renamed; on an object
store it is put in one go. Nothing here is pickled, and nothing read is trusted: names, sizes and types are checked, and
no link is followed out of the folder, so that a stranger's folder gives an error or a good read.
"""

import json
import os
import re
import stat
import threading
import time
import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import reduce
from pathlib import PurePosixPath
from typing import TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from raysel.errors import CorruptPartError, HistoryError, OptionError
from raysel.history.claims import Chunk, row_groups, unpacked_bytes
from raysel.history.tables import TABLES, Table

MARKER = "raysel-history.json"
PARTS, PINS, RETIRED, DERIVED, TEMPORARY = "parts", "pins", "retired", "derived", "tmp"

# Rows of a part, so that no reader needs more memory for one than this takes; compaction writes several where it must.
PART_ROWS = 5_000_000
_ROW_GROUP = 131_072
# Setting up zstd takes longer than it saves on a part of few rows.
_SMALL_ROWS = 10_000
_MAX_PART_BYTES = 4 << 30
# What a file unpacks to at most: so much, or so many times its size, whichever is more.
_UNPACKED_BYTES, _UNPACKED_TIMES = 1 << 30, 20
_MAX_JSON_BYTES = 16 << 20
# Parts never change, so small ones that were read are kept in memory, up to so many bytes in all.
_SMALL_PART_BYTES = 4 << 20
_REMEMBERED_BYTES = 128 << 20
_LIMITS = {"thrift_string_size_limit": _MAX_JSON_BYTES, "thrift_container_size_limit": 1_000_000}
# A writer that is still at work after a day is taken for dead.
_ABANDONED_NS = 24 * 3600 * 10**9
# Requests at a time: on an object store most of the time goes into waiting for answers.
_WORKERS = 8
_RENAMING = ("local", "hdfs")

_TEMPORARY = re.compile(r"[0-9a-f]{32}-.+", re.DOTALL)
_PART = re.compile(rf"({'|'.join(TABLES)})-([0-9]{{20}})-([0-9a-f]{{32}})\.parquet")
# What pyarrow raises for files that are not as they should be.
_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, TypeError, MemoryError)
Where = Mapping[str, Sequence[str]]
"""The values that are wanted, by column of text."""

_Read = TypeVar("_Read")
_clock = threading.Lock()
_last_stamp = 0


def table_of(part: str) -> str:
    """The table that a part belongs to.

    Raises:
        OptionError: If this is no name of a part.
    """
    return _matched(part)[1]


def stamp_of(part: str) -> int:
    """When a part was written, in nanoseconds since 1970 (UTC)."""
    return int(_matched(part)[2])


def order_of(part: str) -> tuple[int, str]:
    """What parts of one table are ordered by: the newest comes last, and its rows win."""
    return stamp_of(part), part


def is_part(name: str) -> bool:
    """Whether a file name is one of a part."""
    return bool(_PART.fullmatch(name))


def plain(name: str) -> str:
    """A name or a message as a terminal may be given it, for a stranger may have written it."""
    return name if name.isprintable() else ascii(name)


def new_stamp() -> int:
    """The time in nanoseconds, later than every one that this process was given before."""
    global _last_stamp
    with _clock:
        _last_stamp = max(time.time_ns(), _last_stamp + 1)
        return _last_stamp


class Folder:
    """Files of one history on one file system.

    Args:
        uri: A path or any URI that `pyarrow.fs.FileSystem.from_uri` knows.
        filesystem: Holds the folder, `uri` being the path in it; `None` to take it from the URI.

    Raises:
        OptionError: If no file system answers to the URI.
    """

    def __init__(self, uri: str, filesystem: pafs.FileSystem | None = None) -> None:
        self._filesystem, self._root = _resolve(uri, filesystem)
        self._renames = self._filesystem.type_name in _RENAMING
        self._remembered: dict[str, pa.Table] = {}
        for area in (PARTS, PINS, RETIRED, DERIVED, TEMPORARY):  # compaction would delete what is there
            if self._is_link(self._path(area)):
                raise HistoryError(f"{self._path(area)} is a link: a history is one folder, to which a link may lead")

    # Listing ----------------------------------------------------------------------------------------------------------

    def files(self, area: str) -> dict[str, pafs.FileInfo]:
        """Files and folders of one area by name (of the history's own folder where `area` is empty)."""
        selector = pafs.FileSelector(self._path(area) if area else self._root, allow_not_found=True)
        try:
            return {info.base_name: info for info in self._filesystem.get_file_info(selector)}
        except UnicodeDecodeError as error:
            raise HistoryError(f"{selector.base_dir} holds a name that is no UTF-8: {error.object!r}") from error
        except OSError as error:
            raise HistoryError(f"the history at {self._root} cannot be reached: {error}") from error

    def parts(self) -> tuple[str, ...]:
        """The parts that can be read now, of every table, in the order that the newest row is found by.

        A listing is not taken at one instant, so it can miss a row that compaction moves from one part to another
        meanwhile. What was listed and is still there in the next listing was missed by neither: three listings that
        only grow are asked for. The parts of `runs` are those of the one before the last, so that whatever their runs
        had published before them is in the last.
        """
        listings: list[set[str]] = []
        while True:
            listings = [*listings[-2:], {name for name in self.files(PARTS) if is_part(name)}]
            if len(listings) == 3 and listings[0] <= listings[1] <= listings[2]:
                late_runs = {name for name in listings[2] - listings[1] if table_of(name) == "runs"}
                return tuple(sorted(listings[2] - late_runs, key=order_of))

    # Parts ------------------------------------------------------------------------------------------------------------

    def publish(self, table: Table, rows: pa.Table, *, stamp: int | None = None) -> None:
        """Write rows as parts of a table; `stamp` says how new they are, now by default."""
        for start in range(0, len(rows), PART_ROWS):
            name = f"{table.name}-{new_stamp() if stamp is None else stamp:020d}-{uuid.uuid4().hex}.parquet"
            sink = pa.BufferOutputStream()
            # Arrow would repeat the whole of an encoded column's dictionary in every row group: as plain text each has
            # one of its own.
            pq.write_table(
                rows.slice(start, PART_ROWS).cast(table.schema),
                sink,
                row_group_size=_ROW_GROUP,
                use_dictionary=[column.name for column in table.columns if column.is_text],
                compression="zstd" if len(rows) > _SMALL_ROWS else "snappy",
                store_schema=False,
                write_page_checksum=True,
            )
            self.put(PARTS, name, sink.getvalue())

    def read_all(
        self, table: Table, parts: Sequence[str], *, columns: Sequence[str] | None = None, where: Where | None = None
    ) -> pa.Table:
        """The rows of several parts of a table, one part after the other, as `read` reads them.

        Small parts are opened once and remembered. Of large ones only what is wanted is read: the columns, and the row
        groups that may hold wanted values.

        Args:
            table: Their table.
            parts: In order.
            columns: Only these; by default all.
            where: Only rows that have one of the values wanted in each of its columns, which are among `columns`.
        """
        columns = list(table.names if columns is None else columns)
        there = {*self.files(PARTS), *self.files(RETIRED)} if self._remembered else set()
        self._remembered = {part: rows for part, rows in self._remembered.items() if part in there}

        def rows_of(part: str) -> tuple[pa.Table, bool]:
            rows = self._remembered.get(part)
            return self._rows(part, columns, where) if rows is None else (rows, False)

        with ThreadPoolExecutor(_WORKERS) as workers:
            found = list(workers.map(rows_of, parts))
        room = _REMEMBERED_BYTES - sum(rows.nbytes for rows in self._remembered.values())
        for part, (rows, is_whole) in zip(parts, found, strict=True):
            if is_whole and rows.nbytes <= min(room, _SMALL_PART_BYTES):
                self._remembered[part] = rows
                room -= rows.nbytes
        wanted = [_wanted(rows.select(columns), where) for rows, _ in found]
        rows = pa.concat_tables([table.empty.select(columns), *wanted]).unify_dictionaries().combine_chunks()
        if table.broken(rows) is not None:
            for part in parts:
                self.read(part)  # names the part that is to blame
        return rows

    def count(self, parts: Sequence[str]) -> int:
        """How many rows several parts have, repeated keys counted each time; no more than their ends is read.

        Raises:
            FileNotFoundError: If a part is gone.
            CorruptPartError: If the end of one is damaged.
        """

        def rows_in(part: str) -> int:
            if part in self._remembered:
                return len(self._remembered[part])
            return self._of_part(part, lambda file: _row_count(file, far=not self._renames))

        with ThreadPoolExecutor(_WORKERS) as workers:
            return sum(workers.map(rows_in, parts))

    def read(self, part: str) -> pa.Table:
        """The rows of a part in its table's columns, text dictionary-encoded.

        Raises:
            FileNotFoundError: If the part is gone.
            CorruptPartError: If the file is damaged, is too large, or does not hold the table's columns by their rules.
        """
        rows = self._rows(part, TABLES[table_of(part)].names, None)[0].combine_chunks()
        column = TABLES[table_of(part)].broken(rows)
        if column is not None:
            rule = f"column `{column.name}` holds what is not {column.rule}"
            raise CorruptPartError(f"the part {self._path(PARTS, part)} cannot be read: {rule}")
        return rows

    def _rows(self, part: str, columns: Sequence[str], where: Where | None) -> tuple[pa.Table, bool]:
        """The rows of a part, all of a small one, what is wanted of a large one; and whether they are the whole."""
        table = TABLES[table_of(part)]

        def decoded(file: pa.NativeFile) -> tuple[pa.Table, bool]:
            if file.size() <= _SMALL_PART_BYTES:
                return _decoded(table, pa.BufferReader(file.read()), table.names, None, far=False), True
            whole = where is None and list(columns) == list(table.names)
            return _decoded(table, file, columns, where, far=not self._renames), whole

        return self._of_part(part, decoded)

    def _of_part(self, part: str, read: Callable[[pa.NativeFile], _Read]) -> _Read:
        """What is read of a part, wherever it lies; what goes wrong names the part."""
        path = self._path(PARTS, part)
        try:
            try:
                file = self._opened(path)
            except FileNotFoundError:
                path = self._path(RETIRED, part)
                file = self._opened(path)
            with file:
                if file.size() > _MAX_PART_BYTES:
                    raise ValueError(f"it has {file.size():,} bytes, more than {_MAX_PART_BYTES:,}")
                return read(file)
        except FileNotFoundError:
            raise
        except _UNREADABLE as error:
            raise CorruptPartError(f"the part {path} cannot be read: {_reason(error)}") from error

    def retire(self, parts: Iterable[str]) -> None:
        """Set parts aside that compaction has replaced; one that is gone already is passed over."""

        def set_aside(part: str) -> None:
            self._unless_gone(self._move, self._path(PARTS, part), self._path(RETIRED, part))

        with ThreadPoolExecutor(_WORKERS) as workers:
            list(workers.map(set_aside, parts))

    def sweep(self) -> None:
        """Delete what no pin names among the parts set aside, and what dead writers left.

        Pins are looked up only after the parts have been set aside: a pin that found its parts in place before that is
        seen here.
        """
        retired = [name for name in self.files(RETIRED) if is_part(name)]
        if retired:
            kept = {part for parts in self.pins().values() for part in parts}
            self.drop(RETIRED, (name for name in retired if name not in kept))
        oldest = time.time_ns() - _ABANDONED_NS
        left = (name for name, info in self.files(TEMPORARY).items() if (info.mtime_ns or 0) < oldest)
        self.drop(TEMPORARY, (name for name in left if _TEMPORARY.fullmatch(name)))

    def drop(self, area: str, names: Iterable[str]) -> None:
        """Delete files; one that is gone already is passed over."""

        def delete(name: str) -> None:
            self._unless_gone(self._filesystem.delete_file, self._path(area, name))

        with ThreadPoolExecutor(_WORKERS) as workers:
            list(workers.map(delete, names))

    def pins(self) -> dict[str, tuple[str, ...]]:
        """The parts that each pin keeps, by its name.

        Raises:
            HistoryError: If a pin does not list parts.
        """
        found: dict[str, tuple[str, ...]] = {}
        for file in sorted(self.files(PINS)):
            if not file.endswith(".json"):
                continue
            try:
                content = self.read_json(PINS, file)
            except FileNotFoundError:  # unpinned meanwhile
                continue
            parts = content.get("parts") if isinstance(content, dict) else None
            if not isinstance(parts, list) or not all(isinstance(part, str) and is_part(part) for part in parts):
                raise HistoryError(f"the pin {plain(self._path(PINS, file))} does not list parts")
            found[file.removesuffix(".json")] = tuple(parts)
        return found

    # JSON -------------------------------------------------------------------------------------------------------------

    def read_json(self, area: str, name: str) -> object:
        """What a small JSON file holds.

        Raises:
            FileNotFoundError, NotADirectoryError: If there is none.
            HistoryError: If it is too large or no JSON.
        """
        path = self._path(area, name)
        try:
            with self._opened(path) as file:
                if file.size() > _MAX_JSON_BYTES:
                    raise ValueError(f"it has {file.size():,} bytes, more than {_MAX_JSON_BYTES:,}")
                return json.loads(file.read())
        except (FileNotFoundError, NotADirectoryError):
            raise
        except (OSError, ValueError, RecursionError) as error:
            raise HistoryError(f"{plain(path)} cannot be read: {_reason(error)}") from error

    def read_derived(self, name: str, where: Where | None = None, columns: Sequence[str] | None = None) -> pa.Table:
        """The table that a file of derived data holds; of a large one no more row groups than may hold what is wanted.

        Raises:
            FileNotFoundError: If there is none.
            HistoryError: If it cannot be read.
        """
        path = self._path(DERIVED, name)
        try:
            with self._opened(path) as file:
                if file.size() > _MAX_PART_BYTES:
                    raise ValueError(f"it has {file.size():,} bytes, more than {_MAX_PART_BYTES:,}")
                far = not self._renames
                groups, parquet = _checked(file, far=far), _parquet(file, [], far=far)
                rows = parquet.read(columns=columns) if where is None else _selected(parquet, groups, where, columns)
                rows.validate(full=True)
                return rows
        except FileNotFoundError:
            raise
        except _UNREADABLE as error:
            raise HistoryError(f"{plain(path)} cannot be read: {_reason(error)}") from error

    def write_json(self, area: str, name: str, value: object) -> None:
        """Publish a small JSON file in the place of any of that name."""
        self.put(area, name, json.dumps(value, indent=1).encode())

    # Writing ----------------------------------------------------------------------------------------------------------

    def put(self, area: str, name: str, content: pa.Buffer | bytes) -> None:
        """Publish a file in the place of any of that name."""
        try:
            self._publish(self._path(area, name), name, content)
        except OSError as error:
            raise HistoryError(f"the history at {self._root} cannot be written to: {error}") from error

    def _publish(self, target: str, name: str, content: pa.Buffer | bytes) -> None:
        if not self._renames:
            self._write(target, content)
            return
        temporary = self._path(TEMPORARY, f"{uuid.uuid4().hex}-{name}")
        try:
            self._write(temporary, content)
        except OSError:
            with suppress(OSError):  # on a full disk every attempt would leave another piece
                self._filesystem.delete_file(temporary)
            raise
        if self._filesystem.type_name == "local":
            # Without this a power cut could leave the name without the bytes.
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        self._move(temporary, target)

    def _write(self, path: str, content: pa.Buffer | bytes) -> None:
        def write() -> None:
            with self._filesystem.open_output_stream(path) as stream:
                stream.write(content)

        self._making_folder(write, path)

    def _move(self, source: str, target: str) -> None:
        self._making_folder(lambda: self._filesystem.move(source, target), target)

    def _making_folder(self, action: Callable[[], None], path: str) -> None:
        """Do it, and once more with the folder of `path` made, should something be missing.

        Folders are made on demand: object stores have none, and asking every time would cost a request. Whether the
        folder was what is missing is not asked, since somebody else may be making it at this moment. Where the whole
        history is gone (a share that is not mounted) nothing is made in its place.
        """
        try:
            action()
        except FileNotFoundError:
            marker = self._filesystem.get_file_info(self._path(MARKER))
            if marker.type == pafs.FileType.NotFound and not path.endswith(MARKER):
                raise
            self._filesystem.create_dir(str(PurePosixPath(path).parent), recursive=True)
            action()

    def _opened(self, path: str) -> pa.NativeFile:
        """A file to read from: a plain one, for a link may lead anywhere, and a pipe keeps its reader waiting."""
        if self._filesystem.type_name == "local":
            mode = os.lstat(path).st_mode
            if not stat.S_ISREG(mode):
                raise ValueError("it is a link" if stat.S_ISLNK(mode) else "it is no file")
        return self._filesystem.open_input_file(path)

    def _is_link(self, path: str) -> bool:
        return self._filesystem.type_name == "local" and os.path.islink(path)

    def _unless_gone(self, action: Callable[..., None], path: str, *more: str) -> None:
        """Do it, unless somebody else did and the file is gone."""
        try:
            action(path, *more)
        except OSError as error:
            if self._filesystem.get_file_info(path).type != pafs.FileType.NotFound:
                raise HistoryError(f"{path} cannot be moved or deleted: {error}") from error

    def _path(self, *names: str) -> str:
        return "/".join(name for name in (self._root.rstrip("/"), *names) if name)


def _resolve(uri: str, filesystem: pafs.FileSystem | None) -> tuple[pafs.FileSystem, str]:
    if filesystem is None and "://" not in uri:
        return pafs.LocalFileSystem(), os.path.abspath(os.path.expanduser(uri))
    if filesystem is None:
        try:
            filesystem, path = pafs.FileSystem.from_uri(uri)
        except (pa.ArrowException, ValueError) as error:
            raise OptionError("uri", uri, f"a path or a URI that pyarrow.fs knows ({error})") from error
        except OSError as error:
            raise HistoryError(f"the history at {uri} cannot be reached: {error}") from error
    else:
        path = uri
    # Beneath a subtree the file system shows whether it can rename.
    while isinstance(filesystem, pafs.SubTreeFileSystem):
        filesystem, path = filesystem.base_fs, f"{filesystem.base_path.rstrip('/')}/{path.lstrip('/')}"
    return filesystem, path


def _reason(error: Exception) -> str:
    """The first line of what went wrong."""
    return plain(str(error).strip().partition("\n")[0])


def _matched(part: str) -> re.Match[str]:
    match = _PART.fullmatch(part)
    if match is None:
        raise OptionError("parts", part, "names of parts as `History.parts` gives them")
    return match


def _wanted(rows: pa.Table, where: Where | None) -> pa.Table:
    if where is None:
        return rows
    return rows.filter(_mask(rows, {name: pa.array(values, type=pa.string()) for name, values in where.items()}))


def _mask(rows: pa.Table, wanted: Mapping[str, pa.Array]) -> pa.ChunkedArray:
    """Which rows have one of the values wanted in each of the columns."""
    masks = [pc.is_in(rows[name], value_set=values) for name, values in wanted.items()]
    return reduce(pc.and_, masks) if masks else pa.chunked_array([pa.repeat(True, len(rows))])


def _decoded(table: Table, file: pa.NativeFile, columns: Sequence[str], where: Where | None, *, far: bool) -> pa.Table:
    """What is wanted of a file; one that is far off is read in few large pieces."""
    groups = _checked(file, far=far)
    parquet = _parquet(file, [column.name for column in table.columns if column.is_text], far=far)
    rows = parquet.metadata.num_rows
    if not 0 <= rows <= PART_ROWS:
        raise ValueError(f"it claims {rows:,} rows, but a part has at most {PART_ROWS:,}")
    schema = parquet.schema_arrow
    unknown = [name for name in schema.names if name not in table.names]
    if unknown:
        raise ValueError(f"column `{unknown[0]}` is not one of the table `{table.name}`")
    for column in table.columns:
        if column.name in schema.names:
            found, due = schema.field(column.name).type, column.stored
            if found != due:
                raise ValueError(f"column `{column.name}` is of type {found}, but must be {due}")
        elif column.required:
            raise ValueError(f"column `{column.name}` is missing")
    present = [name for name in columns if name in schema.names]
    data = parquet.read(columns=present) if where is None else _selected(parquet, groups, where, present)
    data.validate(full=True)
    arrays = [
        data[column.name]
        if column.name in schema.names
        else pa.array([column.missing] * len(data), type=column.type).cast(column.stored)
        for column in table.columns
        if column.name in columns
    ]
    return pa.table(arrays, names=[name for name in table.names if name in columns])


def _checked(file: pa.NativeFile, *, far: bool) -> list[list[Chunk]]:
    """The row groups of a Parquet file that unpacks to no more than it may.

    Of one that is far off the footer is believed: asking each page would cost a request.
    """
    groups = row_groups(file)
    unpacked = sum(chunk.unpacked for group in groups for chunk in group) if far else unpacked_bytes(file, groups)
    most = max(_UNPACKED_BYTES, _UNPACKED_TIMES * file.size())
    if unpacked > most:
        raise ValueError(f"it unpacks to {unpacked:,} bytes, more than {most:,}")
    return groups


def _parquet(file: pa.NativeFile, texts: Sequence[str], *, far: bool) -> pq.ParquetFile:
    """A file with these columns dictionary-encoded where it has them; one that is far off is read in large pieces."""
    metadata = pq.ParquetFile(file, **_LIMITS).metadata
    return pq.ParquetFile(
        file,
        metadata=metadata,
        read_dictionary=[name for name in texts if name in metadata.schema.names],
        pre_buffer=far,
        page_checksum_verification=True,
        **_LIMITS,
    )


def _row_count(file: pa.NativeFile, *, far: bool) -> int:
    row_groups(file)  # refuses what is no footer
    return int(_parquet(file, [], far=far).metadata.num_rows)


def _selected(
    parquet: pq.ParquetFile, groups: Sequence[Sequence[Chunk]], where: Where, columns: Sequence[str] | None
) -> pa.Table:
    """The rows that are wanted; of a row group without any, no more than the columns that say so is read."""
    wanted = {name: pa.array(values, type=pa.string()) for name, values in where.items()}
    nothing = parquet.schema_arrow.empty_table()
    found = [nothing if columns is None else nothing.select(columns)]
    for group in _groups_with(groups, where):
        mask = _mask(parquet.read_row_group(group, columns=[*wanted]), wanted)
        if pc.any(mask).as_py():
            found.append(parquet.read_row_group(group, columns=columns).filter(mask))
    return pa.concat_tables(found)


def _groups_with(groups: Sequence[Sequence[Chunk]], where: Where) -> list[int]:
    """The row groups whose least and greatest values do not rule out that what is wanted is there."""
    found = [*range(len(groups))]
    for name, values in where.items():
        wanted = sorted(value.encode() for value in values)  # in the order of the texts
        found = [number for number in found if _may_hold(groups[number], name, wanted)]
    return found


def _may_hold(group: Sequence[Chunk], name: str, wanted: Sequence[bytes]) -> bool:
    known = next((chunk for chunk in group if chunk.name == name), None)
    if known is None or known.least is None or known.greatest is None:
        return True
    first = bisect_left(wanted, known.least)
    return first < len(wanted) and wanted[first] <= known.greatest
