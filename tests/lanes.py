"""A pytest plugin: how the tests are dealt out where several processes run them (`-n 2`, each with services of its own).

A file stays whole, and files stay together that share something which takes long to start. What takes longest begins first, or one process
would still be at it when the others have nothing left to do.
"""

from __future__ import annotations

import pytest
from xdist.scheduler import LoadScopeScheduling

TOGETHER = (
    ("tests/browser/",),  # the product
    ("tests/tenants/archive/test_cut_short.py", "tests/tenants/archive/test_round_trip.py"),  # installations
)
FIRST = (
    "tests/tenants/archive/test_cut_short.py",
    "tests/tenants/archive/test_round_trip.py",
    "tests/faults/",
    "tests/browser/",
    "tests/tenants/test_fleet.py",
    "tests/tenants/test_roles.py",
    "tests/kefu/test_dev_start.py",
    "tests/chat/test_failpoints.py",
    "tests/hostile/",
    "tests/chat/layer/",
)
STARTED = {
    "port",
    "web",
    "worker",
    "through",
    "product",
}  # fixtures of tests that start processes of the product


class Lanes(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.split("::")[0]
        return next((paths[0] for paths in TOGETHER if path.startswith(paths)), path)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> Lanes:
    config.option.loadscopereorder = False  # which would begin with what has most tests
    return Lanes(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if STARTED & {*getattr(item, "fixturenames", ())}:
            item.add_marker(pytest.mark.product)
    items.sort(key=rank)


def rank(item: pytest.Item) -> int:
    ranks = (number for number, path in enumerate(FIRST) if item.nodeid.startswith(path))
    return next(ranks, len(FIRST))
