"""Finals, curves and cells of small histories, computed by hand."""

import numpy as np
import pandas as pd
import pytest

from raysel.history import History
from tests.history.rows import datasets, points, runs

NAN = float("nan")


def cell(history: History) -> float:
    """The only cell of the performance matrix; NaN where there is none."""
    values = history.matrix().values
    return float(values[0, 0]) if values.size else NAN


@pytest.mark.parametrize(
    ("status", "observations", "final"),
    [
        ("completed", [points("a", [0.1, 0.2])], 0.2),
        ("completed", [points("a", [0.1, 0.2]), points("a", [0.3], split="test", first=2)], 0.3),
        ("completed", [points("a", [0.1, 0.2]), points("a", [0.3], split="test", first=1)], 0.2),
        ("completed", [points("a", [0.3], split="test", first=2)], 0.3),
        ("completed", [points("a", [0.1])], NAN),
        ("completed", [points("a", [0.1, 0.2, 0.9])], 0.2),
        ("completed", [points("a", [0.1, 0.2]), points("a", [0.9], metric="f1", split="test", first=2)], 0.2),
        ("completed", [points("a", [0.1, 0.2]), points("ghost", [0.9], split="test", first=2)], 0.2),
        ("stopped", [points("a", [0.1, 0.2])], NAN),
        ("failed", [points("a", [0.1, 0.2])], NAN),
        ("running", [points("a", [0.1, 0.2])], NAN),
    ],
)
def test_the_final_of_a_run(history: History, status: str, observations: list[pd.DataFrame], final: float) -> None:
    history.append(datasets=datasets("d"), runs=runs("a", status=status), observations=pd.concat(observations))
    assert cell(history) == pytest.approx(final, nan_ok=True)
    (curve,) = history.curves() or [None]
    if curve is None:
        assert all(set(rows["split"]) == {"test"} for rows in observations)
    else:
        assert curve.status == status
        assert curve.final == (None if np.isnan(final) else pytest.approx(final))


def test_steps_are_the_same_place_though_they_differ_in_the_last_bit(history: History) -> None:
    step = 0.1 + 0.2
    history.append(
        datasets=datasets("d"),
        runs=runs("a", planned_steps=0.3),
        observations=pd.concat([points("a", [0.5], first=step), points("a", [0.6], split="test", first=0.3)]),
    )
    assert step != 0.3
    assert cell(history) == 0.6
    assert history.check() == []


# Configurations: name of the run -> (config, seed, validation value at the end, test value at the end).
CONFIGURATIONS = [
    ({"r": ("x", 0, 0.5, 0.4), "s": ("x", 1, 0.7, 0.6)}, 0.5),
    ({"r": ("x", 0, 0.5, 0.9), "s": ("y", 0, 0.7, 0.3)}, 0.3),
    ({"r": ("x", 0, 0.5, 0.9), "s": ("x", 1, 0.9, 0.1), "t": ("y", 0, 0.8, 0.3)}, 0.3),
    ({"r": ("x", 0, 0.5, NAN), "s": ("y", 0, 0.4, 0.9)}, 0.5),
    ({"r": ("x", 0, 0.5, 0.2), "s": ("y", 0, NAN, 0.9)}, 0.2),
    ({"r": ("x", 0, NAN, 0.2), "s": ("y", 0, NAN, 0.9)}, 0.9),
    ({"r": ("x", 0, NAN, 0.2), "s": ("x", 1, 0.5, 0.4), "t": ("y", 0, 0.4, 0.9)}, 0.3),
    ({"r": ("y", 0, 0.5, 0.2), "s": ("x", 0, 0.5, 0.9)}, 0.9),
    ({"r": ("x", None, 0.5, 0.2), "s": ("x", None, 0.5, 0.4)}, 0.3),
]


def configured(given: dict[str, tuple[str, int | None, float, float]], sign: float = 1.0) -> dict[str, pd.DataFrame]:
    observations = [
        points(run, [sign * value], split=split, first=2)
        for run, (_, _, *ends) in given.items()
        for split, value in zip(("val", "test"), ends, strict=True)
        if not np.isnan(value)
    ]
    configs, seeds = [{"c": config} for config, *_ in given.values()], [seed for _, seed, *_ in given.values()]
    return {
        "runs": runs(*given, model="m", config=configs, seed=pd.array(seeds, dtype="Int64")),
        "observations": pd.concat(observations),
    }


