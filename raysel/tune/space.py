"""The search space: the choice of models, and draws of the rest."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
from ray.tune.search.sample import Categorical
from ray.tune.search.variant_generator import generate_variants

from raysel.errors import OptionError


def models_of(config: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The candidates: the categories of the space's choice of models, repeated names once."""
    domain = config.get(key)
    models = domain.categories if isinstance(domain, Categorical) else [domain]
    if not models or not all(isinstance(model, str) and model for model in models):
        raise OptionError(f"config[{key!r}]", domain, "tune.choice([...]) of model names")
    return tuple(dict.fromkeys(models))


def refuse_grids(space: Mapping[str, Any], path: str = "config") -> None:
    """Raise `OptionError` where a grid would multiply the trials."""
    for key, value in space.items():
        if isinstance(value, Mapping):
            if "grid_search" in value:
                rule = "tune.choice: every recalled model gets the same draws, and a grid would multiply the trials"
                raise OptionError(f"{path}[{key!r}]", value, rule)
            refuse_grids(value, f"{path}[{key!r}]")


def draw(space: dict[str, Any], *, seed: int, number: int) -> dict[str, Any]:
    """The resolved values of a draw, the same for every model; constants are left to Tune."""
    state = np.random.RandomState(np.random.SeedSequence([seed, number]).generate_state(4))
    _, spec = next(iter(generate_variants({"config": copy.deepcopy(space)}, random_state=state)))
    resolved: dict[str, Any] = spec["config"]
    return resolved
