"""Trying again what a network broke."""

import errno
import socket
import time
from collections.abc import Callable
from typing import TypeVar

TRIES = 5
PAUSE = 1.0  # seconds before the second try; twice as long before each further one

_Found = TypeVar("_Found")


def persistently(attempt: Callable[[], _Found], *, unless: Callable[[Exception], bool]) -> _Found:
    """What an attempt finds, which is made again, after a pause, while it fails: at most five times.

    Args:
        attempt: To be made; what it did before it failed must not hinder the next one.
        unless: Which failures are final; they are raised at once, as the last one is.

    >>> persistently(lambda: "there", unless=lambda error: False)
    'there'
    """
    for tried in range(1, TRIES):
        try:
            return attempt()
        except Exception as error:
            if unless(error):
                raise
        time.sleep(PAUSE * 2 ** (tried - 1))
    return attempt()


def nobody_there(error: BaseException | None) -> bool:
    """Whether a failure means that no connection was made or no answer came: asking again would only take longer.

    What libraries raise differs; what the system said is at the end of the chain of causes.

    >>> nobody_there(ConnectionRefusedError()), nobody_there(ConnectionResetError())
    (True, False)
    """
    while error is not None:
        if isinstance(error, ConnectionRefusedError | socket.gaierror | TimeoutError):
            return True
        if isinstance(error, OSError) and error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
            return True
        reason = getattr(error, "reason", None)  # urllib's
        error = error.__cause__ or error.__context__ or (reason if isinstance(reason, BaseException) else None)
    return False
