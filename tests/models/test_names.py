"""Names of models."""

import subprocess
import sys
from pathlib import Path

import pytest

from raysel import models, zoo
from raysel.errors import OptionError, UnknownNameError


@pytest.mark.parametrize(
    ("name", "error", "says"),
    [
        ("resnet18", UnknownNameError, "zoo/"),
        ("", UnknownNameError, "no model is named ''"),
        ("zoo/latin-resnett", UnknownNameError, "did you mean zoo/latin-resnet"),
        ("file:/nowhere", OptionError, "config.json"),
        ("file:", OptionError, "config.json"),
    ],
)
def test_a_name_that_stands_for_nothing(name: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        models.checkpoint_of(name)


@pytest.mark.parametrize("outputs", [0, -1])
def test_a_head_without_outputs(outputs: int) -> None:
    with pytest.raises(OptionError, match="outputs"):
        models.load(zoo.models()[0], outputs=outputs)


def test_a_prefix_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raysel.models.names._FAMILIES", {})
    models.register("team/", lambda rest: zoo.checkpoint_path(f"zoo/{rest}"))
    assert models.load("team/latin-vit").name == "team/latin-vit"
    with pytest.raises(UnknownNameError):
        models.checkpoint_of("zoo/latin-vit")


@pytest.mark.parametrize("prefix", ["", "/", "team"])
def test_a_prefix_that_ends_nowhere(prefix: str) -> None:
    with pytest.raises(OptionError, match="prefix"):
        models.register(prefix, Path)


def test_the_revision_follows_the_checkpoint(tmp_path: Path) -> None:
    name = "zoo/latin-vit"
    models.load(name).save(tmp_path)
    first = models.revision(f"file:{tmp_path}")
    assert first == models.revision(f"file:{tmp_path}")
    models.load(name, outputs=3, seed=1).save(tmp_path)
    assert models.revision(f"file:{tmp_path}") != first


def _imported_by(program: str) -> set[str]:
    watched = "torch", "ray", "timm", "torchvision", "transformers"
    shown = f"{program}; import sys; print(*(name for name in {watched} if name in sys.modules))"
    finished = subprocess.run([sys.executable, "-W", "ignore", "-c", shown], capture_output=True, check=True, text=True)
    return set(finished.stdout.split())


def test_importing_brings_in_no_library() -> None:
    assert not _imported_by("import raysel.models, raysel.finetune, raysel.zoo; raysel.zoo.models()")


@pytest.mark.parametrize(
    ("name", "library", "others"),
    [
        ("zoo/latin-vit", "timm", {"transformers", "ray"}),
        ("zoo/latin-shufflenet", "torchvision", {"timm", "transformers", "ray"}),
    ],
)
def test_loading_brings_in_the_one_library(name: str, library: str, others: set[str]) -> None:
    imported = _imported_by(f"from raysel.models import load; load('{name}')")
    assert library in imported
    assert not imported & others
