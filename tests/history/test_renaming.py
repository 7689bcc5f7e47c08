"""Models under another name, and models that are forgotten."""

import pandas as pd
import pytest

from raysel.errors import HistoryError, OptionError, UnknownNameError
from raysel.history import History
from raysel.history.folder import Folder
from tests.history.conftest import in_memory
from tests.history.rows import datasets, points, proxies, runs

FINALS = {"a": 0.5, "b": 0.7}


def filled(history: History) -> History:
    """Models a and b, each described, scored and run on d; and c, which is described alone."""
    history.append(
        datasets=datasets("d"),
        models=pd.DataFrame({"model": ["a", "b", "c"], "family": ["net", "net", ""]}),
        proxies=pd.concat([proxies("a", 1.0), proxies("b", 2.0)]),
        observations=pd.concat([points(model, [0.1, final]) for model, final in FINALS.items()]),
        runs=runs("a", "b"),
    )
    return history


def finals(history: History) -> dict[str, float]:
    matrix = history.matrix()
    return dict(zip(matrix.models, matrix.values[:, 0].tolist(), strict=True))


def state(history: History) -> dict[str, object]:
    return {
        "names": history.names(),
        "finals": finals(history),
        "described": sorted(history.described("abcz")),
        "scores": history.proxy_scores("leep"),
        "curves": [(curve.model, curve.run_id) for curve in history.curves()],
        "wrong": history.check(),
    }


RENAMED = {
    "names": ("b", "c", "z"),
    "finals": {"b": 0.7, "z": 0.5},
    "described": ["b", "c", "z"],
    "scores": {("b", "d"): 2.0, ("z", "d"): 1.0},
    "curves": [("b", "b"), ("z", "a")],
    "wrong": [],
}
FORGOTTEN = {
    "names": ("b", "c"),
    "finals": {"b": 0.7},
    "described": ["b", "c"],
    "scores": {("b", "d"): 2.0},
    "curves": [("b", "b")],
    "wrong": [],
}


@pytest.mark.parametrize(("change", "given", "expected"), [("rename", "az", RENAMED), ("forget", "a", FORGOTTEN)])
def test_in_every_table(anywhere, change, given, expected):
    history = filled(anywhere)
    history.compact()  # which keeps a matrix beside the parts
    getattr(history, change)(*given)
    assert state(history) == expected
    history.compact()
    assert state(history) == expected


def test_a_renamed_model_leaves_its_name_to_a_new_one(history):
    filled(history).rename("a", "a@1")
    history.append(observations=points("new", [0.2, 0.9]), runs=runs("new", model="a"))
    assert finals(history) == {"a": 0.9, "a@1": 0.5, "b": 0.7}


def test_to_a_name_that_is_described_but_has_no_runs(history):
    filled(history).rename("a", "c")
    assert finals(history) == {"b": 0.7, "c": 0.5}
    assert history.names() == ("b", "c")
    assert len(history.models()) == 2


def test_nobody_left(history):
    filled(history)
    for model in "abc":
        history.forget(model)
    assert (history.names(), history.matrix().models, history.check()) == ((), (), [])


def test_a_pin_keeps_what_it_knew(history):
    parts = filled(history).pin("selection")
    history.rename("a", "z")
    history.forget("b")
    assert finals(history) == {"z": 0.5}
    assert finals(history.pinned(parts)) == FINALS


@pytest.mark.parametrize(
    ("change", "given", "expected", "step"),
    [
        ("rename", "az", RENAMED, 1),  # the models' new part is there beside the old one
        ("rename", "az", RENAMED, 4),  # only the runs have the old name
        ("rename", "az", RENAMED, 5),  # and these in their old part alone
        ("forget", "a", FORGOTTEN, 2),  # the observations are gone
        ("forget", "a", FORGOTTEN, 7),
    ],
)
def test_after_a_crash_the_same_again_completes_it(monkeypatch, change, given, expected, step):
    history = filled(in_memory())
    left = [step]

    def failing(action):
        def act(*arguments, **named):
            left[0] -= 1
            if left[0] < 0:
                raise HistoryError("crashed")
            return action(*arguments, **named)

        return act

    with monkeypatch.context() as patch:
        for name in ("publish", "retire"):
            patch.setattr(Folder, name, failing(getattr(Folder, name)))
        with pytest.raises(HistoryError, match="crashed"):
            getattr(history, change)(*given)
    getattr(history, change)(*given)
    assert state(history) == expected


@pytest.mark.parametrize(
    ("model", "name", "error", "told"),
    [
        ("x", "z", UnknownNameError, "x"),
        ("a", "b", OptionError, "one under which no model has runs"),
        ("a", "a", OptionError, "one under which no model has runs"),
        ("a", "", OptionError, "text of 1 to 500 characters"),
        ("a", "n" * 501, OptionError, "text of 1 to 500 characters"),
    ],
)
def test_bad_names(history, model, name, error, told):
    before = state(filled(history))
    with pytest.raises(error, match=told):
        history.rename(model, name)
    assert state(history) == before


def test_who_is_not_known_cannot_be_forgotten(history):
    with pytest.raises(UnknownNameError, match="x"):
        filled(history).forget("x")
