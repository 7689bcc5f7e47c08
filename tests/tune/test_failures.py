"""Why trials fail, in words; and failures that are not their own."""

import pytest
from ray.tune.experiment import Trial

from raysel.errors import OptionError
from raysel.tune.failures import Failures, counted_in_vain, told

NODE = "The actor died.\nThe actor died because its node has died. Node Id: 1f\n\tthe actor's node was "


@pytest.mark.parametrize(
    ("error", "words", "in_vain"),
    [
        ("", "failed, nobody knows why", False),
        (
            "1 (occurred at noon)\nray::train()\n  File x\nRuntimeError: broken\n\n",
            "failed: RuntimeError: broken",
            False,
        ),
        ("ValueError: " + "x" * 999, f"failed: ValueError: {'x' * 288}", False),
        (
            f"{NODE}terminated unexpectedly: lost",
            "failed: the actor's node was terminated unexpectedly: lost",
            True,
        ),
        (f"{NODE}preempted: spot", "failed: the actor's node was preempted: spot", False),
    ],
)
def test_errors_in_words(error: str, words: str, in_vain: bool) -> None:
    assert told(error) == words
    assert counted_in_vain(error) == in_vain


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_positive(timeout: float) -> None:
    with pytest.raises(OptionError, match="report_timeout"):
        Failures(timeout)


def test_a_step_back_is_told(caplog: pytest.LogCaptureFixture) -> None:
    failures, trial = Failures(60.0), Trial("any", stub=True, trial_id="t")
    for step in (1.0, 2.0, 2.0, 3.0):
        failures.report(trial, step)
    assert not caplog.text
    failures.report(trial, 1.0)
    failures.report(trial, 2.0)
    assert caplog.messages == ["t reports step 1 after step 3: it does not count"], "once a trial"


def test_a_reason_lasts_until_the_trial_is_tried_again() -> None:
    failures, trial = Failures(60.0), Trial("any", stub=True, trial_id="t")
    failures.note(trial, "failed: it ended without a result")
    again = Failures(60.0)
    again.restore(failures.reasons)
    assert again.reasons == {"t": "failed: it ended without a result"}
    again.forget(trial)
    assert again.reasons == {}
