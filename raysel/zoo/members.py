"""The models of the mini zoo: which architecture was pre-trained on what."""

from dataclasses import dataclass

from raysel.zoo.architectures import ARCHITECTURES, Architecture
from raysel.zoo.text_architectures import TEXT_ARCHITECTURES

SCRATCH = "scratch"  # no source: never trained
RANDOM, NONSENSE = "random", "nonsense"  # sources with nothing to learn, of images and of texts


@dataclass(frozen=True)
class Member:
    """A model of the zoo.

    Args:
        source: The task it was pre-trained on, or `scratch`.
        architecture: A key of `ARCHITECTURES` or `TEXT_ARCHITECTURES`.
        seed: Draws its initial weights and the order of its data; members that differ in it alone are near-twins.
    """

    source: str
    architecture: str
    seed: int = 0

    @property
    def name(self) -> str:
        """What it is called: ``zoo/latin-resnet``, ``zoo/latin-resnet-2`` for its near-twin."""
        return f"zoo/{self.source}-{self.architecture}" + (f"-{self.seed + 1}" if self.seed else "")

    @property
    def made_by(self) -> Architecture:
        """Its architecture."""
        return {**ARCHITECTURES, **TEXT_ARCHITECTURES}[self.architecture]

    @property
    def pretrained(self) -> bool:
        """Whether it was trained on something that can be learnt."""
        return self.source not in (SCRATCH, RANDOM, NONSENSE)


# Architectures that are strong everywhere have narrow sources, or they would win everywhere.
_BY_SOURCE = {
    "latin": ("resnet", "resnet", "convnext", "vit", "shufflenet", "levit"),
    "shapes": ("resnet", "efficientnet", "convnext-timm", "vit-hf", "swin"),
    "gratings": ("resnet-timm", "convnext", "convnext", "vit-tv", "efficientnet"),
    "hues": ("efficientnet", "vit-hf"),
    "dots": ("resnet", "swin", "shufflenet", "resnet-timm"),
    "cells": ("vit-tv", "resnet-timm", "densenet"),
    "noises": ("vit-tv", "resnet"),
    RANDOM: ("convnext", "vit"),
    SCRATCH: ("resnet", "vit"),
}
_TEXTS_BY_SOURCE = {
    "topics": ("bert", "bert"),
    "blanks": ("bert", "gpt2"),
    "statements": ("electra",),
    "marks": ("bert",),
    "places": ("gpt2",),
    NONSENSE: ("bert",),
    SCRATCH: ("bert",),
}

MEMBERS = {
    member.name: member
    for source, architectures in (*_BY_SOURCE.items(), *_TEXTS_BY_SOURCE.items())
    for place, architecture in enumerate(architectures)
    for member in (Member(source, architecture, architectures[:place].count(architecture)),)
}
"""By name, in a fixed order."""
