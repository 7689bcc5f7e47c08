import math

import numpy as np
import pytest

from raysel.errors import OptionError
from raysel.trends import Selection, calibrate, mine
from raysel.trends.default import PRICE
from raysel.trends.risk import PRICES
from tests.trends.tables import STEPS, run

STAGES = tuple(step / STEPS for step in range(1, STEPS + 1))
SIZE = 8


def recorded(datasets, *, seed=0, told=(0.3, 0.5, 0.7, 0.9, 1.0)):
    """Past runs whose scores tell more and more of finals drawn at random."""
    rng, runs = np.random.default_rng(seed), []
    share = np.array(told)
    for number in range(datasets):
        for model in "abcdefgh":
            final = rng.normal()
            values = share * final + np.sqrt(1 - share**2) * rng.normal(size=STEPS)
            runs.append(run(model, values, final, dataset=f"d{number}"))
    return mine(runs, lower_is_better=False)


def calibrated(trends, risk, tolerance=0.0):
    return calibrate(trends, stages=STAGES, size=SIZE, risk=risk, tolerance=tolerance)


@pytest.mark.parametrize("risk", [0.05, 0.1, 0.3, 0.6])
def test_the_share_that_lost_keeps_the_risk(risk):
    found = calibrated(recorded(40), risk)
    assert (found.n_datasets, found.floor) == (40, pytest.approx(1 / 41))
    assert (40 * found.achieved + 1) / 41 <= risk
    assert found.price in PRICES
    assert found.price <= PRICE


def test_a_smaller_risk_asks_for_a_lower_price():
    trends = recorded(40)
    prices = [calibrated(trends, risk).price for risk in (0.03, 0.1, 0.2, 0.4, 0.8)]
    assert prices == sorted(prices)
    assert prices[0] < prices[-1]


def test_a_tolerance_leaves_room():
    trends = recorded(40)
    assert calibrated(trends, 0.1).price <= calibrated(trends, 0.1, tolerance=0.5).price
    assert calibrated(trends, 0.1, tolerance=100.0).achieved == 0.0


@pytest.mark.parametrize(("datasets", "told"), [(0, "0 past datasets"), (1, "1 past dataset can"), (8, "8 past")])
def test_below_the_floor_nobody_is_stopped(datasets, told):
    trends = recorded(datasets) if datasets else mine([], lower_is_better=False)
    found = calibrated(trends, 0.1)
    assert (found.price, found.floor, found.certified) == (0.0, pytest.approx(1 / (datasets + 1)), False)
    assert told in found.told
    assert f"no less than {1 / (datasets + 1):.1%}" in found.told


def test_a_risk_that_allows_everything_asks_the_default_price():
    found = calibrated(recorded(40), 0.1, tolerance=100.0)
    assert (found.price, found.certified) == (PRICE, True)


@pytest.mark.parametrize("datasets", [3, 4])
def test_too_few_datasets_to_ask_a_price_stop_nobody(datasets):
    # There the default halves, whatever the price: a risk above the floor would not be kept.
    found = calibrated(recorded(datasets), 0.3, tolerance=100.0)
    assert found.floor <= 0.3
    assert (found.price, found.certified) == (0.0, False)
    assert f"{datasets} past datasets are too few to learn from" in found.told


@pytest.mark.parametrize(("datasets", "risk"), [(0, 0.05), (4, 0.3), (8, 0.05)])
def test_a_selection_below_the_floor_trains_all_to_the_end(datasets, risk):
    trends = recorded(datasets) if datasets else mine([], lower_is_better=False)
    steps = tuple(float(step) for step in range(1, STEPS + 1))
    selection = Selection(method="default", policy="sync", stages=steps, trends=trends, risk=risk)
    for number in range(SIZE):
        selection.add(f"t{number}", model="abcdefgh"[number])
    for step in steps:
        for number in range(SIZE):
            selection.report(f"t{number}", step, number / 10)
        selection.judge(arrivals=False)
    assert set(selection.standings().values()) == {"live"}
    assert selection.winner() == "t7"


@pytest.mark.slow
def test_the_risk_is_kept_on_targets_that_are_like_the_past():
    # Each history is drawn anew; the target is its last dataset, which the others calibrate for.
    risk, lost = 0.2, []
    for seed in range(150):
        trends = recorded(20, seed=seed)
        past = mine(
            [
                run(
                    "abcdefgh"[trends.model[i]],
                    trends.values[trends.starts[i] : trends.starts[i + 1]],
                    trends.finals[i],
                    dataset=trends.datasets[trends.dataset[i]],
                )
                for i in range(len(trends))
                if trends.datasets[trends.dataset[i]] != "d7"
            ],
            lower_is_better=False,
        )
        target = [i for i in range(len(trends)) if trends.datasets[trends.dataset[i]] == "d7"]
        steps = tuple(float(step) for step in range(1, STEPS + 1))
        selection = Selection(method="default", policy="sync", stages=steps, trends=past, risk=risk)
        for i in target:
            selection.add(str(i), model="abcdefgh"[trends.model[i]])
        for number, step in enumerate(steps):
            for i in target:
                selection.report(str(i), step, float(trends.values[trends.starts[i] + number]))
            selection.judge(arrivals=False)
        would = max(target, key=lambda i: trends.values[trends.starts[i + 1] - 1])
        chosen = selection.winner()
        lost.append(selection.standing(str(would)) == "stopped" and trends.finals[would] > trends.finals[int(chosen)])
    assert np.mean(lost) <= risk + 2 * math.sqrt(risk * (1 - risk) / len(lost))


@pytest.mark.parametrize(
    ("options", "parameter"),
    [
        ({"risk": 0.0}, "risk"),
        ({"risk": 1.0}, "risk"),
        ({"risk": math.nan}, "risk"),
        ({"risk": "0.1"}, "risk"),
        ({"risk": True}, "risk"),
        ({"risk": 0.1, "tolerance": -0.1}, "tolerance"),
        ({"risk": 0.1, "tolerance": math.inf}, "tolerance"),
        ({"risk": 0.1, "tolerance": None}, "tolerance"),
    ],
)
def test_bad_options_are_refused_by_name(options, parameter):
    with pytest.raises(OptionError) as caught:
        calibrate(recorded(6), stages=STAGES, size=SIZE, **{"tolerance": 0.0, **options})
    assert caught.value.parameter == parameter
