"""What ships: the checkpoints and the recorded history, and that the choice of a model matters on them."""

from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from raysel import zoo
from raysel.errors import UnknownNameError
from raysel.history import History
from raysel.models import load
from raysel.proxies import PROXIES
from raysel.zoo.describe import Figures, figures
from raysel.zoo.members import MEMBERS, Member

MEGABYTE = 1e6


ALL = (*zoo.models("images"), *zoo.models("texts"))


@pytest.fixture(scope="module", params=get_args(zoo.Inputs))
def inputs(request: pytest.FixtureRequest) -> zoo.Inputs:
    """Each zoo in turn."""
    found: zoo.Inputs = request.param
    return found


@pytest.fixture(scope="module")
def history(inputs: zoo.Inputs) -> History:
    return History(zoo.history_path(inputs))


@pytest.fixture(scope="module")
def found(inputs: zoo.Inputs) -> Figures:
    return figures(inputs)


def _members(inputs: zoo.Inputs) -> list[Member]:
    return [MEMBERS[name] for name in zoo.models(inputs)]


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def test_sizes() -> None:
    assert _size(zoo.checkpoint_path(zoo.models()[0]).parent) < 6 * MEGABYTE
    assert sum(_size(zoo.history_path(inputs)) for inputs in get_args(zoo.Inputs)) < 2 * MEGABYTE


def test_what_ships_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by workers, which run elsewhere: it comes with the package that each node has installed."""
    monkeypatch.chdir(tmp_path)
    package = Path(zoo.__file__).resolve().parent
    for model in ALL:
        assert (zoo.checkpoint_path(model) / "config.json").is_file()
        assert zoo.checkpoint_path(model).resolve().is_relative_to(package)
    assert all(Path(zoo.history_path(inputs)).resolve().is_relative_to(package) for inputs in get_args(zoo.Inputs))


def test_a_history_of_benchmarks_has_never_seen_a_target(tmp_path: Path, inputs: zoo.Inputs, history: History) -> None:
    copy = zoo.benchmark_history(tmp_path / "history", inputs)
    assert set(copy.runs()["dataset"]) == set(copy.datasets()["dataset"]) == set(zoo.benchmarks(inputs))
    assert set(copy.proxies()["dataset"]) == set(zoo.benchmarks(inputs))
    assert set(copy.models()["model"]) == set(zoo.models(inputs))
    matrix, shipped = copy.matrix(), history.matrix()
    columns = [shipped.datasets.index(dataset) for dataset in matrix.datasets]
    np.testing.assert_array_equal(matrix.values, shipped.values[:, columns])


def test_the_image_zoo_is_varied() -> None:
    members = _members("images")
    assert len(members) >= 24
    assert len({member.made_by.family for member in members}) >= 6
    assert {member.made_by.library for member in members} == {"timm", "torchvision", "transformers"}
    assert len({member.source for member in members if member.pretrained}) >= 5
    assert {member.source for member in members if not member.pretrained} == {"random", "scratch"}
    assert any(member.seed for member in members)  # near-twins


def test_the_text_zoo_is_varied() -> None:
    members = _members("texts")
    assert len(members) >= 6
    assert len({member.made_by.family for member in members}) >= 2
    assert len({member.source for member in members if member.pretrained}) >= 4
    assert {member.source for member in members if not member.pretrained} == {"nonsense", "scratch"}
    assert any(member.seed for member in members)
    assert len(zoo.benchmarks("texts")) >= 4
    assert len(zoo.targets("texts")) >= 1


def test_datasets_are_enough() -> None:
    assert len(zoo.benchmarks()) >= 8
    assert len(zoo.targets()) >= 4
    assert any(zoo.load_task(name).task == "regression" for name in zoo.targets())


def test_every_checkpoint_is_there_and_no_other() -> None:
    folder = zoo.checkpoint_path(zoo.models()[0]).parent
    assert {f"zoo/{place.name}" for place in folder.iterdir()} == set(ALL)


def test_every_checkpoint_loads(inputs: zoo.Inputs, history: History) -> None:
    known = history.models().set_index("model")
    given = np.array(["some text", "more"]) if inputs == "texts" else np.zeros((2, 3, 16, 16), np.uint8)
    for model in zoo.models(inputs):
        bundle = load(model)
        assert bundle.adapter.library == MEMBERS[model].made_by.library
        assert bundle.parameters == known.loc[model]["parameters"]
        answer = bundle.predict(given)
        assert answer.shape == (2, bundle.outputs)
        assert np.isfinite(answer).all()


def test_an_unknown_model() -> None:
    with pytest.raises(UnknownNameError, match="zoo/latin-vit"):
        zoo.checkpoint_path("zoo/latin-vitt")


def test_the_history_is_sound(history: History) -> None:
    assert history.check() == []


def test_every_model_was_tried_on_every_dataset(inputs: zoo.Inputs, history: History) -> None:
    matrix = history.matrix()
    assert set(matrix.models) == set(zoo.models(inputs))
    assert set(matrix.datasets) == {*zoo.benchmarks(inputs), *zoo.targets(inputs)}
    assert np.isfinite(matrix.values).all()
    assert all(curve.status == "completed" for curve in history.curves())


def test_curves_have_five_points_an_epoch_for_five_epochs_and_seconds(history: History) -> None:
    for curve in history.curves():
        assert curve.planned_steps == 25
        assert curve.steps.tolist() == list(range(1, 26))
        assert curve.seconds is not None
        assert np.all(np.diff(curve.seconds) >= 0)
        assert curve.seconds[-1] > 0


def test_every_proxy_was_scored_wherever_it_is_defined(inputs: zoo.Inputs, history: History) -> None:
    rows = history.proxies()
    for name, proxy in PROXIES.items():
        own = rows[(rows["proxy"] == name) & (rows["version"] == proxy.version)]
        defined = {row.dataset for row in history.datasets().itertuples() if row.task in proxy.tasks}
        assert set(own["dataset"]) == defined
        assert len(own) == len(defined) * len(zoo.models(inputs))
        assert (own["seconds"] > 0).all()


def test_every_pretrained_model_beats_its_twin_on_its_own_source(inputs: zoo.Inputs, found: Figures) -> None:
    pretrained = {member.name for member in _members(inputs) if member.pretrained}
    assert {own.model for own in found.pretraining} == pretrained
    assert [own.model for own in found.pretraining if own.tuned <= own.scratch_tuned] == []


def test_many_models_win_somewhere(inputs: zoo.Inputs, found: Figures) -> None:
    assert len(found.winners) >= {"images": 5, "texts": 3}[inputs]


def test_the_choice_is_worth_five_points_on_half_of_the_datasets(found: Figures) -> None:
    worth = [figures.over_median >= 5 for figures in found.datasets]
    assert sum(worth) >= len(worth) / 2


def test_the_best_average_loses_somewhere_by_more_than_luck(inputs: zoo.Inputs, found: Figures) -> None:
    lost = [figures for figures in found.datasets if figures.average_loses > max(5, 2 * figures.noise)]
    assert len(lost) >= {"images": 3, "texts": 1}[inputs]


def test_seeds_matter_less_than_the_choice(found: Figures) -> None:
    assert all(np.isfinite(figures.noise) for figures in found.datasets)
    worth = [figures for figures in found.datasets if figures.over_median >= 5]
    assert all(figures.noise < figures.over_median for figures in worth)
