"""The benchmark of day one: the history is hidden, and what is compared spends the same."""

import numpy as np
import pytest

from raysel.replay.comparison import compare


@pytest.fixture(scope="module")
def day_one():
    """The script, as it imports the others."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend("benchmarks")
        import day_one

        yield day_one


def test_nothing_is_known_but_the_target_s_proxy_scores(day_one):
    history, names = day_one.hidden("texts")
    assert history.curves(without=names[0]) == []
    assert history.matrix(without=names[0]).models == ()
    assert len(history.curves(dataset=names[0])) >= 9


def test_the_command_s_way_is_that_of_the_proxy_with_halving(day_one):
    history, names = day_one.hidden("texts")
    chosen = {name: day_one.methods()[name] for name in (day_one.DEFAULT, "best of K by logme, halving")}
    rows = compare(history, methods=chosen, leave_out=names[:2], top_k=3)
    ours, plain = (day_one.by_target(rows, name) for name in chosen)
    assert np.array_equal(ours, plain)
    assert len({row.trainings for row in rows}) == 1
    page = day_one.page({"texts": rows})
    assert "| raysel select |" in page
    assert page.count("| 1.4 | 1.00 |") == 3, "each on the same budget"


def test_the_best_proxy_is_told_without_the_dataset_itself(day_one):
    lost = np.array([[0.0, 0.9, 0.5], [0.4, 0.7, 0.0]])
    assert day_one.told_by_others(lost).tolist() == [1, 1, 0]
