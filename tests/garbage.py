"""A pytest plugin: imports and collected tests stay in memory until the end, and Python need not look through them again and again.

Its search for garbage would take a fifth of the tests' time otherwise. What the tests make themselves is searched as ever.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

gc.disable()  # from before the settings are loaded


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[object]:
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
