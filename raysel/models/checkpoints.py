"""Where a model's files lie, whichever place they came from."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raysel.errors import OptionError

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"


@dataclass(frozen=True)
class Checkpoint:
    """A configuration, and the weights on this machine's disk.

    Args:
        config: The configuration, in its library's own words.
        weights: The file of weights: safetensors, the index of safetensors in several files, or a state dict of torch,
            of which nothing but tensors is read. Tokenizer and preprocessor files lie beside it.
        commit: The commit of the hub that it came from, if it did.
    """

    config: dict[str, Any]
    weights: Path
    commit: str | None = None

    @classmethod
    def in_folder(cls, name: str, folder: Path, *, commit: str | None = None) -> "Checkpoint":
        """The checkpoint that a folder holds in its library's format: ``config.json`` and safetensors.

        Args:
            name: What the model is called, for errors.
            folder: Where it lies.
            commit: The commit of the hub that it came from, if it did.

        Raises:
            OptionError: If the folder holds no such checkpoint.
        """
        weights = next((folder / file for file in (WEIGHTS, INDEX) if (folder / file).is_file()), None)
        if weights is None or not (folder / "config.json").is_file():
            pickled = any(folder.glob("*.bin"))  # of which raysel reads none: code could hide in them
            found = "; its weights are pickled (*.bin), convert them" if pickled else ""
            raise OptionError("model", name, f"a checkpoint: {folder} needs config.json and {WEIGHTS}{found}")
        try:
            config = json.loads((folder / "config.json").read_text())
        except ValueError as error:
            raise OptionError("model", name, f"a checkpoint whose config.json is JSON ({error})") from error
        if not isinstance(config, dict):
            raise OptionError("model", name, "a checkpoint whose config.json is a JSON object")
        return cls(config, weights, commit)

    @property
    def folder(self) -> Path:
        """Where the weights lie, and what belongs to them."""
        return self.weights.parent

    @property
    def revision(self) -> str:
        """The hub's commit, or eight hexadecimal digits that change when configuration, weights or tokenizer do."""
        if self.commit is not None:
            return self.commit
        digest = hashlib.sha256()
        for file in (self.folder / "config.json", *self.parts(), self.folder / "tokenizer.json"):
            if file.is_file():
                digest.update(file.read_bytes())
        return digest.hexdigest()[:8]

    def parts(self) -> Iterator[Path]:
        """The files of weights."""
        if self.weights.name == INDEX:
            shards = json.loads(self.weights.read_text())["weight_map"].values()
            yield from (self.folder / shard for shard in sorted(set(shards)))
        else:
            yield self.weights
