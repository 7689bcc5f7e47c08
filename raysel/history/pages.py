"""What the pages of a Parquet file claim to unpack to, told from their headers before any of them is unpacked.

A footer says how large columns are, and may lie: what a reader allocates is what the header of each page says. A few
kilobytes can claim gigabytes, and one encoding (DELTA_BYTE_ARRAY, where a text repeats the beginning of the one before)
makes any amount of text out of next to nothing. Headers are structures of Thrift's compact protocol, as
https://github.com/apache/parquet-format (parquet.thrift, `PageHeader`) has them.
"""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

_HEADER_BYTES = 1 << 16  # a header holds a few numbers, and the least and greatest value of its page
_DEPTH = 8
_TYPE, _UNPACKED, _PACKED, _DATA, _DICTIONARY, _DATA_V2 = 1, 2, 3, 5, 7, 8
_ENCODING = {_DATA: 2, _DICTIONARY: 2, _DATA_V2: 4}
_PLAIN_ONES = {0, 2, 3, 8, 9}  # PLAIN, PLAIN_DICTIONARY, RLE, RLE_DICTIONARY, BYTE_STREAM_SPLIT: none makes text longer


def unpacked_bytes(file: pa.NativeFile, metadata: pq.FileMetaData) -> int:
    """Bytes that all pages of a file claim to unpack to.

    Raises:
        ValueError: If a header is none, a page lies outside the file, or has an encoding that can make text longer.
    """
    total, size = 0, file.size()
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            start, length = column.data_page_offset, column.total_compressed_size
            if column.has_dictionary_page and column.dictionary_page_offset is not None:
                start = min(start, column.dictionary_page_offset)
            if min(start, length) < 0 or start + length > size:
                raise ValueError("a column lies outside the file")
            total += sum(_pages(file, start, start + length))
    return total


def _pages(file: pa.NativeFile, start: int, end: int) -> Iterator[int]:
    """What each page of a column claims to unpack to."""
    while start < end:
        file.seek(start)
        header = _Compact(file.read(min(_HEADER_BYTES, end - start)))
        fields = header.structure()
        unpacked, packed = fields.get(_UNPACKED), fields.get(_PACKED)
        if not isinstance(unpacked, int) or not isinstance(packed, int) or unpacked < 0 or packed < 0:
            raise ValueError("a page does not say how large it is")
        for kind, place in _ENCODING.items():
            if kind in fields and (not isinstance(fields[kind], dict) or fields[kind].get(place) not in _PLAIN_ONES):
                raise ValueError("a page has an encoding that parts are not written in")
        start += header.place + packed
        yield unpacked


class _Compact:
    """Reads one structure of Thrift's compact protocol from bytes."""

    def __init__(self, content: bytes) -> None:
        self._content, self.place = content, 0

    def structure(self, depth: int = 0) -> dict[int, Any]:
        """Its fields by number: integers and structures as such, everything else as `None`."""
        if depth > _DEPTH:
            raise ValueError("a page's header is nested too deep")
        fields: dict[int, Any] = {}
        number = 0
        while kind := self._byte():
            delta, kind = kind >> 4, kind & 15
            number = number + delta if delta else self._integer()
            fields[number] = self._value(kind, depth)
        return fields

    def _value(self, kind: int, depth: int) -> Any:
        if kind in (1, 2):  # a boolean is its own type
            return None
        if kind == 3:
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            return self._skip(8)
        if kind == 8:
            return self._skip(self._unsigned())
        if kind == 12:
            return self.structure(depth + 1)
        raise ValueError("a page's header holds what none has")  # lists, sets and maps

    def _byte(self) -> int:
        if self.place >= len(self._content):
            raise ValueError("a page's header is cut off")
        self.place += 1
        return self._content[self.place - 1]

    def _unsigned(self) -> int:
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
        raise ValueError("a page's header holds a number without end")

    def _integer(self) -> int:
        value = self._unsigned()
        return (value >> 1) ^ -(value & 1)

    def _skip(self, length: int) -> None:
        self.place += length
