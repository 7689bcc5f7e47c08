"""Proxies: how well a model is likely to transfer, from one forward pass over the target and no training.

Each is a function of arrays in a module of its own, with its paper. Higher is better. A new one joins by such a module
and a line here.

A proxy that looks at features can look at those averaged over layers instead, which for texts often tell more than the
last layer's: ``logme@layers`` is LogME on them, a proxy of its own to options and histories.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from raysel.errors import UnknownNameError
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

__all__ = ["PROXIES", "Proxy", "hscore", "knn", "leep", "linear_probe", "logme", "proxy_named"]


def proxy_named(name: str) -> Proxy:
    """The proxy of that name; with ``@layers`` after it, on features averaged over layers.

    Raises:
        UnknownNameError: If there is none, or it looks at no features.

    >>> proxy_named("logme").needs, proxy_named("logme@layers").needs
    ('features', 'layers')
    """
    on_layers = {
        f"{proxy.name}@layers": replace(proxy, name=f"{proxy.name}@layers", needs="layers")
        for proxy in PROXIES.values()
        if proxy.needs == "features"
    }
    known = {**PROXIES, **on_layers}
    if name not in known:
        raise UnknownNameError("proxy", name, known)
    return known[name]
