"""Model files from the hub of Hugging Face, or from its cache on this machine."""

import json
from pathlib import Path
from typing import Any

from raysel.errors import ModelError, OptionError
from raysel.models.cards import Card
from raysel.models.checkpoints import INDEX, WEIGHTS, Checkpoint
from raysel.models.retries import nobody_there, persistently

_BESIDE = ("*.json", "*.txt", "*.model", "*.tiktoken", "README.md")
"""Configuration, tokenizer, preprocessor and card; no code and nothing pickled."""

_PATIENCE = 10  # seconds
_PASSING = (408, 429, 500, 502, 503, 504)  # statuses of a server that may answer in a moment


def checkpoint(name: str, repository: str) -> Checkpoint:
    """The checkpoint of a repository. What the cache holds whole is used as it is, and the hub is not asked.

    So a selection that runs for days sees one revision, and a thousand trials ask the hub once. huggingface_hub's own
    environment variables hold: ``HF_HOME``, ``HF_HUB_OFFLINE``, ``HF_TOKEN``, ``HF_ENDPOINT``, ...

    Args:
        name: What the model is called, for errors.
        repository: ``ORG/NAME`` on the hub.

    Raises:
        ModelError: If it is not there, is gated, has no safetensors, or neither the hub nor the cache has an answer.
        OptionError: If `repository` is no name of a repository.
    """
    folder = _cached(repository)
    if folder is None:
        # The weights last: where they are, the rest is too.
        _download(name, repository, _BESIDE)
        folder = _download(name, repository, (*_BESIDE, WEIGHTS, "model-*-of-*.safetensors"))
        if not (folder / "config.json").is_file() or not any((folder / file).is_file() for file in (WEIGHTS, INDEX)):
            raise ModelError(
                name,
                f"has no config.json and {WEIGHTS} in {folder}: pickled weights (*.bin) are not read, convert them",
            )
    return Checkpoint.in_folder(name, folder, commit=folder.name)


def configuration(name: str, repository: str) -> tuple[dict[str, Any], Card]:
    """The content of a repository's ``config.json`` and what its card says; without the weights.

    Raises:
        ModelError, OptionError: As `checkpoint`.
    """
    folder = _cached(repository) or _download(name, repository, _BESIDE)
    try:
        config = json.loads((folder / "config.json").read_text())
    except (OSError, ValueError) as error:
        raise ModelError(name, f"has no config.json that can be read in {folder}") from error
    return config, Card.in_folder(folder)


def installed(repository: str) -> str:
    """The commit of a repository whose configuration the cache holds; empty where it holds none."""
    folder = _snapshot(repository)
    return folder.name if folder is not None and (folder / "config.json").is_file() else ""


def _snapshot(repository: str) -> Path | None:
    """The folder of the cache for the newest commit that it knows of, whatever of it is there."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=["config.json"], local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError):
        return None


def _cached(repository: str) -> Path | None:
    """The folder of the cache that holds configuration, weights and what belongs to them."""
    folder = _snapshot(repository)
    if folder is None:
        return None
    weights = next((folder / file for file in (WEIGHTS, INDEX) if (folder / file).is_file()), None)
    if weights is None or not (folder / "config.json").is_file():
        return None
    found = Checkpoint({}, weights)
    beside = {file.name for pattern in _BESIDE for file in folder.glob(pattern)} - {"config.json", "README.md", INDEX}
    # A library that was asked for the weights alone leaves neither tokenizer nor preprocessor; timm has none.
    whole = all(file.is_file() for file in found.parts()) and (beside or _needs_nothing_else(folder))
    return folder if whole else None


def _needs_nothing_else(folder: Path) -> bool:
    return "pretrained_cfg" in (folder / "config.json").read_text()


def _reaches(repository: str) -> bool:
    """Whether the hub answers in time; `snapshot_download` would wait for ever."""
    from huggingface_hub import HfApi, errors

    try:
        persistently(lambda: HfApi().model_info(repository, timeout=_PATIENCE), unless=_is_final)
    except (errors.HFValidationError, errors.RepositoryNotFoundError):  # which gated ones are too
        raise
    except Exception:  # switched off, no connection, no answer: each version has its own
        return False
    return True


def _is_final(error: Exception) -> bool:
    """Whether the hub, or the lack of it, would be the same in a moment."""
    from huggingface_hub import errors

    if isinstance(error, errors.LocalEntryNotFoundError) and isinstance(error.__cause__, Exception):
        return _is_final(error.__cause__)
    if isinstance(error, errors.HFValidationError | errors.LocalEntryNotFoundError | errors.OfflineModeIsEnabled):
        return True
    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code not in _PASSING
    return nobody_there(error)


def _download(name: str, repository: str, patterns: tuple[str, ...]) -> Path:
    from huggingface_hub import constants, errors, snapshot_download

    place = f"{constants.ENDPOINT}/{repository}"
    try:
        reached = _reaches(repository)

        def fetch() -> Path:
            # What several processes of this machine want is downloaded by one of them; the others wait for its lock.
            return Path(snapshot_download(repository, allow_patterns=list(patterns), local_files_only=not reached))

        return persistently(fetch, unless=_is_final)
    except errors.HFValidationError as error:
        raise OptionError("model", name, "hf/ORG/NAME, as the hub writes it") from error
    except errors.GatedRepoError as error:
        raise ModelError(name, f"is gated: ask for access at {place} and set HF_TOKEN") from error
    except errors.RepositoryNotFoundError as error:
        raise ModelError(name, f"is not at {place}, or is private: check the name, or set HF_TOKEN") from error
    except errors.LocalEntryNotFoundError as error:
        if constants.HF_HUB_OFFLINE:
            reason = "is not in the cache, and HF_HUB_OFFLINE is set"
        else:
            reason = f"is not in the cache, and {constants.ENDPOINT} cannot be reached"
        raise ModelError(name, f"{reason}: run `hf download {repository}` where there is a network") from error
    except Exception as error:  # what a connection that breaks raises has changed from version to version
        line = str(error).strip().partition("\n")[0]
        raise ModelError(name, f"could not be downloaded from {place}: {type(error).__name__}: {line}") from error
