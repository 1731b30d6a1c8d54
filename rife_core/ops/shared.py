"""Settings of the whole process that several users may want at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from threading import Lock

Setting = Callable[[], AbstractContextManager[None]]


def shared(setting: Setting) -> Setting:
    """Counts the users of a setting: the first one makes it, the last one undoes it.

    They may be in several threads, nested or overlapping.

    Args:
        setting: makes a context manager that changes the process, and changes it back.

    Example:
        >>> @shared
        ... @contextmanager
        ... def loud():
        ...     print("on")
        ...     yield
        ...     print("off")
        >>> with loud():
        ...     with loud():
        ...         print("twice")
        on
        twice
        off
    """
    lock, stack = Lock(), ExitStack()
    users = 0

    @contextmanager
    def used() -> Generator[None]:
        nonlocal users
        with lock:
            if not users:
                stack.enter_context(setting())
            users += 1
        try:
            yield
        finally:
            with lock:
                users -= 1
                if not users:
                    stack.close()

    return used


@contextmanager
def environment(name: str, value: str) -> Generator[None]:
    """Sets a variable of the environment, for this process and those that it starts meanwhile."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
