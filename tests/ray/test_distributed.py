"""Several workers a trial: Ray Train within Ray Tune, on processors."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ray import tune
from ray.tune.schedulers import FIFOScheduler, TrialScheduler

from raysel.errors import OptionError
from raysel.finetune import Data, FineTuning, Recipe, distributed_trainable
from raysel.models import load
from raysel.zoo.tasks import load_task

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("local_ray")]
MODEL, RECIPE = "zoo/latin-vit", Recipe(seed=2, epochs=2, points_per_epoch=2, batch_size=10, accumulate=2)


@pytest.fixture(scope="module")
def data() -> Data:
    return load_task("slant", train=45, val=31, test=31)  # numbers that two workers cannot share evenly


class Pausing(FIFOScheduler):
    """Keeps all results, and pauses the trial at one of them."""

    def __init__(self, step: int | None) -> None:
        super().__init__()
        self.step, self.results = step, list[dict[str, Any]]()

    def on_trial_result(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> str:
        self.results.append(result)
        if result["step"] == self.step:
            self.step = None
            return TrialScheduler.PAUSE
        return TrialScheduler.CONTINUE


@pytest.mark.parametrize("step", [None, pytest.param(2, marks=pytest.mark.slow)], ids=["through", "paused"])
def test_two_workers_are_as_one(step: int | None, data: Data, tmp_path: Path) -> None:
    one = FineTuning.start(MODEL, data, RECIPE)
    expected = list(one.points())
    scheduler = Pausing(step)
    analysis = tune.run(
        tune.with_parameters(distributed_trainable, data=data, workers=2),
        config={"model": MODEL, **RECIPE.as_dict()},
        metric="rmse",
        mode="min",
        scheduler=scheduler,
        storage_path=str(tmp_path),
        resources_per_trial={"cpu": 0.01},
        verbose=0,
    )
    results = scheduler.results
    assert scheduler.step is None
    assert [result["step"] for result in results] == [1, 2, 3, 4]
    assert [result["rmse"] for result in results] == pytest.approx([point.value for point in expected], rel=1e-4)
    assert results[-1]["test_rmse"] == pytest.approx(expected[-1].test, rel=1e-4)
    (trial,) = analysis.trials
    saved = load(f"file:{trial.checkpoint.path}").predict(data.val.inputs)
    np.testing.assert_allclose(saved, one.bundle.predict(data.val.inputs), atol=1e-3)


@pytest.mark.parametrize(
    ("options", "says"), [({"workers": 0}, "`workers` is 0"), ({"workers": True}, "`workers` is True")]
)
def test_bad_options_are_refused(options: dict[str, Any], says: str, data: Data) -> None:
    with pytest.raises(OptionError, match=says):
        distributed_trainable({"model": MODEL}, data=data, **options)
