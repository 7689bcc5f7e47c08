"""A replay as plain data, as the command line prints it for machines."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from raysel.replay.metrics import Row, Standing


def plain_replay(rows: Sequence[Row], summary: Sequence[Standing]) -> dict[str, Any]:
    """What `raysel replay --json` prints: `rows` and `summary`, the fields of `Row` and `Standing`."""
    return {"rows": [_plain(row) for row in rows], "summary": [_plain(standing) for standing in summary]}


def _plain(found: Row | Standing) -> dict[str, Any]:
    return {
        name: {str(gpus): time for gpus, time in value.items()} if isinstance(value, dict) else value
        for name, value in asdict(found).items()
    }
