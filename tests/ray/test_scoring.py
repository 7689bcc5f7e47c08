"""Proxy scores on the target by Ray tasks: whatever happens to a model, the selection goes on."""

import os
import re
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raysel import History, Target
from raysel.models import load
from raysel.tune.scoring import ProxyScoring
from tests.models.conftest import ENCODER, TextFamily
from tests.ray.test_searcher import Seen, samples

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]


OPTIONS: dict[str, Any] = {
    "proxies": ("logme",),
    "extract": None,
    "resources": {},
    "max_samples": 100,
    "timeout": 60.0,
    "seed": 0,
}


def scored(history: History, models: list[str], **options: Any) -> ProxyScoring:
    target = options.pop("target", Target("t", samples=samples))
    scoring = ProxyScoring(history, target=target, models=models, **{**OPTIONS, **options})
    ends = time.monotonic() + 120
    while not scoring.poll():
        assert time.monotonic() < ends
        time.sleep(0.05)
    return scoring


def misbehaving(model: str, inputs: np.ndarray) -> Seen:
    if model == "broken":
        raise ValueError("weights do not fit")
    if model == "large":
        raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
    if model == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if model == "hangs":
        time.sleep(600)
    if model == "infinite":
        return Seen(features=np.full(inputs.shape, np.inf), probabilities=None)
    return Seen(features=inputs, probabilities=None)


@pytest.mark.parametrize(
    ("timeout", "reasons"),
    [
        (
            60.0,
            {
                "broken": "cannot be scored: .*weights do not fit",
                "large": "cannot be scored: .*out of memory.*",
                "killed": "cannot be scored: its process died",
                "infinite": "no logme: `features` is '?not finite.*",
            },
        ),
        (2.0, {"hangs": "cannot be scored: its process died, or took longer than 2 s"}),
    ],
)
def test_failures_are_told_and_end_nothing(tmp_path: Path, timeout: float, reasons: dict[str, str]) -> None:
    history = History.create(str(tmp_path / "history"))
    found = scored(history, [*reasons, "sound"], extract=misbehaving, timeout=timeout)
    assert set(found.scores()["logme"]) == set(history.proxies()["model"]) == {"sound"}
    assert set(found.failures) == set(reasons)
    for model, says in reasons.items():
        assert re.fullmatch(says, found.failures[model]), found.failures[model]


def pixels(model: str, inputs: np.ndarray) -> Seen:
    return Seen(features=inputs.reshape(len(inputs), -1).astype(float), probabilities=None)


@pytest.mark.slow
def test_what_a_model_cannot_have_is_told_in_full_and_not_asked_for_again(tmp_path: Path) -> None:
    history = History.create(str(tmp_path / "history"))

    def images() -> tuple[np.ndarray, np.ndarray]:
        return np.random.default_rng(0).integers(0, 256, (20, 1, 16, 16), dtype=np.uint8), np.arange(20) % 2

    wanted = {"target": Target("t", samples=images), "proxies": ("logme@layers", "logme", "knn@layers")}
    why = "; ".join(f"no {proxy}: the model gives no layers" for proxy in ("logme@layers", "knn@layers"))
    first = scored(history, ["zoo/latin-vit"], **wanted)
    assert first.unscored() == {"zoo/latin-vit": why}
    assert len(history.refusals()) == 2
    # A task that is given no time comes to nothing.
    again = scored(history, ["zoo/latin-vit"], timeout=0.001, **wanted)
    assert (again.scores(), again.unscored()) == (first.scores(), first.unscored())
    # An extract of one's own may give more, and what it saw is nobody else's.
    own = scored(history, ["zoo/latin-vit"], extract=pixels, **{**wanted, "proxies": ("logme", "leep")})
    assert own.scores()["logme"] != first.scores()["logme"]
    assert own.unscored() == {"zoo/latin-vit": "no leep: the model gives no probabilities"}
    assert len(history.refusals()) == 2


@pytest.mark.slow
def test_scores_are_filed_while_others_are_pending(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raysel.tune.scoring._KEPT_AFTER", 0.0)
    history, gate = History.create(str(tmp_path / "history")), tmp_path / "gate"

    def extract(model: str, inputs: np.ndarray) -> Seen:
        while model == "slow" and not gate.exists():
            time.sleep(0.05)
        return Seen(features=inputs, probabilities=None)

    scoring = ProxyScoring(
        history,
        target=Target("t", samples=samples),
        models=["quick", "slow"],
        **{**OPTIONS, "resources": {"cpu": 0.5}, "extract": extract},
    )
    ends = time.monotonic() + 120
    while history.proxies().empty:
        assert not scoring.poll()
        assert time.monotonic() < ends
        time.sleep(0.05)
    assert history.proxies()["model"].tolist() == ["quick"]
    gate.touch()
    while not scoring.poll():
        time.sleep(0.05)
    assert set(history.proxies()["model"]) == {"quick", "slow"}


def pairs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    texts = np.array(["".join(rng.choice(list("abcdefgh"), 6)) for _ in range(60)]).reshape(30, 2)
    return texts, np.arange(30) % 2


def test_texts_are_scored_on_either_features_and_a_new_checkpoint_anew(tmp_path: Path) -> None:
    history = History.create(str(tmp_path / "history"))
    TextFamily("bert", {**ENCODER, "pad_token_id": 0}).make(tmp_path / "m")
    name = f"file:{tmp_path / 'm'}"
    wanted = {"target": Target("t", samples=pairs), "proxies": ("logme", "logme@layers", "leep")}
    first = scored(history, [name], **wanted).scores()
    assert set(first) == {"logme", "logme@layers", "leep"}
    assert first["logme"][name] != first["logme@layers"][name]
    kept = len(history.parts())
    assert scored(history, [name], **wanted, timeout=0.001).scores() == first, "nothing is computed"
    assert len(history.parts()) == kept
    load(name, outputs=4, seed=1).save(tmp_path / "m")
    again = scored(history, [name], **wanted).scores()
    assert again["leep"] != first["leep"], "the folder was written over"
    assert again["logme"] == pytest.approx(first["logme"])
