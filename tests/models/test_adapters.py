"""What every adapter keeps to; another library joins by an entry in `LIBRARIES`."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from raysel.errors import OptionError
from raysel.models import extract, load
from tests.models.conftest import CLASSES, Library, TextFamily

Inputs = NDArray[Any]


def test_loads_what_the_library_saved(library: Library | TextFamily, tmp_path: Path, inputs: Inputs) -> None:
    module = library.make(tmp_path / "m")
    bundle = load(f"file:{tmp_path / 'm'}")
    assert bundle.adapter.library == library.name
    assert bundle.outputs == CLASSES
    assert bundle.parameters == sum(parameter.numel() for parameter in module.parameters())
    np.testing.assert_allclose(bundle.predict(inputs), library.logits(module, inputs).numpy(), atol=1e-5)


@pytest.mark.parametrize("outputs", [1, 3, CLASSES])
def test_the_library_loads_what_raysel_saved(
    library: Library | TextFamily, tmp_path: Path, inputs: Inputs, outputs: int
) -> None:
    library.make(tmp_path / "m")
    bundle = load(f"file:{tmp_path / 'm'}", outputs=outputs)
    bundle.save(tmp_path / "saved")
    alone = library.read(tmp_path / "saved")
    np.testing.assert_allclose(library.logits(alone, inputs).numpy(), bundle.predict(inputs), atol=1e-5)
    again = load(f"file:{tmp_path / 'saved'}")
    assert again.outputs == outputs
    # Where the weights lie in memory can move the last bit.
    np.testing.assert_allclose(again.predict(inputs), bundle.predict(inputs), atol=1e-7)


def test_only_the_head_is_fresh(library: Library | TextFamily, tmp_path: Path) -> None:
    library.make(tmp_path / "m")
    name = f"file:{tmp_path / 'm'}"
    old, fresh = load(name).module.state_dict(), load(name, outputs=CLASSES, seed=0).module.state_dict()
    changed = {key for key in old if not torch.equal(old[key], fresh[key])}
    head = load(name).head
    assert tuple(head.weight.shape) in {tuple(old[key].shape) for key in changed}
    assert {len(old[key]) for key in changed} == {CLASSES}
    assert len(changed) <= 2  # the bias may have been zero already


def test_the_seed_draws_the_head(library: Library | TextFamily, tmp_path: Path) -> None:
    library.make(tmp_path / "m")
    heads = [load(f"file:{tmp_path / 'm'}", outputs=3, seed=seed).head.weight for seed in (0, 0, 1)]
    assert torch.equal(heads[0], heads[1])
    assert not torch.equal(heads[0], heads[2])


def test_features_enter_the_head(library: Library | TextFamily, tmp_path: Path, inputs: Inputs) -> None:
    library.make(tmp_path / "m")
    name = f"file:{tmp_path / 'm'}"
    found, head = extract(name, inputs), load(name).head
    logits = head(torch.from_numpy(found.features))
    assert found.features.shape == (len(inputs), head.in_features)
    assert found.probabilities is not None
    np.testing.assert_allclose(found.probabilities, logits.softmax(1).detach().numpy(), atol=1e-5)


def test_features_do_not_depend_on_the_batch(library: Library | TextFamily, tmp_path: Path, inputs: Inputs) -> None:
    library.make(tmp_path / "m")
    whole, parts = (extract(f"file:{tmp_path / 'm'}", inputs, batch_size=size).features for size in (256, 4))
    np.testing.assert_allclose(whole, parts, atol=1e-5)


def test_a_regression_head_has_no_probabilities(library: Library | TextFamily, tmp_path: Path, inputs: Inputs) -> None:
    library.make(tmp_path / "m")
    load(f"file:{tmp_path / 'm'}", outputs=1).save(tmp_path / "saved")
    assert extract(f"file:{tmp_path / 'saved'}", inputs).probabilities is None


def test_half_precision_on_disk_is_single_in_memory(library: Library | TextFamily, tmp_path: Path) -> None:
    library.make(tmp_path / "m")
    bundle = load(f"file:{tmp_path / 'm'}")
    bundle.module.half()
    bundle.save(tmp_path / "half")
    assert {parameter.dtype for parameter in load(f"file:{tmp_path / 'half'}").module.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    "damage", ["cut short", "a weight missing", "of another model", "config cut", "config unknown", "config a list"]
)
def test_a_broken_checkpoint_is_refused(library: Library | TextFamily, tmp_path: Path, damage: str) -> None:
    library.make(tmp_path / "m")
    weights, config = tmp_path / "m" / "model.safetensors", tmp_path / "m" / "config.json"
    if damage == "cut short":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "a weight missing":
        tensors = load_file(weights)
        tensors.pop(min(tensors))
        save_file(tensors, weights, metadata={"format": "pt"})
    elif damage == "of another model":
        config.write_text(config.read_text().replace("24", "16").replace("[\n    8,", "[\n    4,").replace("8", "16"))
    else:
        config.write_text({"config cut": "{", "config unknown": "{}", "config a list": "[]"}[damage])
    with pytest.raises(OptionError, match="model"):
        load(f"file:{tmp_path / 'm'}")
