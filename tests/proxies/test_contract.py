"""What every proxy keeps to: the laws of `LAWS` and, besides, right answers to bad input.

A proxy joins by its module and its line in `raysel.proxies`; nothing here names it, unless in `EXCEPTIONS` a law that
it does not keep, with why.
"""

import importlib
import pickle
import pkgutil

import numpy as np
import pytest

import raysel.proxies
from raysel.errors import OptionError, UnknownNameError
from raysel.proxies import PROXIES, Proxy

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


def other_order(inputs, labels, rng):
    rows = rng.permutation(len(labels))
    return inputs[rows], labels[rows]


def other_columns(inputs, labels, rng):
    return inputs[:, rng.permutation(inputs.shape[1])], labels


def other_names(inputs, labels, rng):
    return inputs, rng.permutation([10, -3, 500])[labels]


def single_precision(inputs, labels, rng):
    return inputs.astype(np.float32), labels


def rotated(inputs, labels, rng):
    return inputs @ np.linalg.qr(rng.normal(size=(inputs.shape[1],) * 2))[0], labels


def scaled(inputs, labels, rng):
    return 8.0 * inputs, labels


def shifted(inputs, labels, rng):
    return inputs + 3 * rng.normal(size=inputs.shape[1]), labels


LAWS = {
    # name: (what is done to the arrays, how far the score may move, to whom it applies)
    "order of samples": (other_order, 1e-6, lambda proxy, task: True),
    "order of columns": (other_columns, 1e-6, lambda proxy, task: True),
    "names of classes": (other_names, 1e-9, lambda proxy, task: task == "classification"),
    "single precision": (single_precision, 1e-4, lambda proxy, task: True),
    "rotation": (rotated, 1e-5, lambda proxy, task: proxy.needs == "features"),
    "scale": (scaled, 1e-5, lambda proxy, task: proxy.needs == "features"),
    "shift": (shifted, 1e-5, lambda proxy, task: proxy.needs == "features"),
}
EXCEPTIONS = {
    ("logme", "shift"): "nothing is centred, as in the paper: an intercept costs evidence",
    ("knn", "shift"): "a cosine is an angle at the origin",
}


@every_proxy
@pytest.mark.parametrize("width", [8, 100])  # fewer and more than samples
@pytest.mark.parametrize("law", LAWS)
def test_what_does_not_matter(proxy, task, law, width):
    change, tolerance, applies = LAWS[law]
    if not applies(proxy, task):
        return
    inputs, labels = arrays(proxy, task, width=width, signal=3 / width**0.5)  # neither hopeless nor perfect
    before = proxy.score(inputs, labels, task=task)
    after = proxy.score(*change(inputs, labels, np.random.default_rng(1)), task=task)
    keeps = after == pytest.approx(before, rel=tolerance)
    assert keeps != ((proxy.name, law) in EXCEPTIONS)


@every_proxy
def test_a_score_repeats_itself_and_draws_from_nowhere(proxy, task):
    inputs, labels = arrays(proxy, task)
    state = np.random.get_state()[1].copy()  # noqa: NPY002  (whether it was used)
    assert proxy.score(inputs, labels, task=task) == proxy.score(inputs, labels, task=task)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@every_proxy
def test_a_class_of_one_sample_and_an_equal_pair_will_do(proxy, task):
    inputs, labels = arrays(proxy, task)
    inputs[1] = inputs[0]
    labels = np.concatenate([[99], labels[1:]])
    assert np.isfinite(proxy.score(inputs, labels, task=task))


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
    modules = [f"raysel.proxies.{module.name}" for module in pkgutil.iter_modules(raysel.proxies.__path__)]
    found = {
        thing.name
        for module in map(importlib.import_module, modules)
        for thing in vars(module).values()
        if isinstance(thing, Proxy)
    }
    assert found == {*PROXIES}  # every module's proxy is registered
    assert {name for name, _ in EXCEPTIONS} <= found
    for name, proxy in PROXIES.items():
        assert proxy.name == name
        assert proxy.version
        assert name in raysel.proxies.__all__
        assert getattr(raysel.proxies, name) is proxy.score
        assert pickle.loads(pickle.dumps(proxy)) == proxy  # noqa: S301
