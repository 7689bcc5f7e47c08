"""Sentence embeddings of what is said of models, by a stand-in that has the package's interface."""

import sys
from types import ModuleType

import numpy as np
import pytest

from raysel.errors import OptionError
from raysel.history import Described
from raysel.recall.embeddings import cosines, sentence_embeddings
from raysel.recall.kinship import kinship
from tests.recall.test_kinship import expected, families

# Each maker's cards say one thing in words of their own: no two have a word in common.
SAID = {
    "good": ["large", "huge", "vast", "giant", "big", "immense", "enormous"],
    "fair": ["middling", "medium", "average", "moderate", "usual", "ordinary", "common"],
    "poor": ["small", "tiny", "little", "minute", "slight", "petite", "wee"],
}


class SentenceTransformer:
    """Knows what those words mean."""

    def __init__(self, name: str, *, model_kwargs: dict[str, object]) -> None:
        assert (name, model_kwargs) == ("org/sentences", {"use_safetensors": True})

    def encode(self, sentences: list[str]) -> np.ndarray:
        assert type(sentences) is list
        meanings = [
            [float(any(word in said.split() for word in words)) for words in SAID.values()] for said in sentences
        ]
        return np.array(meanings, dtype=np.float32) * 3


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    package = ModuleType("sentence_transformers")
    package.SentenceTransformer = SentenceTransformer  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sentence_transformers", package)


@pytest.mark.usefixtures("installed")
def test_cards_that_mean_the_same_are_akin() -> None:
    makers, values = families()
    names = [chr(0x4E00 + i) for i in range(len(makers) + 3)]  # which say nothing
    cards = [word for words in SAID.values() for word in words[:6]] + [words[6] for words in SAID.values()]
    told = {name: Described(model=name, card=card) for name, card in zip(names, cards, strict=True)}
    asked = {"facts": lambda _: told}
    good, fair, poor = new = names[-3:]
    by_words = expected(kinship(names[:-3], values, new, **asked))
    assert by_words == {good: 0, fair: 0, poor: 0}
    embed = sentence_embeddings("org/sentences")
    by_meaning = expected(kinship(names[:-3], values, new, embed=embed, **asked))
    assert by_meaning[good] > 0.4 > abs(by_meaning[fair])
    assert by_meaning[poor] < -0.4


def test_without_the_package_the_option_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(OptionError, match=r"org/sentences.*raysel\[embeddings\]"):
        sentence_embeddings("org/sentences")


@pytest.mark.parametrize("embedded", [np.ones(3), np.ones((2, 4)), np.full((3, 4), np.nan)])
def test_what_is_no_embeddings_is_refused(embedded: np.ndarray) -> None:
    with pytest.raises(OptionError, match="embed"):
        cosines(embedded, 3)


def test_cosines() -> None:
    found = cosines(np.array([[2.0, 0.0], [0.0, 0.0], [-1.0, 1.0]]), 3)
    assert found == pytest.approx(np.array([[1, 0, -(0.5**0.5)], [0, 0, 0], [-(0.5**0.5), 0, 1]]))
