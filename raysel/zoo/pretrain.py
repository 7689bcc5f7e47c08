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
from raysel.zoo.members import MEMBERS, SCRATCH, Member
from raysel.zoo.tasks import load_task

IMAGES = {"latin": 8000}
FEWER_IMAGES = 4000  # for sources of fewer classes, learnt sooner
CONVOLUTIONS = Recipe(lr=2e-3, batch_size=64, epochs=10)
TOKENS = Recipe(lr=1e-3, batch_size=32, epochs=14)


def pretrain(names: Sequence[str], folder: Path, *, processes: int, images: int | None = None) -> list[dict[str, Any]]:
    """Train the members named that `folder` does not hold yet, in parallel processes.

    A member is there when its `pretraining.json` is: what was interrupted is made anew.

    Args:
        names: Of `MEMBERS`.
        folder: Holds a checkpoint folder a member.
        processes: How many train at once, one core each.
        images: Of the source that a member is trained on; by default 4000, or 8000 of Latin letters.

    Returns:
        What is in the members' `pretraining.json`, as they are done.
    """
    missing = [name for name in names if not (folder / _short(name) / "pretraining.json").exists()]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        waiting = [pool.submit(_pretrain, MEMBERS[name], folder / _short(name), images) for name in missing]
        done = []
        for future in as_completed(waiting):
            done.append(future.result())
            print(json.dumps(done[-1]), flush=True)  # noqa: T201  (progress of a program that takes an hour)
    return done


def _short(name: str) -> str:
    return name.removeprefix("zoo/")


def _pretrain(member: Member, folder: Path, images: int | None) -> dict[str, Any]:
    """Train one member, save it in half precision and note how it went."""
    shutil.rmtree(folder, ignore_errors=True)
    recipe = TOKENS if member.made_by.tokens else CONVOLUTIONS
    recipe = Recipe(**{**recipe.as_dict(), "seed": member.seed})
    bundle = create(member.made_by.config, seed=member.seed, name=member.name)
    noted: dict[str, Any] = {"model": member.name, "source": member.source, "parameters": bundle.parameters}
    if member.source != SCRATCH:
        data = load_task(member.source, train=images or IMAGES.get(member.source, FEWER_IMAGES))
        bundle.replace_head(data.outputs, seed=member.seed)
        last = list(FineTuning(bundle, data, recipe).points())[-1]
        noted |= {
            "images": len(data.train),
            "epochs": recipe.epochs,
            "seconds": round(last.seconds, 1),
            "accuracy": last.test,
        }
    bundle.module.half()
    bundle.save(folder)
    if member.pretrained:
        noted |= _against_twin(member, folder)
    (folder / "pretraining.json").write_text(json.dumps(noted, indent=1) + "\n")
    return noted


def _against_twin(member: Member, folder: Path) -> dict[str, float]:
    """Test accuracy on a small training set of the source, fine-tuned from the checkpoint and from scratch."""
    data, recipe = load_task(member.source), Recipe(seed=member.seed)

    def test(bundle: ModelBundle) -> float:
        bundle.replace_head(data.outputs, seed=recipe.seed)
        test = list(FineTuning(bundle, data, recipe).points())[-1].test
        return float("nan") if test is None else test

    twin = create(member.made_by.config, seed=member.seed + 1000)
    return {"tuned": test(load(f"file:{folder}")), "scratch_tuned": test(twin)}
