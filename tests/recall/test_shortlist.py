"""What a shortlist says besides its names."""

from raysel.recall import Shortlist
from raysel.recall.shortlist import Recalled


def shortlist() -> Shortlist:
    entries = tuple(
        Recalled(model=model, cluster=None, representative=None, proxies={}, score=score, reason="by name")
        for model, score in (("a", 2.0), ("b", 1.0))
    )
    return Shortlist(method="default", entries=entries, clusters=(), proxies=("logme",), regime="Day one.")


def test_what_lacks_a_score_is_named_with_why() -> None:
    found = shortlist().explained({"b": "cannot be scored: broken", "z": "no leep: no head"})
    assert [entry.reason for entry in found.entries] == ["by name", "by name; cannot be scored: broken"]
    assert found.regime == ("Day one. Without some proxy scores: b (cannot be scored: broken); z (no leep: no head).")
    assert found.models == shortlist().models


def test_of_many_the_first_are_named() -> None:
    found = shortlist().explained({f"m{number}": "broken" for number in range(8)})
    assert found.regime.endswith("m4 (broken); and 3 more.")


def test_nothing_lacking_says_nothing() -> None:
    assert shortlist().explained({}) == shortlist()
