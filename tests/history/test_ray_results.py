"""Folders of Ray Tune experiments, written here as Tune writes them."""

import json
import pickle
from pathlib import Path

import pytest

from raysel.errors import DataError, OptionError, RayselError, UnknownNameError
from raysel.history import History, run_id
from raysel.history.importers import import_file, import_ray_experiment

GIVEN = {"dataset": "d", "metric": "acc", "mode": "max"}


class Bomb:
    """Shows that it was unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return pytest.fail, ("a pickle was opened",)


def trial(
    folder: Path,
    name: str,
    values: list[float],
    *,
    test: float | None = None,
    csv: bool = False,
    done: bool = False,
    **config: object,
) -> Path:
    """A trial's folder with its parameters and one result a step."""
    place = folder / f"train_{name}"
    place.mkdir(parents=True)
    (place / "params.json").write_text(json.dumps({"model": name, "seed": 3, **config}))
    (place / "params.pkl").write_bytes(pickle.dumps(Bomb()))
    results: list[dict[str, object]] = [
        {
            "acc": value,
            "training_iteration": step,
            "epoch": step / 2,
            "time_total_s": 10.0 * step,
            "trial_id": f"id_{name}",
        }
        | {"timestamp": 1_700_000_000 + step, "done": done and step == len(values)}
        for step, value in enumerate(values, start=1)
    ]
    if test is not None:
        results[-1]["test_acc"] = test
    if csv:
        lines = [",".join(map(str, result.values())) for result in results]
        (place / "progress.csv").write_text("\n".join([",".join(results[0]), *lines]))
    else:
        (place / "result.json").write_text("".join(json.dumps(result) + "\n" for result in results))
    return place


def state(folder: Path, **statuses: str) -> None:
    """The experiment's state, with pickled objects as Tune leaves them."""
    bomb = {"_type": "CLOUDPICKLE_FALLBACK", "value": pickle.dumps(Bomb()).hex()}
    trials = [
        [
            json.dumps(
                {"trial_id": f"id_{name}", "status": status, "relative_logdir": f"train_{name}", "storage": bomb}
            ),
            "{}",
        ]
        for name, status in statuses.items()
    ]
    (folder / "experiment_state-2024-01-02_03-04-05.json").write_text(json.dumps({"trial_data": trials}))


@pytest.mark.parametrize("csv", [False, True])
@pytest.mark.parametrize("told", [False, True])
def test_trials_become_runs(history: History, tmp_path: Path, csv: bool, told: bool) -> None:
    folder = tmp_path / "experiment"
    trial(folder, "whole", [0.1, 0.2, 0.3], csv=csv, done=True, test=None if csv else 0.25, lr=0.1)
    trial(folder, "cut", [0.1, 0.15], csv=csv, done=True)
    (trial(folder, "broken", [0.1], csv=csv) / "error.txt").write_text("Traceback")
    trial(folder, "live", [0.1], csv=csv)
    if told:
        state(folder, whole="TERMINATED", cut="TERMINATED", broken="ERROR", live="RUNNING")
    added = import_ray_experiment(history, folder, **GIVEN)
    assert dict(added.rows) == {"datasets": 1, "observations": 7 + (not csv), "runs": 4}
    curves = {curve.model: curve for curve in history.curves()}
    statuses = {"whole": "completed", "cut": "stopped", "broken": "failed", "live": "running"}
    assert {model: curve.status for model, curve in curves.items()} == statuses
    whole = curves["whole"]
    assert (whole.steps.tolist(), whole.values.tolist()) == ([1, 2, 3], [0.1, 0.2, 0.3])
    assert (whole.final, whole.seed, whole.config, whole.planned_steps) == (0.3 if csv else 0.25, 3, {"lr": 0.1}, 3)
    assert whole.run_id == run_id(model="whole", dataset="d", config='{"lr":0.1}', seed=3, trial="id_whole")
    assert whole.seconds is not None
    assert whole.seconds.tolist() == [10, 20, 30]
    assert history.runs()["recorded_at"].max().timestamp() == 1_700_000_003
    parts = history.parts()
    assert dict(import_file(history, folder, constants=GIVEN).rows) == {}
    assert history.parts() == parts


@pytest.mark.parametrize(
    ("status", "values", "expected"),
    [
        ("TERMINATED", [0.1, 0.2, 0.3], "completed"),
        ("TERMINATED", [0.1], "stopped"),
        ("ERROR", [0.1, 0.2, 0.3], "failed"),
        ("PAUSED", [0.1], "running"),
        ("PENDING", [0.1], "running"),
        ("TERMINATED", [0.1, 0.2, float("nan")], "failed"),
    ],
)
def test_statuses_come_from_the_newest_state(
    history: History, tmp_path: Path, status: str, values: list[float], expected: str
) -> None:
    trial(tmp_path, "m", values)
    state(tmp_path, m=status)
    (tmp_path / "experiment_state-2023-01-01_00-00-00.json").write_text(json.dumps({"trial_data": []}))
    (tmp_path / "experiment_state-2025-01-01_00-00-00.json").write_text("not JSON")
    import_ray_experiment(history, tmp_path, **GIVEN, planned_steps=3)
    assert history.runs()["status"].tolist() == [expected]


