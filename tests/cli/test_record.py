"""`raysel history record`: real runs on Ray, and what it refuses before it starts any."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from PIL import Image

from raysel import History
from tests.cli.conftest import Run

MODELS = ("zoo/latin-resnet", "zoo/scratch-vit")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A temporary folder with a short path, since Ray keeps sockets under it."""
    with TemporaryDirectory(dir="/tmp", prefix="r") as name:
        yield Path(name)


def shades(folder: Path) -> Path:
    """Dark and light images, a folder each."""
    rng = np.random.default_rng(0)
    for name, level in (("dark", 60), ("light", 180)):
        (folder / "shades" / name).mkdir(parents=True)
        for number in range(20):
            pixels = np.clip(rng.normal(level, 30, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / "shades" / name / f"{number}.png")
    return folder / "shades"


def raysel(folder: Path, *args: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "raysel", *args],
        cwd=folder,
        env={**inherited, "TMPDIR": str(folder), "PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.ray
@pytest.mark.slow
def test_a_plan_is_recorded_and_repeated_only_where_it_is_due(folder: Path) -> None:
    place = shades(folder)
    history = History.create(folder / "history")
    plan = {"runs": [{"model": MODELS[0], "dataset": "tones"}, {"model": MODELS[0], "dataset": "elsewhere"}]}
    (folder / "plan.json").write_text(json.dumps(plan))
    options = ("--data", f"tones={place}", "--epochs", "2", "--batch-size", "8", "--json")

    done = raysel(folder, "history", "record", "history", "plan.json", *options)
    assert json.loads(done.stdout) == {"recorded": 1, "there": 0, "failed": [], "left_out": 1}
    assert "elsewhere" in done.stderr
    first = history.observations()
    assert set(first["step"]) == {1.0, 2.0}
    assert set(first["split"]) == {"val", "test"}
    assert (first["seconds"] > 0).all()
    assert history.matrix().models == MODELS[:1]

    both = [part for model in (*MODELS, "zoo/topics-bert") for part in ("--models", model)]
    done = raysel(folder, "history", "record", "history", *both, *options)
    answer = json.loads(done.stdout)
    assert (answer["recorded"], answer["there"]) == (1, 1)
    assert [entry["model"] for entry in answer["failed"]] == ["zoo/topics-bert"]  # it takes texts
    assert history.matrix().models == MODELS
    assert set(history.runs()["status"]) == {"completed"}
    again = history.observations()
    assert again[again["run_id"].isin(first["run_id"])].reset_index(drop=True).equals(first)
    assert not list(folder.glob("raysel-out/ray/**/*.safetensors"))  # only curves are wanted


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--data", "x=photos"), "`models` is None"),
        (("plan.json", "--models", "zoo/latin-vit", "--data", "x=photos"), "`models` is 'zoo/latin-vit'"),
        (("matrix.csv", "--data", "x=photos"), "`plan` is 'matrix.csv'"),
        (("--models", "zoo/latin-vit", "--data", "photos"), "'photos' is not NAME=PATH"),
        (("--models", "zoo/latin-vit", "--data", "x=photos"), "`data` is 'photos'"),
        (("--models", "zoo/latin-vti", "--data", "x=photos"), "did you mean zoo/latin-vit"),
    ],
)
def test_bad_input(run: Run, history: str, options: tuple[str, ...], message: str) -> None:
    Path("plan.json").write_text('{"runs": []}')
    result = run("history", "record", history, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert "Traceback" not in result.stderr
