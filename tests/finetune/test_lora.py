"""LoRA: what is trained, and what is saved."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from raysel.errors import OptionError
from raysel.finetune import Data, FineTuning, Recipe
from raysel.finetune.lora import Lora
from raysel.models import load
from raysel.zoo.text_tasks import load_task

RECIPE = Recipe(seed=1, epochs=2, batch_size=10, tuning="lora", lr=1e-2)
MODELS = ("zoo/topics-bert", "zoo/places-gpt2")  # GPT-2's matrices are kept turned over


@pytest.fixture(scope="module")
def texts() -> Data:
    return load_task("gaps", train=50, val=30, test=30)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("model", MODELS)
def test_a_checkpoint_is_the_librarys_own(model: str, texts: Data, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    run = FineTuning.start(model, texts, RECIPE)
    list(run.points())
    run.save(tmp_path)
    expected = run.bundle.predict(texts.val.inputs)
    np.testing.assert_allclose(load(f"file:{tmp_path}").predict(texts.val.inputs), expected, atol=1e-5)
    alone, found = AutoModelForSequenceClassification.from_pretrained(tmp_path, output_loading_info=True)
    assert not found["missing_keys"]
    assert not found["unexpected_keys"]
    batch = run.bundle.transform(texts.val.inputs)
    with torch.no_grad():
        np.testing.assert_allclose(alone.eval()(**batch.tensors).logits.numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_matrices_stay_and_their_additions_learn(model: str, texts: Data, tmp_path: Path) -> None:
    run = FineTuning.start(model, texts, RECIPE)
    plain = load(model, outputs=texts.outputs, seed=RECIPE.seed)
    np.testing.assert_allclose(  # they begin as nothing
        run.bundle.predict(texts.val.inputs), plain.predict(texts.val.inputs), atol=1e-6
    )
    before = {name: tensor.clone() for name, tensor in run.bundle.module.state_dict().items()}
    list(run.points())
    run.save(tmp_path)  # which merges, and takes apart again
    after = run.bundle.module.state_dict()
    assert before.keys() == after.keys()
    head = next(name for name, layer in run.bundle.module.named_modules() if layer is run.bundle.head)
    for name in before:
        learnt = ".lora_" in name or name.startswith(f"{head}.")
        assert torch.equal(before[name], after[name]) != learnt, name


def test_resuming_is_exact(texts: Data, tmp_path: Path) -> None:
    whole = FineTuning.start(MODELS[0], texts, RECIPE)
    expected = [point.value for point in whole.points()]
    first = FineTuning.start(MODELS[0], texts, RECIPE)
    values = [next(first.points()).value]
    first.save(tmp_path)
    second = FineTuning.resume(tmp_path, texts, RECIPE)
    values += [point.value for point in second.points()]
    assert values == expected
    pairs = zip(whole.bundle.module.parameters(), second.bundle.module.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)


def test_without_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(OptionError, match="peft is not installed"):
        Lora()
