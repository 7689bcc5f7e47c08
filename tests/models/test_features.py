"""What proxies are given: one pass, whatever the memory allows, of any kind of inputs."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysel.models import ImageFiles, extract, load
from tests.models.conftest import ENCODER, LIBRARIES, Library, TextFamily

TEXTS = [library for library in LIBRARIES if isinstance(library, TextFamily)]
BART = TextFamily(
    "bart",
    {
        "d_model": 8,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 12,
        "decoder_ffn_dim": 12,
        "max_position_embeddings": 34,
        "pad_token_id": 0,
        "eos_token_id": 2,
    },
)


class Small:
    """Fails as a device does whose memory holds `room` inputs; counts what it was given."""

    def __init__(self, bundle: Any, room: int, error: Exception) -> None:
        self.given: list[int] = []

        def check(module: Any, entering: Any) -> None:
            self.given.append(len(entering[0]))
            if self.given[-1] > room:
                raise error

        bundle.head.register_forward_pre_hook(check)


@pytest.mark.parametrize(
    ("room", "batch_size", "given"),
    [
        (9, 256, [9]),
        (4, 256, [9, 4, 4, 1]),
        (3, 256, [9, 4, 2, 2, 2, 2, 1]),
        (1, 4, [4, 2, *[1] * 9]),
    ],
)
@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA"), RuntimeError("HIP out of memory. Tried to"), MemoryError()]
)
def test_a_batch_that_does_not_fit_is_halved(
    room: int, batch_size: int, given: list[int], error: Exception, tmp_path: Path
) -> None:
    library = LIBRARIES[0]
    library.make(tmp_path / "m")
    bundle = load(f"file:{tmp_path / 'm'}")
    whole = bundle.features(library.inputs)
    small = Small(bundle, room, error)
    parts = bundle.features(library.inputs, batch_size=batch_size)
    assert small.given == given
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("room", "error", "given"),
    [(0, torch.OutOfMemoryError("CUDA"), [9, 4, 2, 1]), (8, RuntimeError("shapes differ"), [9])],
)
def test_what_halving_does_not_help(room: int, error: Exception, given: list[int], tmp_path: Path) -> None:
    LIBRARIES[0].make(tmp_path / "m")
    bundle = load(f"file:{tmp_path / 'm'}")
    small = Small(bundle, room, error)
    with pytest.raises(type(error), match=str(error)):
        bundle.features(LIBRARIES[0].inputs)
    assert small.given == given


def _averaged(module: Any, family: TextFamily) -> np.ndarray:
    """Over the hidden layers and the tokens of each text by itself, without padding."""
    rows = []
    for text in family.inputs:
        ids = [3 + "abcdefgh ".index(character) for character in text]
        framed = [1, *ids, 2] if family.special else ids
        with torch.no_grad():
            answer = module.eval()(input_ids=torch.tensor([framed]), output_hidden_states=True)
        states = answer.encoder_hidden_states if family.family == "bart" else answer.hidden_states
        assert len(states) == 3  # what enters the first layer, and what leaves each of two
        rows.append(torch.cat(states[1:]).mean((0, 1)).numpy())
    return np.stack(rows)


@pytest.mark.parametrize("family", [*TEXTS, BART], ids=lambda family: family.family)
def test_texts_are_averaged_over_tokens_and_layers(family: TextFamily, tmp_path: Path) -> None:
    module = family.make(tmp_path / "m")
    for batch_size in (256, 4):
        found = extract(f"file:{tmp_path / 'm'}", family.inputs, batch_size=batch_size)
        np.testing.assert_allclose(found.layers, _averaged(module, family), atol=1e-5)


def test_images_have_no_such_average(tmp_path: Path) -> None:
    for number, library in enumerate(LIBRARIES[:3]):
        library.make(tmp_path / str(number))
        assert extract(f"file:{tmp_path / str(number)}", library.inputs).layers is None


def test_pairs_of_texts(tmp_path: Path) -> None:
    family = TextFamily("bert", {**ENCODER, "pad_token_id": 0})
    family.make(tmp_path / "m")
    name, pairs = f"file:{tmp_path / 'm'}", np.stack([family.inputs, family.inputs[::-1]], axis=1)
    found, alone = extract(name, pairs), extract(name, family.inputs)
    assert found.features.shape == alone.features.shape == (9, 8)
    assert found.layers is not None
    assert found.layers.shape == (9, 8)
    assert np.abs(found.features - alone.features).max() > 1e-4


def test_files_of_images(tmp_path: Path) -> None:
    from PIL import Image

    library = LIBRARIES[0]
    assert isinstance(library, Library)
    library.make(tmp_path / "m")
    paths = [tmp_path / f"{number}.png" for number in range(len(library.inputs))]
    for path, pixels in zip(paths, library.inputs, strict=True):
        Image.fromarray(pixels.transpose(1, 2, 0)).save(path)
    name = f"file:{tmp_path / 'm'}"
    found = extract(name, ImageFiles(np.array([str(path) for path in paths])), batch_size=4)
    np.testing.assert_allclose(found.features, extract(name, library.inputs).features, atol=1e-5)
