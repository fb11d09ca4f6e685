"""Every sentence of the product has its Chinese: none missing, none doubtful, and all with the same places to fill."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import polib
import pytest
from django.conf import settings
from django.core.management import call_command

DOMAINS = ("django", "djangojs")
PLACES = re.compile(r"%\(\w+\)[sdf]|%[sd]|%%|\{\w*\}|\$\{\w+\}")
HAN = re.compile(r"[\u4e00-\u9fff]")


def catalogue(domain: str, locale: str = "zh_Hans") -> polib.POFile:
    file = settings.BASE_DIR / "kefu" / "locale" / locale / "LC_MESSAGES" / f"{domain}.po"
    assert file.exists(), f"{file} is missing: run `make messages`"
    return polib.pofile(str(file))


def texts(entry: polib.POEntry) -> list[str]:
    return list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]


@pytest.mark.parametrize("domain", DOMAINS)
def test_it_translates_every_sentence(domain: str) -> None:
    open_ones = [e.msgid for e in catalogue(domain) if not e.obsolete and (e.fuzzy or not all(texts(e)))]
    assert open_ones == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_it_keeps_the_places_to_fill(domain: str) -> None:
    wrong = [
        (entry.msgid, text)
        for entry in catalogue(domain).translated_entries()
        for text in texts(entry)
        if not set(PLACES.findall(text)) <= set(PLACES.findall(entry.msgid + entry.msgid_plural))
        or (not entry.msgid_plural and sorted(PLACES.findall(text)) != sorted(PLACES.findall(entry.msgid)))
    ]
    assert wrong == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_it_speaks_chinese(domain: str) -> None:
    sentences = [e for e in catalogue(domain).translated_entries() if len(e.msgid.split()) > 3]
    assert sentences
    assert [e.msgid for e in sentences if not HAN.search(texts(e)[0])] == []


@pytest.mark.skipif(
    not shutil.which("xgettext"), reason="gettext is not installed: the sources cannot be read afresh"
)
@pytest.mark.parametrize("domain", DOMAINS)
def test_it_misses_no_sentence_of_the_sources(
    domain: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh = extracted(domain, tmp_path, monkeypatch)
    known = {(entry.msgctxt, entry.msgid) for entry in catalogue(domain) if not entry.obsolete}
    assert [entry.msgid for entry in fresh if (entry.msgctxt, entry.msgid) not in known] == []


def extracted(domain: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> polib.POFile:
    """The sentences that stand in the sources now, collected from a copy of them."""
    for name in ("kefu", "tenants", "knowledge", "inference", "chat", "templates", "static"):
        shutil.copytree(
            settings.BASE_DIR / name, folder / name, ignore=shutil.ignore_patterns("*.[pm]o", "*.pyc")
        )
    target = folder / "kefu" / "locale"
    target.mkdir(exist_ok=True)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(settings, "LOCALE_PATHS", [str(target)])
    call_command("makemessages", locale=["zh_Hans"], domain=domain, verbosity=0)
    return polib.pofile(str(target / "zh_Hans" / "LC_MESSAGES" / f"{domain}.po"))
