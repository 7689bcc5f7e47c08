"""What ships: the checkpoints and the recorded history, and that the choice of a model matters on them."""

from pathlib import Path

import numpy as np
import pytest

from raysel import zoo
from raysel.errors import UnknownNameError
from raysel.history import History
from raysel.models import load
from raysel.proxies import PROXIES
from raysel.zoo.describe import Figures, figures
from raysel.zoo.members import MEMBERS

MEGABYTE = 1e6


@pytest.fixture(scope="module")
def history() -> History:
    return History(zoo.history_path())


@pytest.fixture(scope="module")
def found() -> Figures:
    return figures()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_sizes() -> None:
    assert _size(zoo.checkpoint_path(zoo.models()[0]).parent) < 6 * MEGABYTE
    assert _size(zoo.history_path()) < 1 * MEGABYTE


def test_a_history_of_benchmarks_has_never_seen_a_target(tmp_path: Path, history: History) -> None:
    copy = zoo.benchmark_history(tmp_path / "history")
    assert set(copy.runs()["dataset"]) == set(copy.datasets()["dataset"]) == set(zoo.benchmarks())
    assert set(copy.proxies()["dataset"]) == set(zoo.benchmarks())
    assert set(copy.models()["model"]) == set(zoo.models())
    matrix, shipped = copy.matrix(), history.matrix()
    columns = [shipped.datasets.index(dataset) for dataset in matrix.datasets]
    np.testing.assert_array_equal(matrix.values, shipped.values[:, columns])


def test_the_zoo_is_varied() -> None:
    members = MEMBERS.values()
    assert len(members) >= 24
    assert len({member.made_by.family for member in members}) >= 6
    assert {member.made_by.library for member in members} == {"timm", "torchvision", "transformers"}
    assert len({member.source for member in members if member.pretrained}) >= 5
    assert {member.source for member in members if not member.pretrained} == {"random", "scratch"}
    assert any(member.seed for member in members)  # near-twins


def test_datasets_are_enough() -> None:
    assert len(zoo.benchmarks()) >= 8
    assert len(zoo.targets()) >= 4
    assert any(zoo.load_task(name).task == "regression" for name in zoo.targets())


def test_every_checkpoint_is_there_and_no_other() -> None:
    folder = zoo.checkpoint_path(zoo.models()[0]).parent
    assert {f"zoo/{place.name}" for place in folder.iterdir()} == set(zoo.models())


@pytest.mark.parametrize("model", zoo.models())
def test_a_checkpoint_loads(model: str, history: History) -> None:
    known = history.models().set_index("model").loc[model]
    bundle = load(model)
    assert bundle.adapter.library == MEMBERS[model].made_by.library
    assert bundle.parameters == known["parameters"]
    answer = bundle.predict(np.zeros((2, 3, 16, 16), np.uint8))
    assert answer.shape == (2, bundle.outputs)
    assert np.isfinite(answer).all()


def test_an_unknown_model() -> None:
    with pytest.raises(UnknownNameError, match="zoo/latin-vit"):
        zoo.checkpoint_path("zoo/latin-vitt")


def test_the_history_is_sound(history: History) -> None:
    assert history.check() == []


def test_every_model_was_tried_on_every_dataset(history: History) -> None:
    matrix = history.matrix()
    assert set(matrix.models) == set(zoo.models())
    assert set(matrix.datasets) == {*zoo.benchmarks(), *zoo.targets()}
    assert np.isfinite(matrix.values).all()
    assert all(curve.status == "completed" for curve in history.curves())


def test_curves_have_five_points_an_epoch_for_five_epochs_and_seconds(history: History) -> None:
    for curve in history.curves():
        assert curve.planned_steps == 25
        assert curve.steps.tolist() == list(range(1, 26))
        assert curve.seconds is not None
        assert np.all(np.diff(curve.seconds) >= 0)
        assert curve.seconds[-1] > 0


def test_every_proxy_was_scored_wherever_it_is_defined(history: History) -> None:
    rows = history.proxies()
    for name, proxy in PROXIES.items():
        own = rows[(rows["proxy"] == name) & (rows["version"] == proxy.version)]
        defined = {row.dataset for row in history.datasets().itertuples() if row.task in proxy.tasks}
        assert set(own["dataset"]) == defined
        assert len(own) == len(defined) * len(zoo.models())
        assert (own["seconds"] > 0).all()


def test_every_pretrained_model_beats_its_twin_on_its_own_source(found: Figures) -> None:
    assert {own.model for own in found.pretraining} == {name for name, member in MEMBERS.items() if member.pretrained}
    assert [own.model for own in found.pretraining if own.tuned <= own.scratch_tuned] == []


def test_many_models_win_somewhere(found: Figures) -> None:
    assert len(found.winners) >= 5


def test_the_choice_is_worth_five_points_on_half_of_the_datasets(found: Figures) -> None:
    worth = [figures.over_median >= 5 for figures in found.datasets]
    assert sum(worth) >= len(worth) / 2


def test_the_best_average_loses_somewhere_by_more_than_luck(found: Figures) -> None:
    lost = [figures for figures in found.datasets if figures.average_loses > max(5, 2 * figures.noise)]
    assert len(lost) >= 3


def test_seeds_matter_less_than_the_choice(found: Figures) -> None:
    assert all(np.isfinite(figures.noise) for figures in found.datasets)
    worth = [figures for figures in found.datasets if figures.over_median >= 5]
    assert all(figures.noise < figures.over_median for figures in worth)