@pytest.mark.parametrize(("given", "expected"), CONFIGURATIONS)
@pytest.mark.parametrize("mode", ["max", "min"])
def test_a_cell_is_the_mean_final_of_the_configuration_that_validates_best(
    history: History, given: dict[str, tuple[str, int | None, float, float]], expected: float, mode: str
) -> None:
    """Turning every value and the direction must change no cell."""
    history.append(datasets=datasets("d", mode=mode), **configured(given, 1.0 if mode == "max" else -1.0))
    matrix = history.matrix()
    assert matrix.values.tolist() == [[pytest.approx(expected)]]
    assert matrix.lower_is_better == (mode == "min",)


def test_a_revision_is_a_configuration_of_its_own(history: History) -> None:
    history.append(
        datasets=datasets("d"),
        runs=runs("r", "s", model="m", revision=["1", "2"]),
        observations=pd.concat([points("r", [0.1, 0.2]), points("s", [0.1, 0.4])]),
    )
    assert cell(history) == 0.4


def test_the_matrix_has_holes_and_sorted_names(history: History) -> None:
    history.append(
        datasets=pd.concat([datasets("x"), datasets("y", metric="loss", mode="min"), datasets("z")]),
        runs=runs("1", "2", "3", "4", model=["b", "a", "b", "c"], dataset=["y", "y", "x", "z"], status="completed"),
        observations=pd.concat(
            [
                *(points("1", [3.0, 2.0], metric="loss"), points("2", [4.0, 5.0], metric="loss")),
                *(points("3", [0.5, 0.6]), points("3", [9.0, 9.0], metric="loss"), points("4", [0.5])),
            ]
        ),
    )
    matrix = history.matrix()
    assert (matrix.models, matrix.datasets, matrix.lower_is_better) == (("a", "b"), ("x", "y"), (False, True))
    np.testing.assert_array_equal(matrix.values, [[NAN, -5.0], [0.6, -2.0]])
    without = history.matrix(without="y")
    assert (without.models, without.datasets) == (("b",), ("x",))
    assert history.matrix(without="nothing").values.shape == (2, 2)


def test_curves_are_turned_marked_and_chosen(history: History) -> None:
    history.append(
        datasets=datasets("x", "y", metric="loss", mode="min"),
        runs=runs(
            "1", "2", "3", model=["b", "a", "b"], dataset=["y", "x", "x"], status=["stopped", "completed", "failed"]
        ).assign(seed=pd.array([None, 3, None], dtype="Int64"), config=['{"lr": 0.1}', "{}", "{}"]),
        observations=pd.concat(
            [
                points("1", [3.0, 2.0], metric="loss").assign(seconds=[1.0, 2.5]),
                points("2", [5.0, 4.0], metric="loss").assign(seconds=[1.0, NAN]).iloc[::-1],
                points("2", [4.5], metric="loss", split="test", first=2),
                points("2", [0.5], metric="accuracy"),
            ]
        ),
    )
    on_x, on_y = history.curves()
    assert (on_x.run_id, on_x.model, on_x.dataset, on_x.seed, on_x.config) == ("2", "a", "x", 3, {})
    assert (on_x.steps.tolist(), on_x.values.tolist(), on_x.final, on_x.seconds) == ([1, 2], [-5, -4], -4.5, None)
    assert on_x.lower_is_better
    assert (on_y.status, on_y.final, on_y.seed, on_y.config) == ("stopped", None, None, {"lr": 0.1})
    assert on_y.seconds is not None
    assert on_y.seconds.tolist() == [1.0, 2.5]
    assert [curve.run_id for curve in history.curves(without="x")] == ["1"]
    assert [curve.run_id for curve in history.curves(dataset="x")] == ["2"]
    assert [curve.run_id for curve in history.curves(models=["b", "unheard-of"])] == ["1"]
    assert history.curves(models=[]) == history.curves(dataset="z") == []


def test_a_dataset_without_a_direction_takes_its_only_metric(history: History) -> None:
    history.append(
        runs=runs("1", "2", "3", dataset=["one", "two", "two"]),
        datasets=pd.DataFrame({"dataset": ["one"], "task": ["classification"]}),
        observations=pd.concat(
            [points("1", [0.1, 0.2], metric="f1"), points("2", [0.1, 0.2]), points("3", [0.1, 0.2], metric="f1")]
        ),
    )
    assert (history.matrix().datasets, history.matrix().values.tolist()) == (("one",), [[0.2]])
    assert [curve.dataset for curve in history.curves()] == ["one"]
    history.append(datasets=datasets("two", metric="f1", mode="min"))
    assert (history.matrix().datasets, history.matrix().models) == (("one", "two"), ("1", "3"))
    assert history.matrix().lower_is_better == (False, True)
