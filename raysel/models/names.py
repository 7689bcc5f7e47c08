"""Names of models: the prefix says where the checkpoint comes from, the rest which one.

::

    zoo/latin-vit            a checkpoint of the mini zoo that ships with raysel
    timm/resnet18.a1_in1k    a pre-trained model of timm; without the part after the dot, timm's default weights
    torchvision/resnet50     a classifier of torchvision, with its default weights
    hf/ORG/NAME              a checkpoint of the hub that transformers or timm can load
    file:/data/my-model      a checkpoint folder in its library's own format

What is in the caches of huggingface_hub and torch is used as it is; the rest is downloaded into them. Your own prefix
joins by `register`, or by an entry point: in the group ``raysel.models``, the point ``team = "our_package:family"``
makes names that begin with ``team/``.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from raysel.errors import OptionError, UnknownNameError
from raysel.models import places
from raysel.models.cards import Card
from raysel.models.checkpoints import Checkpoint

Locate = Callable[[str], Path | Checkpoint]
"""From the part of a name after its prefix to the checkpoint, or to the folder that it lies in."""

GROUP = "raysel.models"
"""The entry point group that a package adds its own family to."""

_GLOB = frozenset("*?[")


@dataclass(frozen=True)
class Family:
    """The models whose names share a prefix.

    Args:
        locate: Finds the checkpoint that a name stands for, or the folder it lies in.
        names: Lists the names without the prefix; without it globs match nothing.
        configure: Finds a model's configuration and card without its weights; without it they are looked for where the
            checkpoint lies.
        installed: Finds the revision that this machine has, as `revision` would give it, without asking anybody else;
            empty where it has none. Without it nobody knows.
    """

    locate: Locate
    names: Callable[[], Iterable[str]] = tuple
    configure: Callable[[str], tuple[dict[str, Any], Card]] | None = None
    installed: Callable[[str], str] | None = None


_FAMILIES: dict[str, Family] = {
    "zoo/": Family(places.zoo, places.zoo_names, installed=lambda name: places.zoo(name).revision),
    "timm/": Family(places.timm, places.timm_names, places.timm_configuration, places.timm_installed),
    "torchvision/": Family(places.torchvision, places.torchvision_names, places.torchvision_configuration),
    "hf/": Family(
        places.hugging_face, configure=places.hugging_face_configuration, installed=places.hugging_face_installed
    ),
    "file:": Family(places.folder, installed=lambda path: places.folder(path).revision),
}


def register(prefix: str, locate: Locate, *, names: Callable[[], Iterable[str]] = tuple) -> None:
    """Make names that begin with `prefix` (such as ``team/``) stand for the checkpoints that `locate` finds.

    Args:
        prefix: What the names begin with.
        locate: As in `Family`.
        names: As in `Family`.

    Raises:
        OptionError: If the prefix is empty or does not end in ``/`` or ``:``.
    """
    if len(prefix) < 2 or prefix[-1] not in "/:":
        raise OptionError("prefix", prefix, "a word that ends in / or :")
    _FAMILIES[prefix] = Family(locate, names)


def checkpoint_of(name: str) -> Checkpoint:
    """The checkpoint that `name` stands for, downloaded if no cache holds it.

    Raises:
        UnknownNameError: If no prefix fits, or the prefix knows no such model.
        ModelError: If it cannot be had: missing, gated, or no network.
        OptionError: If what is found is not a checkpoint.
    """
    prefix, family = _family(name)
    found = family.locate(name.removeprefix(prefix))
    return found if isinstance(found, Checkpoint) else Checkpoint.in_folder(name, found)


def configuration_of(name: str) -> tuple[dict[str, Any], Card]:
    """The configuration in its library's words, and what is said of the model.

    No weights are downloaded where the prefix can do without.

    Raises:
        UnknownNameError, ModelError, OptionError: As `checkpoint_of`.
    """
    prefix, family = _family(name)
    if family.configure is not None:
        return family.configure(name.removeprefix(prefix))
    checkpoint = checkpoint_of(name)
    return checkpoint.config, Card.in_folder(checkpoint.folder)


def revision(name: str) -> str:
    """What changes when the model does: the hub's commit, or else eight hexadecimal digits of its files.

    Raises:
        UnknownNameError, ModelError, OptionError: As `checkpoint_of`.
    """
    return checkpoint_of(name).revision


def installed_revision(name: str) -> str:
    """The revision of a model as far as this machine knows it: nothing is downloaded and nobody asked.

    Of a model of the hub that is the one whose configuration or weights its cache holds, which raysel goes on with.

    Returns:
        As `revision`; empty where it is not known here.

    Raises:
        UnknownNameError: If no prefix fits, or the prefix knows no such model.
        OptionError: If what is there is not a checkpoint.
    """
    prefix, family = _family(name)
    return "" if family.installed is None else family.installed(name.removeprefix(prefix))


def expand(patterns: Iterable[str]) -> tuple[str, ...]:
    """The names that patterns stand for, each once, in order; nothing is loaded or downloaded.

    Args:
        patterns: Names; globs such as ``torchvision/resnet*``, of what the prefix lists; and text files, a pattern a
            line, where ``#`` begins a comment.

    Raises:
        UnknownNameError: If a name stands for nothing, or a glob matches nothing.

    >>> expand(["zoo/latin-v*", "zoo/latin-resnet", "zoo/latin-vit"])
    ('zoo/latin-vit', 'zoo/latin-resnet')
    """
    return tuple(dict.fromkeys(name for pattern in patterns for name in _expanded(pattern)))


def _expanded(pattern: str) -> Iterable[str]:
    if not _is_prefixed(pattern) and Path(pattern).is_file():
        lines = (line.partition("#")[0].strip() for line in Path(pattern).read_text().splitlines())
        return expand(line for line in lines if line)
    prefix, family = _family(pattern)
    names = [f"{prefix}{name}" for name in family.names()]
    if _GLOB & set(pattern) and prefix != "file:":  # a folder may be called anything
        matched = [name for name in names if fnmatchcase(name, pattern)]
        if not matched:
            raise UnknownNameError("model", pattern, names)
        return matched
    known = {*names, *(name.partition(".")[0] for name in names)} if prefix == "timm/" else set(names)
    if names and pattern not in known:
        raise UnknownNameError("model", pattern, names)
    return [pattern]


def _is_prefixed(name: str) -> bool:
    return any(name.startswith(prefix) for prefix in _FAMILIES)


def _family(name: str) -> tuple[str, Family]:
    """The prefix of a name, and its family; what the process registered goes before what packages offer."""
    for prefix, family in _FAMILIES.items():
        if name.startswith(prefix):
            return prefix, family
    offered = {f"{point.name}/": point for point in entry_points(group=GROUP)}
    for prefix, point in offered.items():
        if name.startswith(prefix):
            found = point.load()
            return prefix, found if isinstance(found, Family) else Family(found)
    raise UnknownNameError("model", name, [f"{prefix}..." for prefix in (*_FAMILIES, *offered)])
