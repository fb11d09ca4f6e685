#!/usr/bin/env python
from __future__ import annotations

import os
import sys

from kefu.dev.environment import prepare
from kefu.dev.run import main as dev
from tenants import owner


def main() -> None:
    if sys.argv[1:] == ["dev"]:
        sys.exit(dev())  # before Django: the addresses that its settings read are made on the first start
    if sys.argv[1:2] == ["model"]:
        prepare()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "kefu.settings")
    owner.is_at_work = "runserver" not in sys.argv
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
