"""What is known of a model before its weights are loaded, and which models to leave out for it."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
from torch.utils.flop_counter import FlopCounterMode

from raysel.errors import OptionError, RayselError
from raysel.history import History
from raysel.history.facts import completed
from raysel.history.revisions import Revised
from raysel.models.adapter import Batch
from raysel.models.loading import adapter_of
from raysel.models.names import configuration_of, installed_revision
from raysel.models.texts import Tokens

Modality = Literal["images", "texts"]


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What a model's configuration says of it.

    Args:
        name: The model.
        library: `timm`, `torchvision` or `transformers`.
        family: Its architecture, whatever the size, as its library calls it: `resnet`, `bert`, ...
        modality: What it takes: `images` or `texts`.
        parameters: How many it has, with its own head.
        licence: As its card says, in small letters; `None` where that is not known here.
        source: The data that it was trained on, as its card or library calls it; empty where that is not known here.
        card: The text of its card, where it is at hand.
    """

    name: str
    library: str
    family: str
    modality: Modality
    parameters: int
    licence: str | None
    source: str = ""
    card: str = ""


def describe(name: str) -> Facts:
    """The facts about a model. At most its configuration is downloaded; no weights are loaded.

    Raises:
        UnknownNameError: If the name stands for nothing.
        ModelError: If the model cannot be had.
        OptionError: If no library recognises it.

    >>> describe("zoo/latin-vit").modality
    'images'
    """
    config, card = configuration_of(name)
    adapter = adapter_of(config, name)
    with torch.device("meta"):  # shapes alone, no memory
        parameters = sum(p.numel() for p in adapter.build(config).parameters())
    return Facts(
        name=name,
        library=adapter.library,
        family=adapter.family(config),
        modality=adapter.modality,
        parameters=parameters,
        licence=card.licence,
        source=card.source,
        card=card.text,
    )


def record(history: History, facts: Iterable[Facts]) -> None:
    """File what is known of models in a history; what it knows beyond that stays.

    Raises:
        HistoryError: If the history cannot be written to.

    >>> from tempfile import mkdtemp
    >>> history = History.create(mkdtemp() + "/history")
    >>> record(history, [describe("zoo/latin-vit")])
    >>> history.models()[["model", "family", "parameters"]].values.tolist()
    [['zoo/latin-vit', 'vision_transformer', 81161]]
    """
    known = history.models()
    rows = pd.DataFrame(
        {
            "model": one.name,
            "source": one.source,
            "family": one.family,
            "parameters": one.parameters,
            "licence": one.licence or "",
            "card": one.card,
        }
        for one in facts
    )
    if rows.empty:
        return
    found = completed(rows, known)
    new = found[found.merge(known, how="left", indicator=True)["_merge"].to_numpy() == "left_only"]
    if len(new):
        history.append(models=new)


def revised(history: History, names: Iterable[str]) -> History:
    """The history as it reads now that some models may have been uploaded again.

    Where this machine knows which revision a name stands for, and runs of that name were made with another one, they
    are those of `NAME@REVISION`, and the new upload starts from where that stood (`raysel.history.revisions`).

    Args:
        history: The past runs.
        names: The models to choose from; those whose revision is not known here stay as they are.

    Returns:
        A view whose `again` names the models that were uploaded again; it is written to as the history is.
    """
    recorded = history.revisions(names)  # so that no more files are looked into than tell anything
    current = {name: revision for name in recorded if (revision := _installed(name))}
    view = Revised(history, current)
    return view if view.again else history


def _installed(name: str) -> str:
    try:
        return installed_revision(name)
    except (RayselError, OSError):
        return ""


def forward_flops(name: str, *, tokens: int = 128) -> int | None:
    """Floating-point operations of one input's forward pass, a multiplication and an addition counted as two.

    Counted by PyTorch on shapes alone: nothing is computed, and no weights are loaded. Training on the input takes
    about three times as many, so an epoch's cost is `3 * n * forward_flops` over the device's speed.

    Args:
        name: The model.
        tokens: Of a text, at least 1; images have the size that the configuration says (224 pixels if it does not).

    Returns:
        The count; `None` where what is computed depends on more than shapes.

    Raises:
        OptionError: If `tokens` is less than 1.
        UnknownNameError, ModelError, OptionError: As `describe`.

    >>> forward_flops("zoo/latin-vit")
    2806368
    """
    if tokens < 1:
        raise OptionError("tokens", tokens, "at least 1")
    config, _ = configuration_of(name)
    adapter = adapter_of(config, name)
    with torch.device("meta"):
        module = adapter.build(config).eval()
        if adapter.modality == "texts":
            # Without a mask, which models look into.
            batch: Batch = Tokens({"input_ids": torch.ones(1, tokens, dtype=torch.long)})
        else:
            transform = adapter.transform(config, None)
            batch = torch.zeros(1, len(transform.mean), *transform.size)
        counter = FlopCounterMode(display=False)
        try:
            with torch.no_grad(), counter:
                adapter.logits(module, batch)
        except Exception:  # each operation that looks at values has its own
            return None
    return counter.get_total_flops()


def screened(
    names: Iterable[str],
    *,
    modality: Modality | None = None,
    min_parameters: float | None = None,
    max_parameters: float | None = None,
    licences: Collection[str] = (),
    strict: bool = False,
) -> tuple[dict[str, Facts], Mapping[str, str]]:
    """The models that can be had and fit, and of the others why they do not.

    Args:
        names: The candidates.
        modality: What they must take.
        min_parameters: How many parameters they must have.
        max_parameters: How many parameters they may have.
        licences: Which licences will do; any if empty. A licence that is not known will not.
        strict: Whether a model that cannot be had is an error.

    Returns:
        The facts about those that fit, and a reason for each other one, both by name.

    Raises:
        RayselError: With `strict`, for the first model that cannot be had.
    """
    kept, dropped = {}, {}
    wanted = {licence.lower() for licence in licences}
    for name in names:
        try:
            facts = describe(name)
        except RayselError as error:
            if strict:
                raise
            dropped[name] = str(error)
            continue
        if modality is not None and facts.modality != modality:
            dropped[name] = f"takes {facts.modality}, not {modality}"
        elif max_parameters is not None and facts.parameters > max_parameters:
            dropped[name] = f"has {facts.parameters / 1e6:.1f} million parameters, more than {max_parameters / 1e6:g}"
        elif min_parameters is not None and facts.parameters < min_parameters:
            dropped[name] = f"has {facts.parameters / 1e6:.1f} million parameters, fewer than {min_parameters / 1e6:g}"
        elif wanted and facts.licence not in wanted:
            dropped[name] = f"has the licence {facts.licence or 'not known'}, none of {', '.join(sorted(wanted))}"
        else:
            kept[name] = facts
    return kept, dropped