def test_other_steps_models_and_nested_results(history: History, tmp_path: Path) -> None:
    place = trial(tmp_path, "x", [], net={"name": 1}, backbone="resnet")
    lines = [{"eval": {"acc": 80.0}, "epoch": 0.5}, {"eval": {"acc": 90.0}, "epoch": 1.0}]
    (place / "result.json").write_text("\n".join(json.dumps(line) for line in lines))
    options = {"mapping": {"model": "backbone", "step": "epoch"}, "scale": 0.01}
    import_file(history, tmp_path, constants=GIVEN | {"metric": "eval/acc", "planned_steps": "2"}, **options)  # type: ignore[arg-type]
    (curve,) = history.curves()
    assert (curve.model, curve.status, curve.steps.tolist(), curve.planned_steps) == ("resnet", "running", [0.5, 1], 2)
    assert curve.values.tolist() == [pytest.approx(0.8), pytest.approx(0.9)]
    assert curve.config == {"model": "x", "net": {"name": 1}}


def test_a_restored_trial_keeps_the_last_value_of_a_step_and_half_a_line_is_passed_over(
    history: History, tmp_path: Path
) -> None:
    place = trial(tmp_path, "m", [0.1, 0.2])
    again = json.dumps({"acc": 0.25, "training_iteration": 2, "trial_id": "id_m", "config": {}})
    (place / "result.json").write_text((place / "result.json").read_text() + again + "\n" + '{"acc": 0.3, "train')
    import_ray_experiment(history, tmp_path, **GIVEN)
    assert history.curves()[0].values.tolist() == [0.1, 0.25]


def test_a_trial_without_parameters_takes_those_of_its_results(history: History, tmp_path: Path) -> None:
    place = trial(tmp_path, "m", [])
    (place / "params.json").unlink()
    (place / "result.json").write_text(json.dumps({"acc": 0.5, "training_iteration": 1, "config": {"model": "n"}}))
    import_ray_experiment(history, tmp_path, **GIVEN)
    assert history.runs()["model"].tolist() == ["n"]


def test_a_trial_that_failed_at_once_is_known_to_have_failed(history: History, tmp_path: Path) -> None:
    trial(tmp_path, "good", [0.5])
    (trial(tmp_path, "bad", []) / "error.txt").write_text("Traceback")
    trial(tmp_path, "waiting", [])
    import_ray_experiment(history, tmp_path, **GIVEN)
    assert dict(zip(history.runs()["model"], history.runs()["status"], strict=True)) == {
        "good": "completed",
        "bad": "failed",
    }
    assert history.check() == []


BAD: list[tuple[dict[str, object], type[RayselError], str]] = [
    ({"metric": "accuracy"}, UnknownNameError, "no result is named 'accuracy'"),
    ({"step": "steps"}, UnknownNameError, "no result is named 'steps'"),
    ({"mode": "up"}, OptionError, "`mode` is 'up', but must be one of max, min"),
    ({"model": "net"}, DataError, "train_m: column `config.net` is None, but must be the model's name"),
    ({"model": "lr"}, DataError, "column `config.lr` is 0.1"),
    ({"planned_steps": 1}, OptionError, "`planned_steps` is 1.0, but must be above 0 and at least 2"),
    ({"planned_steps": float("nan")}, OptionError, "`planned_steps` is nan"),
    ({"scale": 0.0}, OptionError, "`scale` is 0.0"),
    ({"dataset": ""}, DataError, "column `dataset` is ''"),
]


@pytest.mark.parametrize(("options", "error", "message"), BAD)
def test_bad_options_add_nothing(
    history: History, tmp_path: Path, options: dict[str, object], error: type[RayselError], message: str
) -> None:
    trial(tmp_path / "experiment", "m", [0.1, 0.2], lr=0.1)
    with pytest.raises(error, match=message):
        import_ray_experiment(history, tmp_path / "experiment", **{**GIVEN, **options})  # type: ignore[arg-type]
    assert history.parts() == ()


@pytest.mark.parametrize(
    ("constants", "mapping", "error", "message"),
    [
        ({"dataset": "d", "metric": "acc"}, {}, OptionError, "`mode` is None, but must be given for a Ray Tune"),
        ({**GIVEN, "planned_steps": "two"}, {}, OptionError, "`planned_steps` is 'two', but must be a number"),
        ({**GIVEN, "split": "val"}, {}, UnknownNameError, "no field of a Ray Tune experiment is named 'split'"),
        (GIVEN, {"seconds": "time"}, UnknownNameError, "is named 'seconds'"),
    ],
)
def test_bad_fields_for_a_folder_are_refused(
    history: History,
    tmp_path: Path,
    constants: dict[str, str],
    mapping: dict[str, str],
    error: type[RayselError],
    message: str,
) -> None:
    trial(tmp_path, "m", [0.1])
    with pytest.raises(error, match=message):
        import_file(history, tmp_path, constants=constants, mapping=mapping)


def test_damaged_files_are_named(history: History, tmp_path: Path) -> None:
    place = trial(tmp_path / "experiment", "m", [0.1, 0.2])
    (place / "result.json").write_text('{"acc": 0.1\n{"acc": 0.2}\n')
    with pytest.raises(DataError, match=r"train_m/result\.json, row 1"):
        import_ray_experiment(history, tmp_path / "experiment", **GIVEN)
    (place / "params.json").write_text("[]")
    (place / "result.json").write_text("")
    with pytest.raises(DataError, match=r"train_m: column `config`"):
        import_ray_experiment(history, tmp_path / "experiment", **GIVEN)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OptionError, match="with a folder for each trial"):
        import_ray_experiment(history, tmp_path / "empty", **GIVEN)
