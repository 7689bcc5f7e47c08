"""`RecallSearcher`: coarse recall as a Ray Tune searcher. It translates; `raysel.recall` ranks."""

import copy
import logging
import math
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ray import cloudpickle
from ray.tune.search import Searcher

from raysel.errors import OptionError, UnknownNameError
from raysel.history import History
from raysel.proxies import proxy_named
from raysel.recall import METHODS, PROPAGATIONS, Propagate, Shortlist
from raysel.recall.kept import Zoo, zoo
from raysel.recall.rank import EXPLORE
from raysel.target import Target
from raysel.tune.scoring import LOOKED_AT, ProxyScoring
from raysel.tune.space import draw, models_of, refuse_grids

logger = logging.getLogger(__name__)


class RecallSearcher(Searcher):
    """Proposes the few models of the search space that are worth fine-tuning on the target.

    The space's `model` must be `tune.choice` of model names. Models are proposed best first; the rest of the space is
    sampled with the seed, the same draws for every model, so that models are compared and not luck. When every recalled
    model has been proposed the searcher ends the search.

    Args:
        history: The past runs; the target's own are left out. Proxy scores computed here are kept in it.
        target: The dataset that a model is wanted for, or its name (then no proxy can be computed).
        proxies: Names of proxies to compute on the target by Ray tasks, or ready scores by model. The paper's method
            ranks with one: the first of those that most models have.
        top_k: How many models to recall, at least 1.
        method: `default`, or `paper` for arXiv 2404.00069 to the letter.
        tau: Models merge into clusters up to this distance; by the method's own cut where not given.
        across_tasks: Compare models on datasets of every type of output, not on those of the target's alone.
        propagate: `representative` (only representatives are scored, members take theirs) or `own` (all are scored).
        explore: The share of the shortlist, 0 to 1, that `default` gives to models without history at the least.
        configs_per_model: How many draws of the rest of the space each model is tried with, at least 1.
        inner: Another searcher that samples the rest of the space instead.
        extract: Called on a worker with a model's name and the target's inputs, returns an object with `features`
            (n_samples, n_features), `probabilities` (n_samples, n_source_classes) or `None`, and perhaps `layers` for
            proxies such as `logme@layers`; by default `raysel.models.extract`.
        proxy_resources: Resources of one proxy task, such as `{"cpu": 1, "gpu": 0.5}`.
        max_samples: Proxies look at this many samples of the target at most, at least 2 (drawn with the seed, every
            class kept in proportion).
        proxy_timeout: Seconds that scoring one model may take, its download included; then it goes without a score.
        model_key: The space's key that holds the model.
        metric: The result to optimise; from Tune where not given.
        mode: `max` or `min`; from Tune where not given.
        seed: Seeds every draw.

    Raises:
        OptionError: If an option breaks its rule, or the space holds no choice of models.
        UnknownNameError: If a method or a proxy is not known.
        NothingToRecallError: If no model is left to recall.

    `num_samples=-1` runs every recalled model; a smaller number than there are trials to run cuts the list and warns.
    """

    def __init__(
        self,
        history: History,
        *,
        target: Target | str,
        proxies: Sequence[str] | Mapping[str, float] = (),
        top_k: int = 10,
        method: str = "default",
        tau: float | None = None,
        across_tasks: bool = False,
        propagate: Propagate = "representative",
        explore: float = EXPLORE,
        configs_per_model: int = 1,
        inner: Searcher | None = None,
        extract: Callable[[str, Any], Any] | None = None,
        proxy_resources: Mapping[str, float] | None = None,
        max_samples: int = LOOKED_AT,
        proxy_timeout: float = 1800.0,
        model_key: str = "model",
        metric: str | None = None,
        mode: str | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(metric=metric, mode=mode)
        if not isinstance(history, History):
            raise OptionError("history", history, "a raysel.History")
        if method not in METHODS:
            raise UnknownNameError("method", method, METHODS)
        if propagate not in PROPAGATIONS:
            raise UnknownNameError("propagate", propagate, PROPAGATIONS)
        if inner is not None and configs_per_model != 1:
            raise OptionError("configs_per_model", configs_per_model, "1 where `inner` samples the configurations")
        for name, number, least in (
            ("top_k", top_k, 1),
            ("configs_per_model", configs_per_model, 1),
            ("max_samples", max_samples, 2),
            ("seed", seed, 0),
        ):
            if isinstance(number, bool) or not isinstance(number, int) or number < least:
                raise OptionError(name, number, f"an integer of at least {least}")
        if not (math.isfinite(proxy_timeout) and proxy_timeout > 0):
            raise OptionError("proxy_timeout", proxy_timeout, "a positive number of seconds")
        if tau is not None and not (math.isfinite(tau) and tau >= 0):
            raise OptionError("tau", tau, "a finite distance of at least 0")
        if not 0 <= explore <= 1:
            raise OptionError("explore", explore, "from 0 to 1")
        self._target = Target.of(target)
        if isinstance(proxies, str):
            raise OptionError("proxies", proxies, "a list of names, or scores by model")
        if proxies and not isinstance(proxies, Mapping):
            for proxy in proxies:
                proxy_named(proxy)
            if self._target.samples is None:
                raise OptionError("target", self._target.name, "a Target with `samples`, which proxies look at")
        self._store, self._history = history, history.pinned(history.parts())
        self._proxies, self._top_k, self._method = proxies, top_k, method
        self._compare = partial(
            zoo, without=self._target.name, method=method, tau=tau, task=self._target.task, across_tasks=across_tasks
        )
        self._choose = partial(Zoo.rank, top_k=top_k, propagate=propagate, explore=explore, seed=seed)
        self._propagate, self._configs_per_model = propagate, configs_per_model
        self._extract, self._proxy_resources, self._max_samples = extract, dict(proxy_resources or {}), max_samples
        self._proxy_timeout, self._inner, self._model_key, self._seed = proxy_timeout, inner, model_key, seed
        self.max_concurrent: int | None = None
        self._candidates: tuple[str, ...] | None = None
        self._draws: list[dict[str, Any]] = []
        self._shortlist: Shortlist | None = None
        self._scoring: ProxyScoring | None = None
        self._zoo: Zoo | None = None
        self._proposed = 0
        self._live, self._paused = set[str](), set[str]()

    @property
    def shortlist(self) -> Shortlist | None:
        """The recalled models and why; `None` while proxy scores are pending."""
        return self._shortlist

    @property
    def model_key(self) -> str:
        """The space's key that holds the model."""
        return self._model_key

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        """Take metric, mode and space from Tune; refused where they were given before."""
        if self._candidates is not None or (self._metric and metric) or (self._mode and mode):
            return False
        self._metric, self._mode = metric or self._metric, mode or self._mode
        self._candidates = models_of(config, self._model_key)
        rest = {key: copy.deepcopy(value) for key, value in config.items() if key != self._model_key}
        refuse_grids(rest)
        if self._inner is not None:
            if not self._inner.set_search_properties(metric, mode, rest, **spec):
                raise OptionError("inner", type(self._inner).__name__, "a searcher without metric, mode and space yet")
        else:
            self._draws = [draw(rest, seed=self._seed, number=n) for n in range(self._configs_per_model)]
        if not self._proxies or isinstance(self._proxies, Mapping):
            self._rank({"given": self._proxies} if isinstance(self._proxies, Mapping) and self._proxies else {}, {})
        self._warn_if_cut(spec.get("num_samples", -1))
        return True

    def suggest(self, trial_id: str) -> Any:
        """The next model with a configuration; `None` while there is none yet, `FINISHED` after the last."""
        if self._candidates is None:
            raise OptionError("config", {}, f"a space with {self._model_key!r}: tune.choice of model names")
        if self._shortlist is None and not self._score():
            return None
        shortlist = self._shortlist
        if shortlist is None or self._proposed >= len(shortlist.models) * self._configs_per_model:
            return Searcher.FINISHED
        if self.max_concurrent is not None and len(self._live - self._paused) >= self.max_concurrent:
            return None
        number, place = divmod(self._proposed, len(shortlist.models))
        rest: Any = self._draws[number] if self._inner is None else self._inner.suggest(trial_id)
        if rest is None or rest == Searcher.FINISHED:
            return rest
        self._proposed += 1
        self._live.add(trial_id)
        return {**copy.deepcopy(rest), self._model_key: shortlist.models[place]}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        """Passed on to `inner`."""
        if self._inner is not None:
            self._inner.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """A trial no longer counts against the concurrency limit."""
        self._live.discard(trial_id)
        self._paused.discard(trial_id)
        if self._inner is not None:
            self._inner.on_trial_complete(trial_id, result, error)

    def set_max_concurrency(self, max_concurrent: int) -> bool:
        """Take the limit over from Tune, which counts paused trials as running and so would never fill a stage."""
        self.max_concurrent = max_concurrent
        return True

    def on_pause(self, trial_id: str) -> None:
        """Told by the scheduler: a trial waits at a stage and holds no resources."""
        self._paused.add(trial_id)

    def on_unpause(self, trial_id: str) -> None:
        """Told by the scheduler: a trial goes on."""
        self._paused.discard(trial_id)

    def save(self, checkpoint_path: str) -> None:
        """Write what a restored run needs to go on with the same models and draws (by Ray's own pickling)."""
        if self._scoring is not None:
            self._scoring.keep()  # a restored run finds them in the history; Tune saves after Ctrl-C too
        kept = {name: getattr(self, name) for name in _STATE}
        if self._inner is not None:
            with tempfile.TemporaryDirectory() as folder:
                self._inner.save(str(Path(folder) / "inner"))
                kept["inner"] = (Path(folder) / "inner").read_bytes()
        Path(checkpoint_path).write_bytes(cloudpickle.dumps(kept))

    def restore(self, checkpoint_path: str) -> None:
        """Read what `save` wrote."""
        kept = cloudpickle.loads(Path(checkpoint_path).read_bytes())
        inner = kept.pop("inner", None)
        self.__dict__.update(kept, _zoo=None)
        if self._inner is not None and inner is not None:
            with tempfile.TemporaryDirectory() as folder:
                (Path(folder) / "inner").write_bytes(inner)
                self._inner.restore(str(Path(folder) / "inner"))

    def __getstate__(self) -> dict[str, Any]:
        # Pending Ray tasks cannot travel; a restored searcher starts them again (finished ones are in the history).
        return {**self.__dict__, "_scoring": None, "_zoo": None}

    def _score(self) -> bool:
        """Move proxy scoring on; true when the shortlist is made."""
        if self._scoring is None:
            self._scoring = ProxyScoring(
                self._store,
                target=self._target,
                proxies=tuple(self._proxies),
                models=self._clustered().to_score(self._propagate),
                extract=self._extract,
                resources=self._proxy_resources,
                max_samples=self._max_samples,
                timeout=self._proxy_timeout,
                seed=self._seed,
            )
        if not self._scoring.poll():
            return False
        done, self._scoring = self._scoring, None
        self._rank(done.scores(), done.unscored())
        return True

    def _clustered(self) -> Zoo:
        self._zoo = self._zoo or self._compare(self._history, self._candidates or (), store=True)
        return self._zoo

    def _rank(self, scores: Mapping[str, Mapping[str, float]], unscored: Mapping[str, str]) -> None:
        """Rank with proxy scores, by proxy and model; the others' reasons go with the shortlist."""
        if self._method == "paper" and scores:
            best = max(scores, key=lambda proxy: len(scores[proxy]))
            scores = {best: scores[best]}
        shortlist = self._choose(self._clustered(), self._history, proxy_scores=scores, store=True)
        self._shortlist = shortlist.explained(unscored)
        logger.info("recalled %s. %s", ", ".join(shortlist.models), shortlist.regime)

    def _warn_if_cut(self, num_samples: int) -> None:
        wanted = min(self._top_k, len(self._candidates or ())) * self._configs_per_model
        if 0 < num_samples < wanted:
            warnings.warn(
                f"num_samples={num_samples} runs {num_samples} of the {wanted} trials that the shortlist asks for; "
                "pass num_samples=-1 to run them all",
                stacklevel=2,
            )


_STATE = (
    "_metric",
    "_mode",
    "_candidates",
    "_draws",
    "_shortlist",
    "_proposed",
    "_live",
    "_paused",
    "_history",
    "max_concurrent",
)
