"""`raysel select` for real: data on a disk, checkpoints in the formats of their libraries, Ray, training."""

import ast
import json
import os
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import get_data_path
from PIL import Image, ImageDraw, ImageFont

from raysel import History
from raysel.models import load
from tests.cli.conftest import Run
from tests.models.conftest import LIBRARIES, TextFamily

pytestmark = pytest.mark.ray

LETTERS = "AOX"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A temporary folder with a short path, since Ray keeps sockets under it."""
    with TemporaryDirectory(dir="/tmp", prefix="s") as name:
        yield Path(name)


@pytest.fixture(scope="module")
def letters(folder: Path) -> Path:
    """Images of three letters in many fonts, a folder a letter."""
    fonts = sorted(Path(get_data_path(), "fonts", "ttf").glob("DejaVu*.ttf"))
    rng = np.random.default_rng(0)
    for letter in LETTERS:
        (folder / "letters" / letter).mkdir(parents=True)
        for number in range(40):
            font = ImageFont.truetype(fonts[number % len(fonts)], int(rng.integers(14, 20)))
            image = Image.new("RGB", (24, 20), tuple(rng.integers(0, 90, 3)))
            ImageDraw.Draw(image).text((6, 1), letter, (255, 255, 255), font)
            image.rotate(int(rng.integers(-12, 12))).save(folder / "letters" / letter / f"{number}.png")
    return folder / "letters"


@pytest.fixture(scope="module")
def docstrings(folder: Path) -> Path:
    """Which package of the standard library a docstring belongs to."""
    rows = []
    for package in ("asyncio", "email", "unittest"):
        found = []
        for file in sorted((Path(sysconfig.get_path("stdlib")) / package).glob("*.py")):
            nodes = [n for n in ast.walk(ast.parse(file.read_text())) if isinstance(n, ast.ClassDef | ast.FunctionDef)]
            found += [text for node in nodes if (text := ast.get_docstring(node))]
        rows += [{"text": text[:120], "label": package} for text in found[:60]]
    pd.DataFrame(rows).to_csv(folder / "docstrings.csv", index=False)
    return folder / "docstrings.csv"


def raysel(folder: Path, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TUNE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "raysel", *args],
        cwd=folder,
        env={**inherited, "TMPDIR": str(folder), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=550,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    return done


def test_an_image_folder(folder: Path, letters: Path) -> None:
    made = [library for library in LIBRARIES if not isinstance(library, TextFamily)]
    for library in made:
        library.make(folder / library.name)
    names = [f"file:{folder / library.name}" for library in made]
    options = ["--lr", "0.003", "--batch-size", "8", "--epochs", "3", "--json", "--top-k", "4"]
    candidates = [
        arg for name in [*names, "zoo/latin-vit", "file:/nowhere", "zoo/topics-bert"] for arg in ("--models", name)
    ]

    done = raysel(folder, "select", str(letters), *candidates, *options)
    plain = json.loads(done.stdout)
    assert set(plain["left_out"]) == {"file:/nowhere", "zoo/topics-bert"}
    assert "day one" in done.stderr
    assert plain["selected"] == "zoo/latin-vit", "the only one that is pre-trained"
    assert plain["test_score"] > 0.6
    assert {trial["model"] for trial in plain["trials"]} == {*names, "zoo/latin-vit"}
    card = (folder / "raysel-out" / "model" / "README.md").read_text()
    assert "A, O, X" in card
    assert all(trial["reason"] in card for trial in plain["trials"])
    stopped = [trial for trial in plain["trials"] if trial["stopped_at"] is not None]
    assert stopped
    left = list((folder / "raysel-out" / "ray").rglob("model.safetensors"))
    assert len(left) == len(plain["trials"]) - len(stopped), "of stopped trials no checkpoint is left"
    runs = History(folder / "raysel-history").runs()
    assert len(runs) == len(plain["trials"])

    # The library alone reads the answer, and it says what raysel says.
    import timm

    module = timm.create_model(f"local-dir:{folder / 'raysel-out' / 'model'}", pretrained=True).eval()
    bundle = load(f"file:{folder / 'raysel-out' / 'model'}")
    image = bundle.transform(np.zeros((1, 3, 20, 24), np.uint8))
    with torch.no_grad():
        assert torch.allclose(module(image), bundle.module.eval()(image))
    assert json.loads((folder / "raysel-out" / "model" / "config.json").read_text())["label_names"] == ["A", "O", "X"]

    again = json.loads(raysel(folder, "select", str(letters), *candidates, *options).stdout)
    assert again["selected"] == plain["selected"]
    told = [trial for trial in again["trials"] if "told again" in trial["reason"]]
    assert [trial["model"] for trial in told] == [plain["selected"]]
    assert again["steps"] == plain["steps"] - 3
    assert len(History(folder / "raysel-history").runs()) == 2 * len(runs) - 1


@pytest.mark.slow
def test_a_table_of_texts(folder: Path, docstrings: Path) -> None:
    out = folder / "texts"
    arguments = [
        "--models",
        "zoo/*-bert",
        "--out",
        str(out),
        "--history",
        str(out / "history"),
        "--json",
        "--top-k",
        "2",
    ]
    planned = json.loads(raysel(folder, "select", str(docstrings), *arguments, "--epochs", "2", "--dry-run").stdout)
    assert not (out / "ray").exists()
    assert len(planned["shortlist"]) == 2
    assert 0 < planned["seconds"]["least"] <= planned["seconds"]["likely"] <= planned["seconds"]["most"]

    done = raysel(
        folder, "select", str(docstrings), *arguments, "--epochs", "2", "--lr", "0.002", "--metric", "macro_f1"
    )
    plain = json.loads(done.stdout)
    assert [entry["model"] for entry in plain["shortlist"]] == [entry["model"] for entry in planned["shortlist"]]
    assert plain["metric"] == "macro_f1"
    assert plain["test_score"] > 1 / 3
    assert plain["other_metrics"].keys() == {"accuracy", "test_accuracy"}
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model = AutoModelForSequenceClassification.from_pretrained(out / "model")
    tokenizer = AutoTokenizer.from_pretrained(out / "model")
    assert model.config.id2label == {0: "asyncio", 1: "email", 2: "unittest"}
    assert model(**tokenizer("Send a message.", return_tensors="pt")).logits.shape == (1, 3)


LONG = ["--models", "zoo/latin-*", "--lr", "0.002", "--batch-size", "8", "--top-k", "3", "--epochs", "40", "--json"]


@pytest.mark.slow
def test_a_budget_is_kept(folder: Path, letters: Path) -> None:
    out = ["--out", "budget", "--history", "budget-history"]
    # Long enough for processes to start; then a trial takes a fraction of a second for an epoch.
    done = raysel(folder, "select", str(letters), *LONG, *out, "--epochs", "1000", "--budget", "75s")
    plain = json.loads(done.stdout)
    assert plain["over_budget"]
    assert "is spent: the best so far is selected" in done.stderr
    assert 0 < plain["steps"] < 3 * 1000
    assert plain["seconds"] < 75 + 60
    assert plain["test_score"] > 1 / 3
    assert load(f"file:{plain['path']}").outputs == len(LETTERS)


@pytest.mark.slow
def test_no_more_is_stored_than_is_said_beforehand(folder: Path, letters: Path) -> None:
    arguments = ["select", str(letters), *LONG, "--epochs", "4", "--out", "stored", "--history", "stored-history"]
    said = json.loads(raysel(folder, *arguments, "--dry-run").stdout)["storage_bytes"]
    out = folder / "stored"
    with sampled(out) as sizes:
        raysel(folder, *arguments)
    assert said / 5 < max(sizes) <= said
    assert checkpoints(out) < max(sizes), "what is left is less"


def checkpoints(out: Path) -> int:
    """Bytes of all checkpoints, models and kept runs; what Tune writes of its own is left out."""
    found = 0
    for file in out.rglob("*"):
        if {"model", "finished"} & set(file.parts) or "checkpoint_" in str(file):
            with suppress(FileNotFoundError):  # deleted meanwhile
                found += file.stat().st_size if file.is_file() else 0
    return found


@contextmanager
def sampled(out: Path) -> Iterator[list[int]]:
    """Sizes of the checkpoints under a folder, some fifty a second, while the block runs."""
    sizes, ended = [0], threading.Event()

    def sample() -> None:
        while not ended.wait(0.02):
            with suppress(FileNotFoundError):  # a folder was deleted under us
                sizes.append(checkpoints(out))

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield sizes
    finally:
        ended.set()
        thread.join()
    sizes.append(checkpoints(out))


@pytest.mark.slow
def test_a_killed_selection_goes_on(folder: Path, letters: Path) -> None:
    out = ["--out", "killed", "--history", "killed-history"]
    command = [sys.executable, "-m", "raysel", "select", str(letters), *LONG, *out]
    with subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as process:
        assert process.stderr is not None
        run = None
        for line in process.stderr:
            run = line.split("`--resume ")[1].split("`")[0] if "`--resume " in line else run
            if "at epoch 6 of 40" in line:
                process.kill()
                break
        process.stderr.read()
    assert run is not None
    plain = json.loads(raysel(folder, "select", str(letters), *LONG, *out, "--resume", run).stdout)
    assert max(len(trial["curve"]) for trial in plain["trials"]) == 40
    observations = History(folder / "killed-history").observations()
    validated = observations[(observations["split"] == "val") & (observations["metric"] == plain["metric"])]
    assert not validated.duplicated(["run_id", "step"]).any()
    assert len(validated) == plain["steps"], "every point is on record once"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["nowhere", "--models", "zoo/latin-vit"], "`data` is 'nowhere'"),
        (["DATA", "--models", "zoo/latin-vitt"], "did you mean zoo/latin-vit"),
        (["DATA", "--models", "file:/nowhere"], "`models` is 'file:/nowhere'"),
        (["DATA", "--models", "file:/nowhere", "--strict"], "config.json"),
        (["DATA", "--models", "zoo/*-bert", "--budget", "much"], "`budget` is 'much'"),
        (["DATA", "--models", "zoo/*-bert", "--max-parameters", "few"], "`max_parameters` is 'few'"),
        (["DATA", "--models", "zoo/*-bert", "--max-parameters", "1K"], "at least one model"),
        (["DATA", "--models", "zoo/*-bert", "--licence", "mit"], "at least one model"),
        (["DATA", "--models", "zoo/*-bert", "--lr", "-1"], "`lr` is -1.0"),
        (["DATA", "--models", "zoo/*-bert", "--metric", "rmse"], "`metric` is 'rmse'"),
    ],
)
def test_bad_input_is_one_line(run: Run, docstrings: Path, arguments: list[str], says: str) -> None:
    given = [str(docstrings) if argument == "DATA" else argument for argument in arguments]
    done = run("select", *given)
    assert done.exit_code == 2
    assert says in done.stderr.splitlines()[-1]
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("kept", "says"),
    [([], "`history` is 'raysel-history'"), (["--history", "s3://b/h"], "`out` is 'raysel-out'")],
)
def test_a_job_keeps_nothing_where_ray_deletes_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: list[str], says: str
) -> None:
    unpacked = tmp_path / "working_dir_files" / "_ray_pkg_0"
    unpacked.mkdir(parents=True)
    monkeypatch.chdir(unpacked)
    done = run("select", "nowhere", "--models", "zoo/latin-vit", *kept)
    assert done.exit_code == 2
    assert says in done.stderr
    away = ["--out", str(tmp_path / "out"), "--history", "../../history"]
    assert "`data` is 'nowhere'" in run("select", "nowhere", "--models", "zoo/latin-vit", *away).stderr
