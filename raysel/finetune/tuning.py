"""What of a model is trained: all of it, or its head alone. `raysel.finetune.lora` is the third way."""

from pathlib import Path

from raysel.finetune.recipe import Recipe
from raysel.models import ModelBundle


class Way:
    """A way of fine-tuning a model, which is changed in place. This one trains every parameter."""

    def prepare(self, bundle: ModelBundle, *, seed: int) -> None:
        """Say which parameters are trained, and add those that are missing."""

    def train(self, bundle: ModelBundle) -> None:
        """Put the model into the mode that it is trained in."""
        bundle.module.train()

    def save(self, bundle: ModelBundle, folder: Path) -> None:
        """Write a checkpoint that the model's library alone can load, and what `restore` needs besides."""
        bundle.save(folder)

    def restore(self, bundle: ModelBundle, folder: Path) -> None:
        """Make a prepared model that was loaded from `folder` the one that was saved there, to the last bit."""


class Head(Way):
    """The head alone is trained, on features that stay as they are: no dropout, no new batch statistics.

    As nothing below the head has a gradient, no pass back through the body is made, nor what it would need kept.
    """

    def prepare(self, bundle: ModelBundle, *, seed: int) -> None:
        bundle.module.requires_grad_(False)
        bundle.head.requires_grad_(True)

    def train(self, bundle: ModelBundle) -> None:
        bundle.module.eval()


def way_of(recipe: Recipe) -> Way:
    """The recipe's way.

    Raises:
        OptionError: If it is `lora` and peft is not installed.
    """
    if recipe.tuning == "lora":
        from raysel.finetune.lora import Lora  # peft is optional

        return Lora()
    return Head() if recipe.tuning == "head" else Way()
