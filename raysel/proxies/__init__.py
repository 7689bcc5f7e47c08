"""Proxies: how well a model is likely to transfer, from one forward pass over the target and no training.

Each is a function of arrays in a module of its own, with its paper. Higher is better. A new one joins by such a module
and a line here.
"""

from collections.abc import Mapping
from types import MappingProxyType

from raysel.proxies.hscore import HSCORE, hscore
from raysel.proxies.knn import KNN, knn
from raysel.proxies.leep import LEEP, leep
from raysel.proxies.linear_probe import LINEAR_PROBE, linear_probe
from raysel.proxies.logme import LOGME, logme
from raysel.proxies.proxy import Proxy

PROXIES: Mapping[str, Proxy] = MappingProxyType(
    {proxy.name: proxy for proxy in (LEEP, LOGME, HSCORE, KNN, LINEAR_PROBE)}
)
"""By name; where several would do equally, the earlier is preferred."""

__all__ = ["PROXIES", "Proxy", "hscore", "knn", "leep", "linear_probe", "logme"]
