"""What a model sees of a text, and how models of texts are told from those of images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raysel import zoo
from raysel.errors import OptionError
from raysel.models import TextTransform, create, load
from tests.models.conftest import LIBRARIES, TextFamily

BERT = next(library for library in LIBRARIES if isinstance(library, TextFamily))


@pytest.fixture
def transform(tmp_path: Path) -> TextTransform:
    BERT.make(tmp_path / "m")
    found = load(f"file:{tmp_path / 'm'}").transform
    assert isinstance(found, TextTransform)
    return found


def test_texts_are_padded_to_the_longest(transform: TextTransform) -> None:
    tensors = transform(np.array(["ab", "a"])).tensors
    assert tensors["input_ids"].tolist() == [[1, 3, 4, 2], [1, 3, 2, 0]]
    assert tensors["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]


def test_texts_are_cut_to_what_the_model_takes(transform: TextTransform) -> None:
    assert transform.max_length == 32  # of 34 positions, since the tokenizer does not say
    assert transform(np.array(["abc" * 100])).tensors["input_ids"].shape == (1, 32)


def test_pairs_are_read_one_after_the_other(transform: TextTransform) -> None:
    tensors = transform(np.array([["ab", "a"], ["b", "b"]])).tensors
    assert tensors["input_ids"].tolist() == [[3, 4, 3], [4, 4, 0]]  # this tokenizer parts them by type alone


@pytest.mark.parametrize(
    "inputs",
    [np.zeros((2, 3, 4, 4), np.uint8), np.arange(3), np.array(["a", None], object), np.array([["a", "b", "c"]])],
)
def test_inputs_that_are_no_texts(transform: TextTransform, inputs: np.ndarray) -> None:
    with pytest.raises(OptionError, match=r"`inputs` is .* of shape"):
        transform(inputs)


def test_images_are_not_for_models_of_texts() -> None:
    with pytest.raises(OptionError, match="texts"):
        load(zoo.models("texts")[0]).predict(np.zeros((1, 3, 16, 16), np.uint8))
    with pytest.raises(OptionError, match="images"):
        load(zoo.models("images")[0]).predict(np.array(["text"]))


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "resnet"}, "TransformersImages"),
        ({"model_type": "bert"}, "TransformersTexts"),
        ({"model_type": "perceiver", "architectures": ["PerceiverForSequenceClassification"]}, "TransformersTexts"),
        (
            {"model_type": "perceiver", "architectures": ["PerceiverForImageClassificationLearned"]},
            "TransformersImages",
        ),
    ],
)
def test_what_a_configuration_is_of(config: dict[str, Any], kind: str) -> None:
    from raysel.models.transformers_adapter import TransformersAdapter

    assert type(TransformersAdapter.of(config)).__name__ == kind


def test_a_configuration_of_neither() -> None:
    with pytest.raises(OptionError, match="`model_type` is 'whisper'"):
        create({"model_type": "whisper"}, seed=0)


def test_a_model_of_texts_needs_a_tokenizer(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="transform"):
        create({"model_type": "bert", **BERT.arguments}, seed=0)
    BERT.make(tmp_path / "m")
    for file in (tmp_path / "m").glob("tokenizer*"):
        file.unlink()
    with pytest.raises(OptionError, match="tokenizer"):
        load(f"file:{tmp_path / 'm'}")
