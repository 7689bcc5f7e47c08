"""The selected model as others can use it: in its library's own format, answering in the data's own terms."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from raysel.finetune.data import Data
from raysel.models import load


def export(checkpoint: Path, data: Data, folder: Path) -> str:
    """Write a fine-tuned model for its own library to load.

    Class names go into its configuration (`id2label` for transformers, `label_names` for the others). A model of a
    regression was trained on labels of mean 0 and deviation 1; its head is scaled so that it answers in their unit.

    Args:
        checkpoint: A folder that fine-tuning wrote.
        data: What it was trained on.
        folder: Where to write.

    Returns:
        How to read what the model answers, and how to load it, in a sentence each.
    """
    bundle = load(f"file:{checkpoint}")
    told = f"It answers with a logit for each of {data.classes} classes."
    if data.task == "regression":
        centre, scale = float(data.train.labels.mean()), float(data.train.labels.std()) or 1.0
        head = bundle.head
        if head.bias is None:
            told = f"Its answer times {scale:.6g}, plus {centre:.6g}, is in the unit of the labels."
        else:
            with torch.no_grad():
                head.weight *= scale
                head.bias.mul_(scale).add_(centre)
            told = "It answers in the unit of the labels."
    bundle.save(folder)
    file = folder / "config.json"
    config = json.loads(file.read_text())
    if data.class_names:
        if "model_type" in config:
            config["id2label"] = {str(number): name for number, name in enumerate(data.class_names)}
            config["label2id"] = {name: number for number, name in enumerate(data.class_names)}
        else:
            config["label_names"] = list(data.class_names)
        file.write_text(json.dumps(config, indent=1) + "\n")
    return f"{told} {_loading(config)}"


def _loading(config: Mapping[str, Any]) -> str:
    if "model_type" in config:
        code = f'transformers.{config["architectures"][0]}.from_pretrained("FOLDER")'
    elif "architecture" in config:
        code = 'timm.create_model("local-dir:FOLDER", pretrained=True)'
    else:
        code = 'raysel.models.load("file:FOLDER").module'
    return f"`{code}` loads it, FOLDER being where this file lies."


def tested(folder: Path, data: Data) -> dict[str, float]:
    """Every metric of the task by name, of a model that `export` wrote, on the data's test split."""
    answers = load(f"file:{folder}").predict(data.test.inputs)
    if data.task == "classification":
        return data.scores(answers.argmax(1), data.test)
    return data.scores(answers[:, 0].astype(np.float64), data.test)
