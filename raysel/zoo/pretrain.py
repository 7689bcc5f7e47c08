"""Making the checkpoints: every member trained on its source, and compared with its twin from scratch."""

import json
import multiprocessing
import shutil
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import torch

from raysel.finetune import FineTuning, Recipe
from raysel.models import ModelBundle, create, load
from raysel.zoo import load_task
from raysel.zoo.members import MEMBERS, SCRATCH, Member
from raysel.zoo.text_architectures import tokenizer

SAMPLES = {"latin": 8000, "topics": 2700}  # by source: letters are many, and the standard library has no more
FEWER_SAMPLES = 4000  # of the others
CONVOLUTIONS = Recipe(lr=2e-3, batch_size=64, epochs=10)
TOKENS = Recipe(lr=1e-3, batch_size=32, epochs=14)
TEXTS = Recipe(lr=2e-3, batch_size=32, epochs=6)


def pretrain(names: Sequence[str], folder: Path, *, processes: int, samples: int | None = None) -> list[dict[str, Any]]:
    """Train the members named that `folder` does not hold yet, in parallel processes.

    A member is there when its `pretraining.json` is: what was interrupted is made anew.

    Args:
        names: Of `MEMBERS`.
        folder: Holds a checkpoint folder a member.
        processes: How many train at once, one core each.
        samples: Of the source that a member is trained on; by default as in `SAMPLES`.

    Returns:
        What is in the members' `pretraining.json`, as they are done.
    """
    missing = [name for name in names if not (folder / _short(name) / "pretraining.json").exists()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting = [pool.submit(_pretrain, MEMBERS[name], folder / _short(name), samples) for name in missing]
        done = []
        for future in as_completed(waiting):
            done.append(future.result())
            print(json.dumps(done[-1]), flush=True)  # noqa: T201  (progress of a program that takes an hour)
    return done


def _short(name: str) -> str:
    return name.removeprefix("zoo/")


def _pretrain(member: Member, folder: Path, samples: int | None) -> dict[str, Any]:
    """Train one member, save it in half precision and note how it went."""
    shutil.rmtree(folder, ignore_errors=True)
    recipe = TEXTS if member.made_by.inputs == "texts" else TOKENS if member.made_by.tokens else CONVOLUTIONS
    recipe = Recipe(**{**recipe.as_dict(), "seed": member.seed})
    bundle = _created(member, seed=member.seed)
    noted: dict[str, Any] = {"model": member.name, "source": member.source, "parameters": bundle.parameters}
    if member.source != SCRATCH:
        data = load_task(member.source, train=samples or SAMPLES.get(member.source, FEWER_SAMPLES))
        bundle.replace_head(data.outputs, seed=member.seed)
        last = list(FineTuning(bundle, data, recipe).points())[-1]
        noted |= {
            "samples": len(data.train),
            "epochs": recipe.epochs,
            "seconds": round(last.seconds, 1),
            "accuracy": last.test,
        }
    bundle.module.half()
    bundle.save(folder)
    if member.made_by.inputs == "texts":
        _tidy_tokenizer(folder)
    if member.pretrained:
        noted |= _against_twin(member, folder)
    _write(folder / "pretraining.json", noted, indent=1)
    return noted


def _write(file: Path, content: dict[str, Any], *, indent: int | None) -> None:
    file.write_text(json.dumps(content, indent=indent) + "\n")


def _tidy_tokenizer(folder: Path) -> None:
    """Say it in few lines, of which transformers spends one on every token, and by a class that its version 4 knows."""
    pairs, config = folder / "tokenizer.json", folder / "tokenizer_config.json"
    _write(pairs, json.loads(pairs.read_text()), indent=None)
    _write(config, {**json.loads(config.read_text()), "tokenizer_class": "PreTrainedTokenizerFast"}, indent=1)


def _created(member: Member, *, seed: int) -> ModelBundle:
    transform = tokenizer() if member.made_by.inputs == "texts" else None
    return create(member.made_by.config, seed=seed, name=member.name, transform=transform)


def _against_twin(member: Member, folder: Path) -> dict[str, float]:
    """Test accuracy on a small training set of the source, fine-tuned from the checkpoint and from scratch."""
    data, recipe = load_task(member.source), Recipe(seed=member.seed)

    def test(bundle: ModelBundle) -> float:
        bundle.replace_head(data.outputs, seed=recipe.seed)
        test = list(FineTuning(bundle, data, recipe).points())[-1].test
        return float("nan") if test is None else test

    twin = _created(member, seed=member.seed + 1000)
    return {"tuned": test(load(f"file:{folder}")), "scratch_tuned": test(twin)}
