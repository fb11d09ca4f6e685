"""The demo companies as they were written: one folder each, of YAML, CSV and documents."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
COMPANIES = ("acme", "globex")
COMPANIES_KEY = "demo"  # the name of the identity key of their pages


@cache
def read(company: str, name: str) -> Any:
    return yaml.safe_load((FOLDER / company / f"{name}.yaml").read_text(encoding="utf-8"))


def rows(company: str, name: str) -> list[dict[str, str]]:
    with (FOLDER / company / f"{name}.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def documents(company: str) -> list[Path]:
    return sorted(path for path in (FOLDER / company / "documents").iterdir() if path.is_file())
