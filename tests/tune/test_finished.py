"""Finished runs, kept for the next selection."""

import json
from pathlib import Path

from ray import tune

from raysel.tune.finished import keep, kept, key_of, model_of

CONFIG = {"model": "zoo/a", "lr": 0.1, "seed": 0}


def test_what_differs_is_another_run() -> None:
    same = {"fingerprint": "f", "metric": "accuracy", "revision": "r"}
    keys = {
        key_of(CONFIG, **same),
        key_of({**CONFIG, "lr": 0.2}, **same),
        key_of({**CONFIG, "model": "zoo/b"}, **same),
        *(key_of(CONFIG, **{**same, name: "other"}) for name in same),
    }
    assert len(keys) == 6
    assert key_of(dict(reversed(CONFIG.items())), **same) in keys


def test_the_model_is_kept_without_the_state_of_training(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    for file in ("model.safetensors", "config.json", "optimizer.pt", "progress.json"):
        (tmp_path / "run" / file).write_text("x")
    place = tmp_path / "finished" / "key"
    assert not kept(place)
    keep(place, [{"accuracy": 0.5, "epoch": 1.0}], tune.Checkpoint.from_directory(tmp_path / "run"))
    assert kept(place)
    with model_of(place).as_directory() as folder:
        assert {file.name for file in Path(folder).iterdir()} == {"model.safetensors", "config.json"}
    keep(place, [], tune.Checkpoint.from_directory(tmp_path / "run"))
    assert json.loads((place / "points.json").read_text()) == [{"accuracy": 0.5, "epoch": 1.0}], "the first one stays"
