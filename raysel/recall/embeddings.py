"""Sentence embeddings of what is said of models, by the package sentence-transformers if it is installed.

They are asked for by the name of a model of sentences, which is downloaded where no cache holds it: never by default.
"""

from collections.abc import Callable, Sequence

import numpy as np

from raysel.arrays import FloatArray
from raysel.errors import OptionError

Embed = Callable[[Sequence[str]], FloatArray]
"""From n texts to their embeddings (n, d)."""


def sentence_embeddings(name: str) -> Embed:
    """Embeddings by a model of sentences, such as `sentence-transformers/all-MiniLM-L6-v2`.

    Args:
        name: What sentence-transformers takes: a name on the hub, or a folder. Pickled weights are not read.

    Raises:
        OptionError: If the package is not installed (`pip install "raysel[embeddings]"`).
    """
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        rule = 'left out where sentence-transformers is not installed: pip install "raysel[embeddings]"'
        raise OptionError("embeddings", name, rule) from error
    model = SentenceTransformer(name, model_kwargs={"use_safetensors": True})

    def embed(texts: Sequence[str]) -> FloatArray:
        found: FloatArray = np.asarray(model.encode(list(texts)), dtype=float)
        return found

    return embed


def cosines(embedded: FloatArray, n_texts: int) -> FloatArray:
    """(n_texts, n_texts) the cosines of embeddings; 0 with one that is 0 throughout.

    Raises:
        OptionError: If they are not of shape (n_texts, d), or not finite.
    """
    if embedded.ndim != 2 or len(embedded) != n_texts or not np.isfinite(embedded).all():
        raise OptionError("embed", f"of shape {embedded.shape}", f"({n_texts}, d) finite numbers, a row a text")
    length = np.linalg.norm(embedded, axis=1, keepdims=True)
    unit = embedded / np.where(length > 0, length, 1.0)
    found: FloatArray = unit @ unit.T
    return found
