"""Datasets that check themselves."""

from typing import Any

import numpy as np
import pytest

from raysel.errors import RayselError
from raysel.finetune import METRICS, Data, Split

IMAGES = np.zeros((4, 3, 8, 8), np.uint8)


def _data(labels: Any = (0, 1, 0, 1), **changed: Any) -> Data:
    split = Split(IMAGES, np.array(labels))
    given: dict[str, Any] = {"name": "d", "task": "classification", "classes": 2, **changed}
    return Data(train=split, val=split, test=split, **given)


@pytest.mark.parametrize(
    ("labels", "changed", "says"),
    [
        ((0, 1, 0, 2), {}, "d, train, row 3: column `label` is 2, but must be an integer from 0 to 1"),
        ((0, 1, 0, -1), {}, "`label` is -1"),
        ((0.0, 1.0, 0.5, 1.0), {}, "`label` is 0.0"),
        ((0.0, 1.0, np.nan, 1.0), {"task": "regression", "classes": None}, "row 2: column `label` is nan"),
        ((0, 1, 0, 1), {"classes": None}, "`classes` is None"),
        ((0, 1, 0, 1), {"classes": 1}, "`classes` is 1"),
        ((0, 1, 0, 1), {"task": "regression"}, "`classes` is 2"),
        ((0, 1, 0, 1), {"task": "ranking"}, "`task` is 'ranking'"),
        ((0, 1, 0, 1), {"metric": "rmse"}, "`metric` is 'rmse'"),
        ((0, 1, 0, 1), {"metric": "accuracyy"}, "`metric` is 'accuracyy'"),
        ((0, 1, 0), {}, "`labels` is (3,)"),
    ],
)
def test_bad_data_is_refused(labels: Any, changed: dict[str, Any], says: str) -> None:
    with pytest.raises(RayselError) as caught:
        _data(labels, **changed)
    assert says in str(caught.value)


def test_a_split_without_images() -> None:
    with pytest.raises(RayselError, match="inputs"):
        Split(IMAGES[:0], np.zeros(0))


def test_the_fingerprint_follows_the_data() -> None:
    same, relabelled = _data(), _data((1, 1, 0, 1))
    assert _data().fingerprint == same.fingerprint != relabelled.fingerprint


def _texts(*texts: str, dtype: object = object) -> Data:
    split = Split(np.array(texts, dtype=dtype), np.array([0, 1]))
    return Data(name="d", task="classification", classes=2, train=split, val=split, test=split)


def test_the_fingerprint_follows_texts_however_they_are_kept() -> None:
    assert _texts("a", "bcd").fingerprint == _texts("a", "bcd", dtype=str).fingerprint
    different = [_texts("a", "bcd"), _texts("ab", "cd"), _texts("a", "bcd "), _texts("1:a", "bcd"), _texts("", "abcd")]
    assert len({data.fingerprint for data in different}) == len(different)


@pytest.mark.parametrize("inputs", [np.array(["a", 3], object), np.array(["a", None], object), np.arange(2)])
def test_inputs_that_are_neither_images_nor_texts(inputs: np.ndarray) -> None:
    with pytest.raises(RayselError, match="texts or images"):
        Split(inputs, np.array([0, 1]))


@pytest.mark.parametrize(
    ("metric", "predictions", "labels", "score"),
    [
        ("accuracy", [0, 1, 2, 2], [0, 1, 2, 0], 0.75),
        ("macro_f1", [0, 0, 1, 1], [0, 0, 1, 0], (0.8 + 2 / 3) / 2),
        ("macro_f1", [0, 0, 0, 0], [0, 0, 0, 1], (6 / 7) / 2),
        ("rmse", [1.0, 2.0], [1.0, 4.0], 2**0.5),
        ("mae", [1.0, 2.0], [1.0, 4.0], 1.0),
        ("r2", [1.0, 2.0, 3.0], [1.0, 2.0, 3.0], 1.0),
        ("r2", [2.0, 2.0, 2.0], [1.0, 2.0, 3.0], 0.0),
        ("r2", [3.0, 2.0, 1.0], [1.0, 2.0, 3.0], -3.0),
        ("r2", [1.0, 2.0], [2.0, 2.0], 0.0),
        ("spearman", [1.0, 2.0, 9.0], [0.1, 0.2, 0.3], 1.0),
        ("spearman", [3.0, 2.0, 1.0], [0.1, 0.2, 0.3], -1.0),
        ("spearman", [1.0, 1.0, 1.0], [0.1, 0.2, 0.3], 0.0),
    ],
)
def test_metrics(metric: str, predictions: list[float], labels: list[float], score: float) -> None:
    assert METRICS[metric].score(np.array(predictions), np.array(labels)) == pytest.approx(score)


@pytest.mark.parametrize("seed", range(5))
def test_metrics_agree_with_the_libraries(seed: int) -> None:
    from scipy.stats import spearmanr
    from sklearn.metrics import f1_score, mean_absolute_error, r2_score

    rng = np.random.default_rng(seed)
    predictions, labels = rng.integers(0, 6, 20), rng.integers(0, 4, 20)  # with classes that only one of them names
    expected = f1_score(labels, predictions, average="macro", zero_division=0.0)
    assert METRICS["macro_f1"].score(predictions, labels) == pytest.approx(expected)
    numbers, wanted = rng.integers(0, 9, 20) / 4, rng.normal(size=20).round(1)  # with equals
    for name, theirs in (("mae", mean_absolute_error), ("r2", r2_score)):
        assert METRICS[name].score(numbers, wanted) == pytest.approx(theirs(wanted, numbers))
    assert METRICS["spearman"].score(numbers, wanted) == pytest.approx(spearmanr(numbers, wanted).statistic)


@pytest.mark.parametrize(
    ("changed", "others"),
    [
        ({}, ("macro_f1",)),
        ({"metric": "macro_f1"}, ("accuracy",)),
        ({"task": "regression", "classes": None}, ("mae", "r2", "spearman")),
        ({"task": "regression", "classes": None, "metric": "r2"}, ("rmse", "mae", "spearman")),
    ],
)
def test_one_metric_decides_and_all_are_told(changed: dict[str, Any], others: tuple[str, ...]) -> None:
    data = _data(**changed)
    assert data.other_metrics == others
    assert data.scores(data.val.labels, data.val).keys() == {data.metric, *others}
