"""The device that a process was given: which, what it computes fastest in, and whether its memory ran out."""

import torch


def device_here() -> torch.device:
    """The GPU that this process uses, or the processor."""
    # With its number: another thread of the process has a current device of its own.
    return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")


def fastest_type(device: torch.device) -> torch.dtype:
    """What forward passes compute in without harm: half of float32's bits on a GPU, float32 elsewhere."""
    if device.type != "cuda":
        return torch.float32
    return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16


def out_of_memory(error: BaseException) -> bool:
    """Whether memory ran out, a device's or the machine's.

    >>> out_of_memory(RuntimeError("CUDA error: out of memory")), out_of_memory(RuntimeError("shape mismatch"))
    (True, False)
    """
    said = str(error).lower()
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or any(words in said for words in _WORDS)


_WORDS = "out of memory", "can't allocate memory"
