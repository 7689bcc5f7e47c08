"""What is known of models: new facts beside those that a history has."""

import pandas as pd

from raysel.history.tables import TABLES

_FACTS = [name for name in TABLES["models"].names if name != "model"]


def completed(rows: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Rows of `models` in which what is left open (empty text, no number) is as it was known before.

    A history replaces rows whole, so whoever files the size of a model would lose its card otherwise.

    Args:
        rows: New facts, a row a model: `model` and any of the other columns.
        known: The rows that the history has.

    >>> old = pd.DataFrame({"model": ["a"], "family": ["vit"], "parameters": [7]})
    >>> new = pd.DataFrame({"model": ["a", "b"], "parameters": [8, 9]})
    >>> completed(new, old)[["model", "family", "parameters"]].values.tolist()
    [['a', 'vit', 8], ['b', '', 9]]
    """
    new = rows.set_index("model").reindex(columns=_FACTS)
    old = known.set_index("model").reindex(index=new.index, columns=_FACTS)
    found = new.where(new.notna() & (new != ""), old)
    texts = [name for name in _FACTS if name != "parameters"]
    found[texts] = found[texts].fillna("")
    found["parameters"] = found["parameters"].astype("Int64")
    return found.reset_index()
