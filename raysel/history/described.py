"""What is known of a model, whether or not it has any runs."""

import re
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True, kw_only=True)
class Described:
    """What is known of a model that need not have any runs.

    Args:
        model: Its name.
        source: The data that it was pre-trained on; empty where not known.
        family: Its architecture, whatever the size; empty where not known.
        parameters: How many it has; `None` where not known.
        card: The text of its card.
    """

    model: str
    source: str = ""
    family: str = ""
    parameters: float | None = None
    card: str = ""

    @property
    def named(self) -> str:
        """Name, source and family, in words: where small letters meet large ones a word ends.

        What is behind an @ in a name says which upload of a model it is, not what it is like.

        >>> Described(model="ibm/ColD-Fusion-itr9", source="latin").named
        'ibm/col d-fusion-itr9 latin'
        """
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.model.rpartition("@")[0] or self.model).lower()
        return " ".join((name, self.source.lower(), self.family.lower())).strip() or "-"


def described(models: pd.DataFrame) -> dict[str, Described]:
    """The rows of a history's table of models, by name."""
    return {
        row["model"]: Described(
            model=row["model"],
            source=row["source"],
            family=row["family"],
            parameters=None if pd.isna(row["parameters"]) else float(row["parameters"]),
            card=row["card"],
        )
        for row in models.to_dict("records")
    }
