"""A provider of machines for Ray's autoscaler: each is a `ray start` on this one, with a temporary folder of its own.

Ray's own stand-in, which this extends, lets all nodes share the head's folder. There a second node unpacks a job's
working directory anew and takes it from under the first one's driver.
"""

import os
import subprocess
from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FakeMultiNodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_WORKER,
    STATUS_UP_TO_DATE,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)


class Machines(FakeMultiNodeProvider):  # type: ignore[misc]
    """What `provider: {type: external, module: ...}` names; it has `gcs_address` and `folder`."""

    def _create_node_with_resources_and_labels(
        self, node_config: Any, tags: dict[str, str], count: int, resources: dict[str, float], labels: Any
    ) -> None:
        name = self._next_hex_node_id()
        command = [
            "ray",
            "start",
            "--block",
            f"--address={self.provider_config['gcs_address']}",
            "--node-ip-address=127.0.0.1",
            f"--num-cpus={resources['CPU']:g}",
            f"--num-gpus={resources['GPU']:g}",
            "--object-store-memory=200000000",
            "--dashboard-agent-listen-port=0",
            f"--temp-dir={self.provider_config['folder']}/{len(self._nodes)}",
        ]
        known = {
            "RAY_OVERRIDE_NODE_ID_FOR_TESTING": name,
            "RAY_CLOUD_INSTANCE_ID": name,
            "RAY_NODE_TYPE_NAME": tags[TAG_RAY_USER_NODE_TYPE],
        }
        process = subprocess.Popen(command, env={**os.environ, **known}, stdout=subprocess.DEVNULL)
        made = {
            TAG_RAY_NODE_KIND: NODE_KIND_WORKER,
            TAG_RAY_NODE_NAME: name,
            TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE,
        }
        self._nodes[name] = {"tags": {**tags, **made}, "node": process}

    def _terminate_node(self, node: dict[str, Any]) -> None:
        node["node"].terminate()
