"""What is said of a model besides its configuration."""

from dataclasses import dataclass
from pathlib import Path

import yaml

_LONGEST = 20_000  # characters of a card; what comes after is mostly tables


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a model's card, or its library, says.

    Args:
        licence: In small letters; `None` where nobody says.
        source: The data it was trained on, as it is called there; empty where nobody says.
        text: The card itself, its beginning if it is long, without the metadata before it.
    """

    licence: str | None = None
    source: str = ""
    text: str = ""

    @classmethod
    def in_folder(cls, folder: Path) -> "Card":
        """The card in a checkpoint's folder (``README.md``), as the hub has them; one that says nothing without it."""
        from huggingface_hub import ModelCard

        try:
            card = ModelCard.load(folder / "README.md") if (folder / "README.md").is_file() else None
        except (ValueError, TypeError, yaml.YAMLError):  # a card that is written wrongly says nothing
            card = None
        if card is None:
            return cls()
        licence, told = card.data.license, card.data.datasets
        sources = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        return cls(
            licence=licence.lower() if isinstance(licence, str) else None,
            source=", ".join(map(str, sources)),
            text=card.text.strip()[:_LONGEST],
        )
