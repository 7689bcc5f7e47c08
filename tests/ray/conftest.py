"""A local Ray instance for the tests of each module, silent and without a dashboard."""

import os
from collections.abc import Iterator

import pytest

os.environ.update(
    RAY_AIR_NEW_OUTPUT="0",
    RAY_TRAIN_ENABLE_V2_MIGRATION_WARNINGS="0",
    TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="0",
    TUNE_DISABLE_AUTO_CALLBACK_SYNCER="1",
    RAY_USAGE_STATS_ENABLED="0",
    RAY_AUTH_MODE="disabled",
    RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO="0",
    RAY_TRAIN_HEALTH_CHECK_INTERVAL_S="0.2",  # how often Train looks for reports
)
SLOTS = 8


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """Ray on this machine, with more slots than any test needs.

    Now and then Ray loses a slot for good when a placement group is removed while its worker starts; a test that needs
    them all would then wait for ever.
    """
    import ray

    options = {"include_dashboard": False, "log_to_driver": False, "configure_logging": False}
    try:
        ray.init(address="local", num_cpus=SLOTS, **options)
    except Exception:  # Ray gives itself half a minute to start, which is too little on a machine that is busy
        ray.shutdown()
        ray.init(address="local", num_cpus=SLOTS, **options)
    yield
    ray.shutdown()
