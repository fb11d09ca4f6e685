"""What `manage.py tenant` can do. A verb is a module with

    HELP                       a sentence
    add_arguments(parser)      what it takes
    run(told, screen) -> int   does it, shows it, and gives the exit status

The work itself is done elsewhere, in `tenants.actions` and its neighbours: a verb parses and prints.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Protocol

from tenants.verbs import create, erasing, exporting, importing, listing, migrate, resume, suspend
from tenants.verbs.screen import Screen


class Verb(Protocol):
    @property
    def HELP(self) -> object: ...

    def add_arguments(self, parser: ArgumentParser) -> None: ...

    def run(self, told: Namespace, screen: Screen) -> int: ...


VERBS: dict[str, Verb] = {
    "create": create,
    "list": listing,
    "suspend": suspend,
    "resume": resume,
    "migrate": migrate,
    "export": exporting,
    "import": importing,
    "erase": erasing,
}
