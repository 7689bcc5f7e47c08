"""What seconds were measured on."""

import re

import pytest
import torch

from raysel.finetune.hardware import hardware_here


def test_a_processor_is_told_by_its_threads() -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        found, twice = hardware_here(), hardware_here(workers=2)
    finally:
        torch.set_num_threads(before)
    if not torch.cuda.is_available():
        assert re.fullmatch(r"2 x \S.*", found)
        assert twice == f"4{found[1:]}"


def test_a_gpu_is_told_by_its_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "NVIDIA A10G")
    monkeypatch.setattr("raysel.finetune.hardware._given", lambda: {"CPU": 1.0, "GPU": 0.25})
    assert hardware_here() == "0.25 x NVIDIA A10G"
