"""How much of a GPU a trial needs, from its model's size."""

import math

from raysel.errors import OptionError
from raysel.finetune.recipe import Recipe

CONTEXT = 2**30  # what CUDA and its libraries take before anything is computed
SAMPLE = 64 * 2**20  # activations of one sample in float32, whatever the model: small models on large images
PER_PARAMETER = 4.0  # and bytes of them for each parameter
TRAINED = {"full": 1.0, "head": 0.01, "lora": 0.02}  # part of the parameters
KEPT = {"full": 1.0, "head": 0.05, "lora": 1.0}  # part of the activations that training keeps
SHARERS = 4  # trials on one GPU at most: more gain little, and each has its own process


def resources_for(parameters: int, recipe: Recipe, *, gpu_memory: float | None) -> dict[str, float]:
    """What Tune is to give a trial: a part of one GPU, one, or several with a worker each.

    Needed are, in bytes, with p parameters, of which t are trained, b samples that pass through the model at once, and
    everything in float32::

        fixed       = 4 p (weights) + 4 t (gradients) + 8 t (AdamW's two moments) + 1 GiB (CUDA)
        activations = b (64 MiB + 4 p), halved by mixed precision, a twentieth if only the head is trained

    t is p for `full`, p / 100 for `head` and p / 50 for `lora`. The activations are an allowance, not a measurement:
    they depend on the size of images and the length of texts. Workers on several GPUs each hold all that is fixed, and
    share the activations.

    Args:
        parameters: Of the model.
        recipe: How it is trained.
        gpu_memory: Of one GPU, in bytes; `None` where there is none.

    Returns:
        `cpu` and `gpu`: 1/4, 1/3, 1/2 or a whole number of GPUs with as many CPUs, 0 GPUs where there are none.

    Raises:
        OptionError: If no number of GPUs is enough.

    >>> resources_for(86_000_000, Recipe(batch_size=16), gpu_memory=24e9)
    {'cpu': 1.0, 'gpu': 0.25}
    """
    if parameters < 1:
        raise OptionError("parameters", parameters, "at least 1")
    if gpu_memory is None:
        return {"cpu": 1.0, "gpu": 0.0}
    if not gpu_memory > 0:
        raise OptionError("gpu_memory", gpu_memory, "a positive number of bytes, or None")
    samples = math.ceil(recipe.batch_size / recipe.accumulate)
    fixed = 4 * parameters + 12 * TRAINED[recipe.tuning] * parameters + CONTEXT
    size = 1.0 if recipe.precision == "float32" else 0.5
    activations = samples * (SAMPLE + PER_PARAMETER * parameters) * size * KEPT[recipe.tuning]
    if fixed + activations <= gpu_memory:
        sharers = min(SHARERS, int(gpu_memory / (fixed + activations)))
        return {"cpu": 1.0, "gpu": 1 / sharers}
    # The worker with the largest share of a batch must hold it.
    share = int((gpu_memory - fixed) / (activations / samples)) if gpu_memory > fixed else 0
    if not share:
        rule = f"of a model that fits a GPU of {gpu_memory / 1e9:.0f} GB with one sample: try lora, head or accumulate"
        raise OptionError("parameters", parameters, rule)
    workers = math.ceil(samples / share)
    return {"cpu": float(workers), "gpu": float(workers)}
