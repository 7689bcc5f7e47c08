"""What every proxy keeps to."""

import pickle

import numpy as np
import pytest

from raysel.errors import OptionError, UnknownNameError
from raysel.proxies import PROXIES

CASES = [(proxy, task) for proxy in PROXIES.values() for task in proxy.tasks]
every_proxy = pytest.mark.parametrize(("proxy", "task"), CASES, ids=[f"{p.name}-{t}" for p, t in CASES])


def arrays(proxy, task, *, n=60, width=8, signal=1.0, seed=0):
    """Inputs of the kind that the proxy needs, and labels that they tell something of."""
    rng = np.random.default_rng(seed)
    classes = rng.permutation(np.arange(n) % 3)
    inputs = rng.normal(size=(n, width)) + signal * rng.normal(size=(3, width))[classes]
    labels = classes if task == "classification" else rng.normal(size=n)
    if task == "regression":
        inputs[:, 0] = signal * labels + rng.normal(size=n)
    if proxy.needs == "probabilities":
        inputs = np.exp(inputs)
        inputs /= inputs.sum(axis=1, keepdims=True)
    return inputs, labels


@every_proxy
@pytest.mark.parametrize("width", [1, 8, 100])  # fewer and more than samples
def test_a_finite_float(proxy, task, width):
    score = proxy.score(*arrays(proxy, task, width=width), task=task)
    assert type(score) is float
    assert np.isfinite(score)


@every_proxy
def test_better_inputs_score_higher(proxy, task):
    scores = [proxy.score(*arrays(proxy, task, signal=signal), task=task) for signal in (0.0, 1.0, 4.0)]
    assert scores[0] < scores[1] < scores[2]


@every_proxy
@pytest.mark.parametrize("width", [8, 100])
def test_the_order_of_samples_and_of_columns_does_not_matter(proxy, task, width):
    inputs, labels = arrays(proxy, task, width=width)
    rng = np.random.default_rng(1)
    rows, columns = rng.permutation(len(labels)), rng.permutation(width)
    again = proxy.score(inputs[rows][:, columns], labels[rows], task=task)
    assert again == pytest.approx(proxy.score(inputs, labels, task=task), rel=1e-6)


@every_proxy
@pytest.mark.parametrize("names", [[2, 0, 1], [10, -3, 500]])
def test_the_names_of_classes_do_not_matter(proxy, task, names):
    if task != "classification":
        return
    inputs, labels = arrays(proxy, task)
    again = proxy.score(inputs, np.array(names)[labels], task=task)
    assert again == pytest.approx(proxy.score(inputs, labels, task=task), rel=1e-9)


@every_proxy
@pytest.mark.parametrize("width", [8, 100])
def test_single_precision_is_close_to_double(proxy, task, width):
    inputs, labels = arrays(proxy, task, width=width)
    single = proxy.score(inputs.astype(np.float32), labels, task=task)
    assert single == pytest.approx(proxy.score(inputs, labels, task=task), rel=1e-4)


@every_proxy
def test_inputs_are_left_as_they_are(proxy, task):
    inputs, labels = arrays(proxy, task)
    before = inputs.copy(), labels.copy()
    proxy.score(inputs, labels, task=task)
    assert np.array_equal(inputs, before[0])
    assert np.array_equal(labels, before[1])


def spoilt(inputs, value):
    inputs = inputs.copy()
    inputs[3, 1] = value
    return inputs


@every_proxy
@pytest.mark.parametrize(
    ("spoil", "parameter", "rule"),
    [
        (lambda x, y: (spoilt(x, np.nan), y), None, "'not finite in row 3', but must be finite"),
        (lambda x, y: (spoilt(x, np.inf), y), None, "'not finite in row 3', but must be finite"),
        (lambda x, y: (spoilt(x, -np.inf).astype(np.float32), y), None, "'not finite in row 3', but must be finite"),
        (lambda x, y: (x[:, 0], y), None, "of shape (n_samples, width), not empty"),
        (lambda x, y: (x[:0], y[:0]), None, "of shape (n_samples, width), not empty"),
        (lambda x, y: (x[:, :0], y), None, "of shape (n_samples, width), not empty"),
        (lambda x, y: (x.astype(str), y), None, "but must be numbers"),
        (lambda x, y: (x, y[:-1]), "labels", "of shape (60,), one for each sample"),
        (lambda x, y: (x[:-1], y), "labels", "of shape (59,), one for each sample"),
        (lambda x, y: (x, y[:, None]), "labels", "of shape (60,), one for each sample"),
        (lambda x, y: (x, np.ones_like(y)), "labels", "but must be of two"),
        (lambda x, y: (x, y.astype(str)), "labels", "as the task is"),
    ],
)
def test_bad_input(proxy, task, spoil, parameter, rule):
    inputs, labels = spoil(*arrays(proxy, task))
    with pytest.raises(OptionError) as caught:
        proxy.score(inputs, labels, task=task)
    assert caught.value.parameter == (parameter or proxy.needs)
    assert rule in str(caught.value)


@every_proxy
@pytest.mark.parametrize("value", [np.nan, 0.5])
def test_labels_fit_the_task(proxy, task, value):
    inputs, labels = arrays(proxy, task)
    labels = labels.astype(float)
    labels[5] = value
    if task == "regression" and value == 0.5:
        assert np.isfinite(proxy.score(inputs, labels, task=task))
    else:
        with pytest.raises(OptionError, match="`labels`"):
            proxy.score(inputs, labels, task=task)


@pytest.mark.parametrize("proxy", PROXIES.values(), ids=PROXIES.keys())
def test_tasks_are_checked(proxy):
    inputs, labels = arrays(proxy, "classification")
    with pytest.raises(UnknownNameError, match="no task is named 'ranking'"):
        proxy.score(inputs, labels, task="ranking")


def test_the_registry():
    assert [*PROXIES] == ["leep", "logme"]
    for name, proxy in PROXIES.items():
        assert proxy.name == name
        assert proxy.version
        assert pickle.loads(pickle.dumps(proxy)) == proxy  # noqa: S301
