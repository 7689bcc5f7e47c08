import numpy as np
import pytest

from raysel.errors import OptionError
from raysel.history import Curve
from raysel.replay import Outcome, fine_tune_all, successive_halving


def run(model, values, *, final=None, seconds=True, planned_steps=None, status="completed", first=1, **others):
    """A run of len(values) steps at 10 seconds each, in the core's direction; final: its last score by default."""
    steps = np.arange(float(first), first + len(values))
    final = values[-1] if final is None else final
    return Curve(
        run_id=model,
        model=model,
        dataset=others.pop("dataset", "target"),
        status=status,
        planned_steps=planned_steps or steps[-1],
        steps=steps,
        values=np.array(values, dtype=float),
        seconds=10 * steps if seconds else None,
        final=final if status == "completed" else None,
        **others,
    )


# a leads at first, b from the third step on, c never; d starts worst and ends best.
FOUR = [
    run("a", [0.5, 0.5, 0.5, 0.5, 0.5]),
    run("b", [0.4, 0.4, 0.6, 0.7, 0.7], final=0.68),
    run("c", [0.3, 0.3, 0.3, 0.3, 0.3]),
    run("d", [0.1, 0.2, 0.3, 0.8, 0.9], final=0.88),
]


@pytest.mark.parametrize(
    ("curves", "everything", "halving"),
    [
        # 4 after step 1, 2 after step 2, 1 to the end: 4 + 2 + 1 + 1 + 1 steps; a and b, then a
        (FOUR, ("d", 0.88, 20, 200), ("a", 0.5, 9, 90)),
        (FOUR[:2], ("b", 0.68, 10, 100), ("a", 0.5, 6, 60)),
        (FOUR[:1], ("a", 0.5, 5, 50), ("a", 0.5, 5, 50)),
        # three steps have three stages
        ([run("a", [0.1, 0.2, 0.3]), run("b", [0.0, 0.0, 0.9])], ("b", 0.9, 6, 60), ("a", 0.3, 4, 40)),
        # 10 steps: stages at 2, 4, ...; four trials for 2 steps, two for 2, one for 6
        (
            [run(m, [k / 10] * 10) for k, m in enumerate("abcd")],
            ("d", 0.3, 40, 400),
            ("d", 0.3, 8 + 4 + 6, 10 * (8 + 4 + 6)),
        ),
        # equal scores: the first by name
        ([run("b", [0.5, 0.5]), run("a", [0.5, 0.5])], ("a", 0.5, 4, 40), ("a", 0.5, 3, 30)),
        # errors are negated in curves and turned back in the outcome
        (
            [run(m, [-e, -e], lower_is_better=True) for m, e in (("a", 0.31), ("b", 0.25))],
            ("b", 0.25, 4, 40),
            ("b", 0.25, 3, 30),
        ),
        # the seconds of one are unknown
        ([run("a", [0.1, 0.2]), run("b", [0.2, 0.1], seconds=False)], ("a", 0.2, 4, None), ("b", 0.1, 3, None)),
    ],
)
def test_what_the_baselines_find_and_spend(curves, everything, halving):
    for found, expected in ((fine_tune_all(curves), everything), (successive_halving(curves), halving)):
        selected, score, steps, seconds = expected
        assert found == Outcome(selected=selected, score=score, steps=steps, seconds=seconds)


def test_the_order_of_curves_decides_nothing():
    tied = [run(m, [0.5, 0.4, 0.6]) for m in "cabd"]
    assert fine_tune_all(tied) == fine_tune_all(tied[::-1])
    assert successive_halving(tied) == successive_halving(tied[::-1])


def test_points_within_an_epoch_are_counted_in_steps():
    quarters = Curve(
        run_id="r", model="a", dataset="d", status="completed", planned_steps=1, final=0.4,
        steps=np.array([0.25, 0.5, 0.75, 1.0]), values=np.array([0.1, 0.2, 0.3, 0.4]),
        seconds=np.array([3.0, 5.0, 7.0, 9.0]),
    )  # fmt: skip
    assert fine_tune_all([quarters]) == Outcome(selected="a", score=0.4, steps=1.0, seconds=9.0)


@pytest.mark.parametrize("baseline", [fine_tune_all, successive_halving])
@pytest.mark.parametrize(
    ("curves", "rule"),
    [
        ([], "at least one run"),
        ([FOUR[0], FOUR[0]], "one a model"),
        ([FOUR[0], run("e", [0.1] * 5, dataset="another")], "of one dataset"),
        ([FOUR[0], run("e", [0.1] * 4)], "of one planned_steps"),
        ([FOUR[0], run("e", [-0.1] * 5, lower_is_better=True)], "of one lower_is_better"),
        ([FOUR[0], run("e", [0.1] * 2, status="stopped", planned_steps=5)], "completed, with a final"),
    ],
)
def test_curves_that_cannot_be_compared_are_refused(baseline, curves, rule):
    with pytest.raises(OptionError, match=rule) as caught:
        baseline(curves)
    assert caught.value.parameter == "curves"


def test_halving_needs_scores_from_its_first_stage_on():
    late = [run("a", [0.1, 0.2], first=4), run("b", [0.1, 0.2], first=4)]
    assert fine_tune_all(late).selected == "a"
    with pytest.raises(OptionError, match="measured at step 1 or before"):
        successive_halving(late)
