"""The training loop, without Ray."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from raysel import zoo
from raysel.errors import OptionError, OutOfMemoryError
from raysel.finetune import Data, FineTuning, Point, Recipe, Split
from raysel.models import ModelBundle, create
from raysel.tune.estimate import storage_bytes
from raysel.zoo.architectures import ARCHITECTURES
from raysel.zoo.tasks import load_task
from raysel.zoo.text_architectures import TEXT_ARCHITECTURES, tokenizer
from raysel.zoo.text_tasks import load_task as load_text_task

RECIPE = Recipe(seed=3, epochs=3, points_per_epoch=2, batch_size=8)


@pytest.fixture(scope="module")
def data() -> Data:
    return load_task("tint", train=50, val=40, test=40)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def texts() -> Data:
    return load_text_task("gaps", train=50, val=40, test=40)


def _run(architecture: str, data: Data, recipe: Recipe = RECIPE, **changed: Any) -> FineTuning:
    texts = architecture in TEXT_ARCHITECTURES
    made_by = (TEXT_ARCHITECTURES if texts else ARCHITECTURES)[architecture]
    bundle = create({**made_by.config, **changed}, seed=0, transform=tokenizer() if texts else None)
    bundle.replace_head(data.outputs, seed=recipe.seed)
    return FineTuning(bundle, data, recipe)


def _untimed(points: Iterator[Point]) -> list[Point]:
    return [dataclasses.replace(point, seconds=0.0) for point in points]


# A library each: batch statistics (transformers' ResNet), stochastic depth (torchvision's Swin), neither (timm's ViT).
@pytest.mark.parametrize("architecture", ["vit", "swin", "resnet"])
@pytest.mark.parametrize("interrupted", [1, 3, 5])
def test_a_resumed_run_is_the_same_run(architecture: str, interrupted: int, data: Data, tmp_path: Path) -> None:
    _same_when_resumed(lambda: _run(architecture, data), interrupted, tmp_path)


@pytest.mark.parametrize("changed", [{"hidden_dropout_prob": 0.1}, {}], ids=["dropout", "none"])
def test_a_resumed_run_on_texts_is_the_same_run(changed: dict[str, float], texts: Data, tmp_path: Path) -> None:
    _same_when_resumed(lambda: _run("bert" if changed else "gpt2", texts, **changed), 3, tmp_path)


OPTIONS = [
    ("resnet", {"accumulate": 3}),
    ("resnet", {"tuning": "head"}),
    ("swin", {"tuning": "head", "accumulate": 2}),
    ("vit-hf", {"tuning": "lora"}),
    ("resnet", {"precision": "bfloat16"}),
    ("vit", {"precision": "float16", "accumulate": 2}),  # with a scale of the gradients, that is adapted
]


@pytest.mark.parametrize(("architecture", "options"), OPTIONS)
def test_a_resumed_run_with_options(architecture: str, options: dict[str, Any], data: Data, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, **options)
    _same_when_resumed(lambda: _run(architecture, data, recipe), 3, tmp_path)


def _same_when_resumed(make: Callable[[], FineTuning], interrupted: int, folder: Path) -> None:
    whole = make()
    expected = _untimed(whole.points())

    first = make()
    points = first.points()
    before = [next(points) for _ in range(interrupted)]
    first.save(folder)
    torch.manual_seed(99)  # whatever went on meanwhile
    second = FineTuning.resume(folder, first.data, first.recipe)
    after = list(second.points())

    assert [dataclasses.replace(point, seconds=0.0) for point in before + after] == expected
    weights, resumed = whole.bundle.module.state_dict(), second.bundle.module.state_dict()
    assert weights.keys() == resumed.keys()
    assert all(torch.equal(weights[key], resumed[key]) for key in weights)
    assert after[0].seconds > before[-1].seconds  # interruptions are left out, but nothing before them is


def test_points_count_and_only_the_last_is_tested(data: Data) -> None:
    points = list(_run("vit", data).points())
    assert [point.step for point in points] == [1, 2, 3, 4, 5, 6]
    assert [point.epoch for point in points] == [0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert [point.test is None for point in points] == [True] * 5 + [False]
    assert all(later.seconds > earlier.seconds for earlier, later in pairwise(points))
    always = {"accuracy", "macro_f1", "step", "epoch", "seconds"}
    assert points[-1].metrics("accuracy").keys() == always | {"test_accuracy", "test_macro_f1"}
    assert points[0].metrics("accuracy").keys() == always


@pytest.mark.parametrize(("seed", "same"), [(3, True), (4, False)])
def test_the_seed_decides_the_run(seed: int, same: bool, data: Data) -> None:
    runs = [_run("swin", data, dataclasses.replace(RECIPE, seed=s)) for s in (3, seed)]
    for run in runs:
        list(run.points())
    first, second = (run.bundle.head.weight for run in runs)
    assert torch.equal(first, second) == same


def test_a_finished_run_has_no_further_points(data: Data, tmp_path: Path) -> None:
    run = _run("vit", data)
    list(run.points())
    run.save(tmp_path)
    assert not list(FineTuning.resume(tmp_path, data, RECIPE).points())


def test_a_run_that_diverges_says_so_and_ends(data: Data) -> None:
    run = _run("vit", data)
    points = run.points()
    next(points)
    with torch.no_grad():
        run.bundle.head.weight.fill_(math.nan)
    rest = list(points)
    assert len(rest) == 1
    assert math.isnan(rest[0].value)
    assert (rest[0].step, rest[0].test) == (2, None)


def test_training_learns() -> None:
    data = load_task("tint", train=120, val=100, test=100)
    points = list(_run("resnet", data, Recipe(epochs=6)).points())
    assert points[-1].test is not None
    assert points[-1].test > 0.4 > points[0].value  # chance is 1/8


def test_regression_is_judged_in_the_unit_of_the_labels() -> None:
    small = load_task("slant", train=120, val=80, test=80)
    # The same task in another unit, far from zero.
    parts = [Split(split.inputs, 1000 + 7 * split.labels) for split in (small.train, small.val, small.test)]
    large = Data(name="large", task="regression", train=parts[0], val=parts[1], test=parts[2])
    values = [list(_run("resnet", data, Recipe(epochs=6)).points())[-1].value for data in (small, large)]
    assert values[0] < 0.8 * float(small.val.labels.std())
    assert values[1] == pytest.approx(7 * values[0], rel=1e-3)


def test_a_checkpoint_names_a_model(data: Data, tmp_path: Path) -> None:
    from raysel.models import load

    run = _run("resnet", data)
    next(run.points())
    run.save(tmp_path)
    assert np.array_equal(load(f"file:{tmp_path}").predict(data.val.inputs), run.bundle.predict(data.val.inputs))


@pytest.mark.parametrize("architecture", ["vit", "resnet"])
def test_a_checkpoint_takes_what_storage_is_reckoned_with(architecture: str, data: Data, tmp_path: Path) -> None:
    run = _run(architecture, data)
    next(run.points())
    run.save(tmp_path)
    taken = sum(file.stat().st_size for file in tmp_path.iterdir())
    parameters = run.bundle.parameters
    assert 12 * parameters < taken < 12 * parameters * 1.1  # names and shapes, of a model this small a few per cent
    assert 2 * taken < storage_bytes([parameters], running=1), "the last one, and one that is written"


def test_starting_from_a_name(data: Data) -> None:
    run = FineTuning.start(zoo.models()[0], data, RECIPE)
    assert run.bundle.outputs == data.classes


@pytest.mark.parametrize(
    ("recipe", "outputs", "parameter"),
    [
        (Recipe(points_per_epoch=4), 8, "points_per_epoch"),
        (Recipe(), 5, "outputs"),
        (Recipe(tuning="lora"), 8, "full or head for a model of timm"),
    ],
)
def test_what_does_not_fit_the_data(recipe: Recipe, outputs: int, parameter: str, data: Data) -> None:
    bundle = create(ARCHITECTURES["vit"].config, seed=0)
    bundle.replace_head(outputs, seed=0)
    with pytest.raises(OptionError, match=parameter):
        FineTuning(bundle, data, recipe)


def test_only_the_head_changes(data: Data) -> None:
    run = _run("resnet", data, dataclasses.replace(RECIPE, tuning="head"))
    before = {name: tensor.clone() for name, tensor in run.bundle.module.state_dict().items()}
    list(run.points())
    after = run.bundle.module.state_dict()  # batch statistics included
    head = {name for name, layer in run.bundle.module.named_modules() if layer is run.bundle.head}
    changed = {name.rpartition(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == head


@pytest.mark.parametrize("architecture", ["vit", "convnext"])
def test_a_batch_in_parts_teaches_the_same(architecture: str, data: Data) -> None:
    whole, parts = (
        _run(architecture, data, dataclasses.replace(RECIPE, epochs=1, batch_size=12, accumulate=accumulate))
        for accumulate in (1, 5)  # parts of 3, 3, 2, 2, 2
    )
    expected, found = list(whole.points()), list(parts.points())
    assert [point.value for point in found] == pytest.approx([point.value for point in expected], abs=0.03)
    logits = [run.bundle.predict(data.val.inputs) for run in (whole, parts)]
    np.testing.assert_allclose(logits[0], logits[1], atol=2e-3)


class Small(torch.nn.Module):
    """A module in a memory that holds so many samples."""

    def __init__(self, module: torch.nn.Module, samples: int) -> None:
        super().__init__()
        self.module, self.samples, self.seen = module, samples, list[int]()

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        answer: torch.Tensor = self.module(batch)  # so that statistics and dropout have moved on when it fails
        if torch.is_grad_enabled():
            self.seen.append(len(batch))
        if len(batch) > self.samples:
            raise RuntimeError("CUDA error: out of memory")
        return answer


@pytest.mark.parametrize("architecture", ["resnet-timm", "swin"])
def test_when_memory_runs_out_a_batch_is_halved(
    architecture: str, data: Data, caplog: pytest.LogCaptureFixture
) -> None:
    run = _run(architecture, data)
    small = run._module = Small(run.bundle.module, samples=4)
    points = _untimed(run.points())
    told = "ran out of memory with 8 samples at once: from here on a batch of 8 is learnt from in 2 parts"
    assert caplog.text.count(told) == 1
    assert small.seen[:4] == [8, 4, 4, 4]
    # From the start in two parts is the same, to the last bit: nothing of the batch that failed is left.
    assert points == _untimed(_run(architecture, data, dataclasses.replace(RECIPE, accumulate=2)).points())


def test_a_run_that_was_halved_goes_on_so(data: Data, tmp_path: Path) -> None:
    run = _run("vit", data)
    run._module = Small(run.bundle.module, samples=4)
    points = run.points()
    before = [next(points), next(points)]
    run.save(tmp_path)
    resumed = FineTuning.resume(tmp_path, data, RECIPE)
    small = resumed._module = Small(resumed.bundle.module, samples=4)
    assert _untimed(iter([*before, *resumed.points()])) == _untimed(
        _run("vit", data, dataclasses.replace(RECIPE, accumulate=2)).points()
    )
    assert set(small.seen) == {4}


@pytest.mark.parametrize(("accumulate", "samples", "held"), [(1, 3, 4), (8, 0, 1)])
def test_memory_that_does_not_hold_half_a_batch(accumulate: int, samples: int, held: int, data: Data) -> None:
    run = _run("vit", data, dataclasses.replace(RECIPE, accumulate=accumulate))
    run._module = Small(run.bundle.module, samples)
    with pytest.raises(OutOfMemoryError, match=f"runs out of memory with {held} samples at once"):
        next(run.points())


def test_validation_keeps_to_the_size_that_fits(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _untimed(_run("vit", data).points())
    run, logits, seen = _run("vit", data), ModelBundle.logits, list[int]()

    def small(bundle: ModelBundle, batch: torch.Tensor) -> torch.Tensor:
        seen.append(len(batch))
        if len(batch) > 16:
            raise RuntimeError("CUDA error: out of memory")
        return logits(bundle, batch)

    monkeypatch.setattr(ModelBundle, "logits", small)
    found = _untimed(run.points())
    assert [point.value for point in found] == pytest.approx([point.value for point in expected], abs=0.03)
    assert seen[:6] == [40, 20, 10, 10, 10, 10]
    assert max(seen[6:]) == 10


def test_other_errors_are_not_taken_for_memory(data: Data) -> None:
    run = _run("vit", data)
    run._module = torch.nn.Linear(1, 1)
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        next(run.points())
