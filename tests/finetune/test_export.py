"""The selected model, for others to use."""

import json
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
import transformers

from raysel import models, zoo
from raysel.finetune import Data, FineTuning, Recipe, Split
from raysel.finetune.export import export


def trained(data: Data, model: str, folder: Path) -> FineTuning:
    run = FineTuning.start(model, data, Recipe(epochs=1, batch_size=32))
    list(run.points())
    run.save(folder)
    return run


def same_weights(told: str, folder: Path) -> None:
    """The code that is told loads what was written, without raysel where the library has a format."""
    code = told.split("`")[1]
    assert not code.startswith("raysel")
    found = eval(code.replace("FOLDER", str(folder)), {"timm": timm, "transformers": transformers})  # noqa: S307
    expected = models.load(f"file:{folder}").module.state_dict()
    assert found.state_dict().keys() == expected.keys()
    assert all(torch.equal(tensor, expected[name]) for name, tensor in found.state_dict().items())


@pytest.mark.parametrize("model", ["zoo/latin-vit", "zoo/latin-resnet"])
def test_a_regression_answers_in_the_unit_of_the_labels(model: str, tmp_path: Path) -> None:
    inputs = zoo.load_task("digits").train.inputs[:64]
    split = Split(inputs, 1000 + 50 * np.random.default_rng(0).standard_normal(64))
    data = Data(name="toy", task="regression", train=split, val=split, test=split)
    run = trained(data, model, tmp_path / "run")
    last = run.bundle.predict(inputs)[:, 0] * split.labels.std() + split.labels.mean()
    told = export(tmp_path / "run", data, tmp_path / "out")
    assert "unit of the labels" in told
    same_weights(told, tmp_path / "out")
    assert np.allclose(models.load(f"file:{tmp_path / 'out'}").predict(inputs)[:, 0], last, rtol=1e-4)


def test_classes_are_named_in_the_words_of_the_library(tmp_path: Path) -> None:
    whole = zoo.load_task("values")
    names = tuple(f"kind {number}" for number in range(whole.classes or 0))
    split = Split(whole.train.inputs[:64], whole.train.labels[:64])
    data = Data(
        name="toy", task="classification", train=split, val=split, test=split, classes=whole.classes, class_names=names
    )
    trained(data, zoo.models("texts")[0], tmp_path / "run")
    told = export(tmp_path / "run", data, tmp_path / "out")
    assert f"{whole.classes} classes" in told
    same_weights(told, tmp_path / "out")
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert [config["id2label"][str(number)] for number in range(len(names))] == list(names)
    assert config["label2id"] == {name: number for number, name in enumerate(names)}
    assert not (tmp_path / "out" / "optimizer.pt").exists()
