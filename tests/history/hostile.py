"""Reads histories whose files were damaged at random; run in a process of its own, which hostile bytes might end.

    python -m tests.history.hostile FOLDER SEED COUNT

Prints how many damaged histories were refused and read, and by how much memory grew. Whatever is neither an error of
raysel nor a good read ends it; the last line on standard error has the number of the case.
"""

import faulthandler
import json
import resource
import shutil
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from raysel.errors import HistoryError
from raysel.history import History, folder
from tests.history.rows import datasets, points, proxies, runs


def filled(place: Path) -> None:
    """A history with every table, a pin, and derived data."""
    history = History.create(str(place))
    for number in range(3):
        names = [f"m{number}-{each}" for each in range(40)]
        history.append(
            models=pd.DataFrame({"model": names, "family": "vit", "parameters": 10, "card": "what is known of it"}),
            datasets=datasets("d", f"d{number}"),
            runs=runs(*names, config='{"lr":0.1}', hardware="one"),
            observations=pd.concat([points(name, [0.1, 0.2 + number / 10]) for name in names]),
            proxies=pd.concat([proxies(name, -0.5) for name in names]),
        )
    history.compact()
    history.append(runs=runs("later"), observations=points("later", [0.3, 0.4]), proxies=proxies("later", 0.5))
    history.pin("one")


def rewritten(path: Path, rng: np.random.Generator) -> None:
    """The same rows as somebody else may have written them."""
    table = pq.read_table(path)
    pq.write_table(
        table,
        path,
        compression=str(rng.choice(["none", "snappy", "zstd", "gzip", "lz4"])),
        use_dictionary=bool(rng.integers(2)),
        data_page_version=str(rng.choice(["1.0", "2.0"])),
        data_page_size=int(rng.choice([64, 1 << 20])),
        row_group_size=int(rng.choice([7, 1000])),
        store_schema=bool(rng.integers(2)),
    )


def flipped(content: bytes, rng: np.random.Generator) -> bytes:
    found = bytearray(content)
    for place in rng.integers(0, len(found), rng.integers(1, 9)):
        found[place] = rng.integers(256)
    return bytes(found)


def flipped_at_the_end(content: bytes, rng: np.random.Generator) -> bytes:
    """The footer is there, which says where everything is."""
    cut = max(0, len(content) - 1500)
    return content[:cut] + flipped(content[cut:], rng)


def flipped_at_the_start(content: bytes, rng: np.random.Generator) -> bytes:
    """The header of the first page is there, which says how large it is."""
    return flipped(content[:48], rng) + content[48:]


def cut(content: bytes, rng: np.random.Generator) -> bytes:
    return content[: rng.integers(0, len(content))]


def spliced(content: bytes, rng: np.random.Generator) -> bytes:
    """A piece of it in another place, its length as it was or not."""
    start, place = rng.integers(0, len(content), 2)
    piece = content[start : start + rng.integers(1, 200)]
    return content[:place] + piece + content[place + len(piece) * int(rng.integers(2)) :]


def huge(content: bytes, rng: np.random.Generator) -> bytes:
    """A number that claims very much, somewhere."""
    place = rng.integers(0, len(content))
    piece = bytes(
        rng.choice([b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\x7f", b"\xff" * 9 + b"\x01", b"\x80\x80\x80\x80\x10"])
    )
    return content[:place] + piece + content[place + len(piece) :]


DAMAGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    flipped,
    flipped_at_the_end,
    flipped_at_the_end,
    flipped_at_the_start,
    cut,
    spliced,
    huge,
)


def read(place: Path) -> None:
    """Everything that can be asked of a history, and what changes it."""
    history = History(str(place))
    history.check()
    for table in ("runs", "observations", "models", "datasets", "proxies"):
        getattr(history, table)()
    history.curves(models=["m0-1", "later"])
    matrix = history.matrix()
    assert np.isfinite(matrix.values[~np.isnan(matrix.values)]).all()
    history.names(), history.proxy_scores("leep"), history.summary()
    for row in history.curves():
        assert np.isfinite(row.values).all()
    history.compact()


def main(place: Path, seed: int, count: int) -> None:
    faulthandler.enable()
    filled(place / "whole")
    read(place / "whole")  # what is loaded on first use is loaded
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes: Counter[str] = Counter()
    for case in range(seed * count, seed * count + count):
        rng = np.random.default_rng(case)
        damaged = place / f"case{case}"
        shutil.copytree(place / "whole", damaged)
        paths = sorted(path for path in damaged.rglob("*") if path.is_file())
        path = paths[rng.integers(len(paths))]
        sys.stderr.write(f"case {case}: {path.name}\n")  # the last one, should this process die of it
        if path.suffix == ".parquet" and rng.integers(4):
            rewritten(path, rng)
        damage = DAMAGES[rng.integers(len(DAMAGES))]
        path.write_bytes(damage(path.read_bytes(), rng))
        folder._SMALL_PART_BYTES = int(rng.choice([0, 4 << 20]))  # parts are read whole, or no more than is due
        try:
            read(damaged)
            outcomes["read"] += 1
        except HistoryError as error:
            outcomes["refused" if str(error).isprintable() else "garbled"] += 1
        shutil.rmtree(damaged)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    sys.stdout.write(json.dumps({**outcomes, "megabytes": grown / 1024}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
