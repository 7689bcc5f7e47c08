"""Runs that came to their end are kept, so that a second selection on the same data need not make them again.

::

    finished/<key>/points.json     the curve, and the score on the test split
    finished/<key>/checkpoint/     the model in its library's own format

The key is made of the model with its revision, the data, the metric that curves are in, and the recipe: what differs in
any of them is another run.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ray import tune
from ray.train import Checkpoint

from raysel.history import canonical

_POINTS, _CHECKPOINT, _TOLD = "points.json", "checkpoint", "told.json"


def key_of(config: Mapping[str, Any], *, fingerprint: str, metric: str, revision: str) -> str:
    """Sixteen hexadecimal digits that name a run.

    Args:
        config: `model` and the recipe.
        fingerprint: Of the data.
        metric: What decides.
        revision: Of the model.
    """
    return hashlib.sha256(f"{canonical(dict(config))} {fingerprint} {metric} {revision}".encode()).hexdigest()[:16]


def keep(place: Path, points: list[dict[str, float]], checkpoint: Checkpoint) -> None:
    """Keep a finished run at a place, whole or not at all."""
    if (place / _POINTS).is_file():
        return
    place.mkdir(parents=True, exist_ok=True)
    checkpoint.to_directory(str(place / _CHECKPOINT))
    for state in ("optimizer.pt", "progress.json"):  # nobody goes on from here
        (place / _CHECKPOINT / state).unlink(missing_ok=True)
    written = place / f"{_POINTS}.part"
    written.write_text(json.dumps(points))
    written.replace(place / _POINTS)


def kept(place: Path) -> bool:
    """Whether a finished run is kept at a place."""
    return (place / _POINTS).is_file()


def model_of(place: Path) -> Checkpoint:
    """The model of a finished run."""
    return Checkpoint.from_directory(str(place / _CHECKPOINT))


def retell(place: Path) -> None:
    """Within a trial: report every point of a finished run. Its model stays where it is."""
    points = json.loads((place / _POINTS).read_text())
    for number, point in _left(points):
        with TemporaryDirectory() as folder:
            Path(folder, _TOLD).write_text(json.dumps(number))
            tune.report({**point, "reused": True}, checkpoint=tune.Checkpoint.from_directory(folder))


def _left(points: list[dict[str, float]]) -> Iterator[tuple[int, dict[str, float]]]:
    """The points, numbered from 1, that this trial has not told before it was paused."""
    told, checkpoint = 0, tune.get_checkpoint()
    if checkpoint is not None:
        with checkpoint.as_directory() as folder:
            told = json.loads(Path(folder, _TOLD).read_text())
    yield from list(enumerate(points, start=1))[told:]
