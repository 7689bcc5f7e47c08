"""The trainable as Tune sees it."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from raysel import zoo
from raysel.errors import UnknownNameError
from raysel.finetune import Data, trainable
from raysel.models import revision
from raysel.zoo.tasks import load_task


@pytest.fixture(scope="module")
def data() -> Data:
    return load_task("tint", train=40, val=30, test=30)


class StandIn:
    """Tune's side of a function trainable: keeps reports and their checkpoints, and can cut a trial short."""

    def __init__(self, folder: Path, checkpoint: tune.Checkpoint | None = None, until: int | None = None) -> None:
        self.folder, self.checkpoint, self.until = folder, checkpoint, until
        self.reports: list[dict[str, Any]] = []

    def report(self, metrics: dict[str, Any], *, checkpoint: tune.Checkpoint) -> None:
        if self.until is not None and len(self.reports) == self.until:
            raise InterruptedError
        self.reports.append(metrics)
        kept = self.folder / str(len(self.reports))
        with checkpoint.as_directory() as folder:
            shutil.copytree(folder, kept)
        self.checkpoint = tune.Checkpoint.from_directory(str(kept))


def _run(stand_in: StandIn, data: Data, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    monkeypatch.setattr(tune, "report", stand_in.report)
    monkeypatch.setattr(tune, "get_checkpoint", lambda: stand_in.checkpoint)
    config = {"model": zoo.models()[0], "epochs": 2, "points_per_epoch": 2, "batch_size": 10}
    try:
        trainable(config, data=data)
    except InterruptedError:
        return stand_in.reports
    return stand_in.reports


def test_a_paused_trial_goes_on_from_its_checkpoint(
    data: Data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _run(StandIn(tmp_path / "whole"), data, monkeypatch)
    paused = StandIn(tmp_path / "paused", until=2)
    before = _run(paused, data, monkeypatch)
    after = _run(StandIn(tmp_path / "resumed", paused.checkpoint), data, monkeypatch)
    assert [report["step"] for report in before + after] == [1, 2, 3, 4]
    assert [report["accuracy"] for report in before + after] == [report["accuracy"] for report in whole]
    assert ["test_accuracy" in report for report in before + after] == [False, False, False, True]
    # Who goes on from a checkpoint may not have the model that it began with.
    known = revision(zoo.models()[0])
    assert [report.get("revision") for report in before + after] == [known, known, None, None]


def test_an_unknown_key_is_named(data: Data) -> None:
    with pytest.raises(UnknownNameError, match="epoch"):
        trainable({"model": zoo.models()[0], "epoch": 3}, data=data)
