"""Remaking the mini zoo, on a scale that a test allows."""

from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from raysel import zoo
from raysel.history import History
from raysel.proxies import PROXIES
from raysel.zoo.record import planned, record

MODELS, DATASETS = ("zoo/latin-resnet", "zoo/scratch-vit"), ("slant",)


@pytest.fixture
def local_ray() -> Iterator[None]:
    """Ray on this machine, unless it runs already."""
    import ray

    if ray.is_initialized():
        yield
        return
    with ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, configure_logging=False):
        yield


@pytest.mark.parametrize("inputs", get_args(zoo.Inputs))
def test_a_tenth_of_the_cells_has_three_seeds(inputs: zoo.Inputs) -> None:
    datasets = (*zoo.benchmarks(inputs), *zoo.targets(inputs))
    runs = list(planned(zoo.models(inputs), datasets))
    cells = len(zoo.models(inputs)) * len(datasets)
    assert len({(run.model, run.dataset) for run in runs}) == cells
    assert len(runs) - cells == pytest.approx(2 * cells / 10, rel=0.15)
    assert len({run.id for run in runs}) == len(runs)
    assert {run.dataset for run in runs if run.seed} == set(datasets)


@pytest.mark.ray
@pytest.mark.slow
def test_recording_is_resumed_and_repeats_itself(local_ray: None, tmp_path: Path) -> None:
    partial = record(tmp_path / "history", models=MODELS[:1], datasets=DATASETS)
    first = partial.observations()
    whole = record(tmp_path / "history", models=MODELS, datasets=DATASETS)
    assert set(whole.runs()["model"]) == set(MODELS)
    regression = {name for name, proxy in PROXIES.items() if "regression" in proxy.tasks}
    assert set(whole.proxies()["proxy"]) == regression
    again = whole.observations().merge(first, on=["run_id", "step", "split", "metric"])
    assert len(again) == len(first)
    assert (again["seconds_x"] == again["seconds_y"]).all()  # not run a second time

    # What ships was recorded so: the same runs, and the same scores but for another machine's rounding.
    shipped = History(zoo.history_path()).observations()
    same = whole.observations().merge(shipped, on=["run_id", "step", "split", "metric"])
    assert len(same) == len(whole.observations())
    assert same["value_x"].to_numpy() == pytest.approx(same["value_y"].to_numpy(), rel=0.3)
