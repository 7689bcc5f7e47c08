"""How much of a GPU a trial is given."""

import pytest

from raysel.errors import OptionError
from raysel.finetune import Recipe, resources_for

MILLION, GB = 10**6, 1e9


# Expected by hand, in GB: fixed + activations, over the memory of a GPU.
@pytest.mark.parametrize(
    ("parameters", "recipe", "gpu_memory", "cpu", "gpu"),
    [
        (25 * MILLION, Recipe(), None, 1, 0),
        (25 * MILLION, Recipe(), 16 * GB, 1, 1 / 4),  # 1.47 + 1.34 = 2.81: five would fit, four may
        (86 * MILLION, Recipe(), 20 * GB, 1, 1 / 3),  # 2.45 + 3.29 = 5.74
        (86 * MILLION, Recipe(precision="float32"), 24 * GB, 1, 1 / 2),  # 2.45 + 6.58 = 9.03
        (86 * MILLION, Recipe(batch_size=64), 24 * GB, 1, 1),  # 2.45 + 13.2 = 15.6
        (86 * MILLION, Recipe(batch_size=64, accumulate=8), 24 * GB, 1, 1 / 4),  # 2.45 + 1.64 = 4.09
        (86 * MILLION, Recipe(batch_size=256), 24 * GB, 3, 3),  # 2.45 + 52.6; 104 samples fit one GPU
        (86 * MILLION, Recipe(batch_size=256, tuning="head"), 24 * GB, 1, 1 / 4),  # 1.43 + 2.63 = 4.06
        (1500 * MILLION, Recipe(tuning="lora"), 24 * GB, 4, 4),  # 7.43 + 48.5; 5 samples fit one GPU
    ],
)
def test_a_table(parameters: int, recipe: Recipe, gpu_memory: float | None, cpu: float, gpu: float) -> None:
    assert resources_for(parameters, recipe, gpu_memory=gpu_memory) == {"cpu": cpu, "gpu": pytest.approx(gpu)}


@pytest.mark.parametrize(
    ("parameters", "gpu_memory", "says"),
    [
        (
            1500 * MILLION,
            24 * GB,
            "`parameters` is 1500000000, but must be of a model that fits a GPU of 24 GB",
        ),  # 25.1
        (1400 * MILLION, 24 * GB, "try lora, head or accumulate"),  # 23.5 fixed, and one sample takes 2.8
        (0, 24 * GB, "`parameters` is 0"),
        (MILLION, 0.0, "`gpu_memory` is 0.0"),
    ],
)
def test_what_no_number_of_gpus_is_enough_for(parameters: int, gpu_memory: float, says: str) -> None:
    with pytest.raises(OptionError) as caught:
        resources_for(parameters, Recipe(), gpu_memory=gpu_memory)
    assert says in str(caught.value)
