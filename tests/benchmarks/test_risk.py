"""The benchmark of calibrated risk: parity with the replay, rows that agree with themselves, and the page."""

import numpy as np
import pandas as pd
import pytest

from raysel.history import History
from raysel.replay.comparison import compare
from raysel.replay.methods import METHODS, Method
from raysel.replay.snapshot import Snapshot
from raysel.tune import TrendScheduler
from tests.replay.recorded import run, tables

TARGET = "d0"
MODELS = tuple(f"m{number:02d}" for number in range(12))


@pytest.fixture(scope="module")
def modules():
    """The scripts, as they import one another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("benchmarks")
        import public_sets
        import risk

        yield risk, public_sets


@pytest.fixture(scope="module")
def one(modules, tmp_path_factory):
    """Thirteen datasets of twelve models whose scores tell more and more of finals drawn at random."""
    rng, share, curves = np.random.default_rng(0), np.array([0.2, 0.4, 0.6, 0.8, 0.97]), []
    for number in range(13):
        for place, model in enumerate(MODELS):
            final = rng.normal() - 0.1 * place
            values = share * final + np.sqrt(1 - share**2) * rng.normal(size=5)
            curves.append(run(model, values, final=final, dataset=f"d{number}"))
    history = History.create(str(tmp_path_factory.mktemp("risk") / "history"))
    history.append(**tables(curves))
    return modules[1].CurveSet(name="drawn", told="", unit="", history=Snapshot(history), targets=(TARGET,))


@pytest.fixture(scope="module")
def frame(modules, one):
    return pd.DataFrame(modules[0].rows(one, TARGET))


def of(frame, risk, tolerance):
    (row,) = modules_rows(frame[frame["tolerance"] == tolerance], risk)
    return row


def modules_rows(frame, risk):
    return frame[frame["risk"].isna() if risk is None else frame["risk"] == risk].to_dict("records")


@pytest.mark.parametrize("risk", [None, 0.05, 0.1, 0.2, 0.3])
def test_it_selects_and_spends_what_the_replay_does(one, frame, risk):
    def scheduler(setting):
        units = setting.task.max_t / setting.task.unit
        return TrendScheduler(setting.task.history, target=TARGET, max_t=units, time_attr="units", risk=risk)

    method = Method(told="", searcher=METHODS["default"].searcher, scheduler=scheduler)
    (replayed,) = compare(one.history, methods={"it": method}, leave_out=[TARGET])
    row = of(frame, risk, 0.0)
    assert (row["selected"], row["trainings"]) == (replayed.selected, pytest.approx(replayed.trainings))
    assert row["regret"] == pytest.approx(replayed.regret)


def test_rows_say_what_was_lost_and_certified(frame):
    assert len(frame) == 10
    for row in frame.to_dict("records"):
        assert row["lost"] == (row["dropped"] and row["loss"] > row["tolerance"])
        assert row["dropped"] == (row["would_win"] != row["selected"])
    certified = frame.dropna(subset="risk")
    assert set(certified["n"]) == {12}
    assert certified["floor"].tolist() == pytest.approx([1 / 13] * 8)
    fell_back = certified[certified["risk"] == 0.05]
    assert fell_back["fell_back"].all()
    assert fell_back["trainings"].tolist() == [10.0, 10.0]
    assert not certified["fell_back"][certified["risk"] > 0.05].any()
    assert certified.groupby("tolerance")["price"].apply(lambda prices: prices.is_monotonic_increasing).all()


@pytest.mark.parametrize(
    ("lost", "targets", "risk", "expected"),
    [
        # Clopper and Pearson: of 0 in n, the upper end is 1 - 0.025^(1 / n)
        (0, 10, 0.05, "0.000 [0.000, 0.308]"),
        (10, 10, 0.3, "**1.000 [0.692, 1.000]**"),
        (10, 10, None, "1.000 [0.692, 1.000]"),
        (5, 10, 0.3, "0.500 [0.187, 0.813]"),
    ],
)
def test_a_share_is_bold_where_its_interval_is_above_the_risk(modules, lost, targets, risk, expected):
    assert modules[0].achieved(lost, targets, risk) == expected


def test_the_page_counts_what_was_lost(modules, frame):
    other = frame.assign(target="another", lost=True)
    page = modules[0].page(pd.concat([frame.assign(lost=False), other]), {"drawn": "a drawn set"})
    assert "a drawn set" in page
    assert "| drawn | 0.01 | 1 of 2 | 1 of 2, 0.1 allowed (stops nobody) |" in page
    assert "| 0 | 0.05 | 12 | 0.077 | 1 of 2 | 0.500 [0.013, 0.987] |" in page
    assert "Lost at a risk of 0.1; more than 0: another; more than 0.01: another." in page
