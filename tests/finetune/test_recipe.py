"""What a trainable's configuration may be."""

from typing import Any

import pytest

from raysel.errors import RayselError
from raysel.finetune import Recipe


def test_a_configuration_is_a_model_and_a_recipe() -> None:
    assert Recipe.split({"model": "zoo/x"}) == ("zoo/x", Recipe())
    assert Recipe.split({"model": "zoo/x", "lr": 1, "seed": 2}) == ("zoo/x", Recipe(lr=1, seed=2))


def test_planned_points() -> None:
    assert Recipe(epochs=5, points_per_epoch=5).points == 25


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({}, "`model` is None"),
        ({"model": ""}, "`model` is ''"),
        ({"model": 3}, "`model` is 3"),
        ({"model": "m", "learning_rate": 1e-3}, "'learning_rate' (10 known: model, seed, lr"),
        ({"model": "m", "lr": 0}, "`lr` is 0"),
        ({"model": "m", "lr": -1.0}, "`lr` is -1.0"),
        ({"model": "m", "lr": float("nan")}, "`lr` is nan"),
        ({"model": "m", "lr": "1e-3"}, "`lr` is '1e-3'"),
        ({"model": "m", "epochs": 0}, "`epochs` is 0"),
        ({"model": "m", "epochs": 2.5}, "`epochs` is 2.5"),
        ({"model": "m", "batch_size": 0}, "`batch_size` is 0"),
        ({"model": "m", "points_per_epoch": True}, "`points_per_epoch` is True"),
        ({"model": "m", "seed": -1}, "`seed` is -1"),
        ({"model": "m", "seed": None}, "`seed` is None"),
        ({"model": "m", "tuning": "adapter"}, "`tuning` is 'adapter', but must be one of full, head, lora"),
        ({"model": "m", "precision": "half"}, "`precision` is 'half', but must be one of auto, float32"),
        ({"model": "m", "accumulate": 0}, "`accumulate` is 0"),
        ({"model": "m", "accumulate": 17}, "`accumulate` is 17, but must be at most 16, the batch size"),
        ({"model": "m", "weight_decay": -0.1}, "`weight_decay` is -0.1"),
    ],
)
def test_a_bad_configuration_is_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(RayselError) as caught:
        Recipe.split(config)
    assert says in str(caught.value)
