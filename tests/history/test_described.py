"""What a history says of models."""

import pandas as pd

from raysel.history import Described
from raysel.replay.snapshot import Snapshot


def test_of_the_models_asked_for(history):
    table = pd.DataFrame(
        {
            "model": ["a", "b", "c"],
            "source": ["x", "", ""],
            "family": ["", "vit", ""],
            "parameters": pd.array([5, pd.NA, 7], dtype="Int64"),
            "card": ["", "A card.", ""],
        }
    )
    history.append(models=table)
    history.append(models=table[:1].assign(family="resnet"))  # the newest row counts
    expected = {
        "a": Described(model="a", source="x", family="resnet", parameters=5.0),
        "b": Described(model="b", family="vit", card="A card."),
    }
    assert history.described(["b", "a", "unheard of"]) == expected
    assert Snapshot(history).described(["b", "a", "unheard of"]) == expected
    assert history.described([]) == {}


def test_datasets_by_their_type_of_output(history):
    assert history.tasks() == {}
    tasks = pd.DataFrame({"dataset": ["c", "r", "unknown"], "task": ["classification", "regression", ""]})
    history.append(datasets=tasks)
    assert history.tasks() == Snapshot(history).tasks() == {"c": "classification", "r": "regression"}
    history.append(datasets=tasks[:1].assign(task="regression"))  # the newest row counts
    assert history.tasks()["c"] == "regression"


def test_where_words_end():
    said = Described(model="ORG/BigNet-v2", source="ImageNet", family="resnet").named
    assert said == "org/big net-v2 imagenet resnet"
    assert Described(model=" ").named == "-"
