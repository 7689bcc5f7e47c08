"""Fine selection as a value: what trials reported, which stage each has reached, and who is out.

A host (the Ray scheduler, the replay) tells a `Selection` what happens and asks it what to do. The host owns processes
and time; the selection owns every choice. Its state is plain data, so that it survives a restart, and with the
synchronous policy it is a function of the reported curves alone.
"""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, get_args

from raysel.errors import OptionError
from raysel.trends.decide import decide, winner
from raysel.trends.decision import Decision, Progress
from raysel.trends.default import PRICE
from raysel.trends.mining import Trends
from raysel.trends.past import Past
from raysel.trends.risk import Calibration, calibrate

Policy = Literal["sync", "async"]
Standing = Literal["live", "finished", "stopped", "failed"]


@dataclass(kw_only=True)
class _Trial:
    model: str
    rank: int
    prior: float
    standing: Standing = "live"
    stage: int = 0
    step: float = -math.inf
    curve: dict[float, float] = field(default_factory=dict)


class Selection:
    """The fine selection of one run: stages, standings and decisions.

    Synchronous: a stage is judged when every live trial has reached it; a trial that is added late is judged at each
    stage against those that passed it. Asynchronous: a trial is judged as soon as it reaches a stage, against all that
    have reached it so far; one that would be dropped is held while others are still to come, and goes on if they turn
    out worse.

    Args:
        method: `default` or `paper`, see `decide`.
        policy: `sync` or `async`.
        stages: Steps at which trials are judged, ascending; at the last one a trial ends.
        trends: The convergence trends of past runs, or where to read them once a stage is judged.
        risk: The risk that the price is calibrated to (`method="default"`), see `raysel.trends.risk`; by default the
            price is fixed.
        tolerance: What may be lost without counting, in the unit of the metric.
        margin: By how much a predicted final must lie above another to drop it (`method="paper"`).
        seed: Seeds the clustering of trends.

    Raises:
        OptionError: If the policy is unknown or stages do not ascend.
    """

    def __init__(
        self,
        *,
        method: str,
        policy: Policy,
        stages: tuple[float, ...],
        trends: Trends | Past,
        risk: float | None = None,
        tolerance: float = 0.0,
        margin: float = 0.0,
        seed: int = 0,
    ) -> None:
        if policy not in get_args(Policy):
            raise OptionError("policy", policy, f"one of {', '.join(get_args(Policy))}")
        if not stages or any(a >= b for a, b in pairwise(stages)):
            raise OptionError("stages", stages, "at least one step, strictly ascending")
        self._method, self._policy, self._stages, self._trends = method, policy, stages, trends
        self._risk, self._tolerance, self._margin, self._seed = risk, tolerance, margin, seed
        self._trials: dict[str, _Trial] = {}
        self._opening: dict[str, float] = {}  # what each trial scored at the first stage
        # Who is compared at each stage and who is due at one: kept as it changes, since with a thousand live trials
        # looking at each of them at every report takes longer than the report's own work.
        self._peers: tuple[dict[str, Progress], ...] = tuple({} for _ in stages)
        self._due: tuple[dict[str, _Trial], ...] = tuple({} for _ in stages)
        self._judged_with: bool | None = None  # the `arrivals` of the last judgement, while nothing has changed since
        self.held = False
        self.decisions: dict[str, Decision] = {}

    @property
    def max_t(self) -> float:
        """The step at which a trial ends."""
        return self._stages[-1]

    @property
    def policy(self) -> Policy:
        """`sync` or `async`."""
        return self._policy

    def judge_at_once(self) -> None:
        """Change to the asynchronous policy: for trials that cannot be paused."""
        self._policy, self._judged_with = "async", None
        self._index()

    def add(self, trial: str, *, model: str, rank: int = 0, prior: float = 0.0) -> None:
        """A trial joins, or comes back after a failure with what it had reported."""
        known = self._trials.setdefault(trial, _Trial(model=model, rank=rank, prior=prior))
        if known.standing == "failed":
            known.standing = "live"
            self._index()
        self._judged_with = None

    def hold(self) -> None:
        """Have every live trial wait once it has reported, and judge nobody any more: the end is near."""
        self.held = True

    def report(self, trial: str, step: float, score: float) -> None:
        """A live trial reports its score at a step, higher is better (NaN if it diverged).

        Only a step above all before counts: a trial that is tried again reports some of them twice.
        """
        state = self._trials[trial]
        if state.standing == "live" and step > state.step:
            state.curve[step] = score
            before, state.step = state.step, step
            if step >= self._stages[0]:
                self._opening.setdefault(trial, score)
            self._enter(trial, score, above=before, upto=state.step)
            self._await(trial)
            self._judged_with = None

    def finish(self, trial: str) -> None:
        """A trial came to its end by itself; its last score goes on counting against the others."""
        self._leave(trial, "finished")

    def fail(self, trial: str) -> None:
        """A trial failed or was removed by somebody else."""
        self._leave(trial, "failed")

    def _leave(self, trial: str, standing: Standing) -> None:
        if trial in self._trials and self._trials[trial].standing == "live":
            self._rest(trial, standing)
            self._judged_with = None

    def _enter(self, trial: str, score: float, *, above: float, upto: float) -> None:
        """A trial counts with a score at the stages above one step and up to another: the first at or after each."""
        state = self._trials[trial]
        for stage, peers in zip(self._stages, self._peers, strict=True):
            if above < stage <= upto:
                peers[trial] = Progress(trial=trial, model=state.model, score=score, rank=state.rank, prior=state.prior)

    def _await(self, trial: str) -> None:
        """A live trial that has reached its next stage waits there to be judged."""
        state = self._trials[trial]
        if state.stage < len(self._stages) - 1 and state.step >= self._stages[state.stage]:
            self._due[state.stage][trial] = state

    def _rest(self, trial: str, standing: Standing) -> None:
        """A live trial is live no more."""
        state = self._trials[trial]
        state.standing = standing
        self._due[state.stage].pop(trial, None)
        if standing == "finished":  # its last score goes on counting
            self._enter(trial, state.curve.get(state.step, math.nan), above=state.step, upto=self.max_t)
        # Judging one by one needs to know how many were seen, so asynchronously the stopped count as well.
        elif standing == "failed" or self._policy == "sync":
            for peers in self._peers:
                peers.pop(trial, None)

    def _index(self) -> None:
        """Everything that is kept as it changes, from the curves and standings."""
        self._peers, self._due = (tuple({} for _ in self._stages) for _ in range(2))
        for trial, state in self._trials.items():
            before = -math.inf
            for step, score in sorted(state.curve.items()):
                self._enter(trial, score, above=before, upto=step)
                before = step
            if state.standing != "live":
                self._rest(trial, state.standing)
            else:
                self._await(trial)

    def standing(self, trial: str) -> Standing:
        """`live`, `finished`, `stopped` or `failed`."""
        return self._trials[trial].standing

    def standings(self) -> dict[str, Standing]:
        """The standing of every trial."""
        return {name: trial.standing for name, trial in self._trials.items()}

    def curve(self, trial: str) -> dict[float, float]:
        """What a trial reported, score by step."""
        return dict(self._trials[trial].curve)

    def at_end(self, trial: str) -> bool:
        """Whether a trial has reached the last stage."""
        return self._trials[trial].step >= self.max_t

    def waiting(self, trial: str) -> bool:
        """Whether a live trial must not go on: it is held, or has reached a stage that is not judged yet."""
        state = self._trials[trial]
        due = self.held or state.step >= self._stages[state.stage]
        return state.standing == "live" and not self.at_end(trial) and due

    def judge(self, *, arrivals: bool, unpausable: Collection[str] = ()) -> dict[str, Decision]:
        """Judge every stage that can be judged now.

        Args:
            arrivals: Whether more trials may still be added.
            unpausable: Trials that cannot be held at a stage (asynchronous policy): stopped where others would be held.

        Returns:
            The new decisions by trial: `continue` for those that may go on to their next stage, `stop` for those out.
        """
        made: dict[str, Decision] = {}
        if self.held or self._judged_with == arrivals:
            return made  # nothing more to decide, or as last time
        self._judged_with = arrivals
        for stage in range(len(self._stages) - 1):
            judged = self._judge_stage(stage, arrivals=arrivals, unpausable=unpausable)
            if judged is None:
                break
            made |= judged
        return made

    def _judge_stage(self, stage: int, *, arrivals: bool, unpausable: Collection[str]) -> dict[str, Decision] | None:
        """The decisions made at a stage; `None` if it must be waited for (synchronous)."""
        step = self._stages[stage]
        arrived = self._due[stage]
        if not arrived and self._policy == "async":
            return {}
        begun = (t for t in self._trials.values() if t.standing == "live" and t.stage <= stage)
        # Most reports find somebody still to come: the first of them is enough to know.
        still_to_come = arrivals or any(t.stage < stage or t.step < step for t in begun)
        if self._policy == "sync" and still_to_come:
            return None
        if not arrived:
            return {}
        # Who is still to come may turn out worse, so that those who would be stopped are held.
        held = frozenset(arrived).difference(unpausable) if still_to_come else frozenset()
        made = self._verdicts(stage, about=frozenset(arrived), held=held)
        for name, verdict in made.items():
            self.decisions[name] = verdict
            arrived.pop(name).stage = stage + 1
            if verdict.action == "stop":
                self._rest(name, "stopped")
            else:
                self._await(name)
        return made

    def _verdicts(self, stage: int, *, about: frozenset[str], held: frozenset[str]) -> dict[str, Decision]:
        step = self._stages[stage]
        return decide(
            [*self._peers[stage].values()],
            method=self._method,
            fraction=step / self.max_t,
            trends=self._told,
            ahead=[later / self.max_t for later in self._stages[stage + 1 :]],
            opening=[*self._opening.values()],
            first=self._stages[0] / self.max_t,
            about=about,
            held=held,
            price=PRICE if self._risk is None else self.calibration(self._risk).price,
            margin=self._margin,
            seed=self._seed,
        )

    @property
    def _told(self) -> Trends:
        if isinstance(self._trends, Trends):
            return self._trends
        return self._trends.trends({trial.model for trial in self._trials.values()})

    def calibration(self, risk: float) -> Calibration:
        """The price that keeps a risk with as many trials as have reached the first stage."""
        fractions = tuple(stage / self.max_t for stage in self._stages)
        size = max(1, len(self._opening))
        return calibrate(self._told, stages=fractions, size=size, risk=risk, tolerance=self._tolerance)

    def winner(self) -> str | None:
        """The trial with the best last score of those neither stopped nor failed; `None` if there is none."""
        left = [
            Progress(trial=name, model=t.model, score=t.curve[t.step], rank=t.rank, prior=t.prior)
            for name, t in self._trials.items()
            if t.standing in ("live", "finished") and t.curve
        ]
        return winner(left) if left else None

    def state(self) -> dict[str, Any]:
        """Everything that happened, as plain data."""
        return {
            "policy": self._policy,
            "opening": dict(self._opening),
            "trials": {name: {**vars(t), "curve": list(t.curve.items())} for name, t in self._trials.items()},
            "decisions": {name: vars(d) for name, d in self.decisions.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up where `state` was written."""
        self._policy, self._judged_with = state["policy"], None
        self._trials = {name: _Trial(**{**t, "curve": dict(t["curve"])}) for name, t in state["trials"].items()}
        self._opening = dict(state["opening"])
        self.decisions = {
            name: Decision(**{**d, "interval": d["interval"] and tuple(d["interval"])})
            for name, d in state["decisions"].items()
        }
        self._index()
