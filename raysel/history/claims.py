"""What a Parquet file claims of itself, told from its footer and the headers of its pages before any is unpacked.

What a reader allocates is what the header of each page says. A few kilobytes can claim gigabytes, and one encoding
(DELTA_BYTE_ARRAY, where a text repeats the beginning of the one before) makes any amount of text out of next to
nothing. pyarrow does not show headers, and asked about the columns of a damaged footer it may end the process. So both
are read here: they are structures of Thrift's compact protocol, as https://github.com/apache/parquet-format
(parquet.thrift) has them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

_FOOTER_BYTES = 16 << 20
_TAIL_BYTES = 1 << 16
_HEADER_BYTES = 1 << 16  # a header holds a few numbers, and the least and greatest value of its page
_DEPTH = 16
# Numbers of fields: FileMetaData, RowGroup, ColumnChunk, ColumnMetaData, Statistics, PageHeader and its parts.
_ROW_GROUPS, _COLUMNS, _META = 4, 1, 3
_PATH, _UNPACKED, _PACKED, _DATA_AT, _DICTIONARY_AT, _STATISTICS = 3, 6, 7, 9, 11, 12
_GREATEST, _LEAST = 5, 6
_PAGE_UNPACKED, _PAGE_PACKED = 2, 3
_ENCODING = {5: 2, 7: 2, 8: 4}  # of a page of data, of a dictionary, of data in the second version
_PLAIN_ONES = {0, 2, 3, 8, 9}  # PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY, BYTE_STREAM_SPLIT: none makes text longer


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One column of one row group.

    Args:
        name: The column's.
        start: Where its pages begin.
        length: Their bytes.
        unpacked: What they unpack to, as the footer says.
        least: The least value as bytes, or `None`.
        greatest: The greatest.
    """

    name: str
    start: int
    length: int
    unpacked: int
    least: bytes | None
    greatest: bytes | None


def row_groups(file: pa.NativeFile) -> list[list[Chunk]]:
    """The columns of each row group, as the footer says.

    Raises:
        ValueError: If it is no footer, or a column lies outside the file.
    """
    size = file.size()
    file.seek(max(0, size - _TAIL_BYTES))
    tail = file.read(_TAIL_BYTES)
    if tail[-4:] != b"PAR1" or len(tail) < 12:
        raise ValueError("it is no Parquet file")
    length = int.from_bytes(tail[-8:-4], "little")
    if length > min(_FOOTER_BYTES, size - 12):
        raise ValueError(f"its footer claims {length:,} bytes")
    if length > len(tail) - 8:
        file.seek(size - 8 - length)
        tail = file.read(length + 8)
    told = _Compact(tail[-8 - length : -8]).structure()
    return [[_chunk(column, size) for column in _list(group, _COLUMNS)] for group in _list(told, _ROW_GROUPS)]


def unpacked_bytes(file: pa.NativeFile, groups: Sequence[Sequence[Chunk]]) -> int:
    """Bytes that all pages of a file claim to unpack to.

    Raises:
        ValueError: If a header is none, a page lies outside its column, or has an encoding that can make text longer.
    """
    return sum(sum(_pages(file, chunk)) for group in groups for chunk in group)


def _chunk(column: Any, size: int) -> Chunk:
    meta = column.get(_META) if isinstance(column, dict) else None
    if not isinstance(meta, dict):
        raise ValueError("its footer does not say where a column is")
    start, length, unpacked = (_count(meta.get(field)) for field in (_DATA_AT, _PACKED, _UNPACKED))
    if _DICTIONARY_AT in meta:
        start = min(start, _count(meta[_DICTIONARY_AT]) or start)
    if start + length > size:
        raise ValueError("a column lies outside the file")
    path, known = _list(meta, _PATH), meta.get(_STATISTICS)
    least, greatest = (known.get(_LEAST), known.get(_GREATEST)) if isinstance(known, dict) else (None, None)
    return Chunk(
        name=path[0].decode() if len(path) == 1 and isinstance(path[0], bytes) else "",
        start=start,
        length=length,
        unpacked=unpacked,
        least=least if isinstance(least, bytes) else None,
        greatest=greatest if isinstance(greatest, bytes) else None,
    )


def _pages(file: pa.NativeFile, chunk: Chunk) -> Iterator[int]:
    """What each page of a column claims to unpack to."""
    start, end = chunk.start, chunk.start + chunk.length
    while start < end:
        file.seek(start)
        header = _Compact(file.read(min(_HEADER_BYTES, end - start)))
        fields = header.structure()
        unpacked, packed = _count(fields.get(_PAGE_UNPACKED)), _count(fields.get(_PAGE_PACKED))
        for kind, place in _ENCODING.items():
            if kind in fields and (not isinstance(fields[kind], dict) or fields[kind].get(place) not in _PLAIN_ONES):
                raise ValueError("a page has an encoding that parts are not written in")
        start += header.place + packed
        if start > end:
            raise ValueError("a page lies outside its column")
        yield unpacked


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("it does not say how large it is")
    return value


def _list(fields: dict[int, Any], number: int) -> list[Any]:
    found = fields.get(number)
    if not isinstance(found, list):
        raise ValueError("its footer lacks what every one has")
    return found


class _Compact:
    """Reads one structure of Thrift's compact protocol from bytes."""

    def __init__(self, content: bytes) -> None:
        self._content, self.place = content, 0

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Its fields by number: integers, bytes, lists and structures as such, everything else as `None`."""
        fields: dict[int, Any] = {}
        number = 0
        while kind := self._byte():
            delta, kind = kind >> 4, kind & 15
            number = number + delta if delta else self._integer()
            fields[number] = None if kind in (1, 2) else self._value(kind, depth)  # a boolean is its own type
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if depth > _DEPTH:
            raise ValueError("it is nested too deep")
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind in (9, 10):
            head = self._byte()
            length = head >> 4 if head >> 4 < 15 else self._unsigned()
            if length > len(self._content):
                raise ValueError("it claims more than it holds")
            return [self._value(head & 15, depth + 1) for _ in range(length)]
        if kind == 12:
            return self.structure(depth + 1)
        raise ValueError("it holds what no Parquet file has")  # maps

    def _byte(self) -> int:
        return self._bytes(1)[0]

    def _bytes(self, length: int) -> bytes:
        if length > len(self._content) - self.place:
            raise ValueError("it is cut off")
        self.place += length
        return self._content[self.place - length : self.place]

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("it holds a number without end")

    def _integer(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)
