"""Archives that were cut short, changed, or made to harm: each is refused, and nothing of it is left."""

from __future__ import annotations

import json
import stat
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import connection

from chat.models import Webhook
from inference.models import Provider
from tenants.archive import exporting, importing
from tenants.archive.problems import Refused
from tenants.archive.sealing import make_key, read_key
from tenants.context import inside, outside
from tenants.models import Domain, Policy, Tenant
from tests.conftest import open_chat
from tests.tenants.archive.parts import Parts, take_apart

KEY_OF_NOBODY = bytes(32)


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("key") / "key"
    make_key(path)
    return read_key(path)


@pytest.fixture(scope="module")
def archives(
    django_db_setup: None, django_db_blocker: Any, key: bytes, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Acme as it is, with a conversation, a file and two secrets: sealed, and without them."""
    folder = tmp_path_factory.mktemp("archives")
    with django_db_blocker.unblock():
        acme = Tenant.objects.get(schema_name="acme")
        with inside(acme):
            open_chat(acme)
            for name in ("One", "Two"):
                Provider.objects.get_or_create(
                    name=name, base_url="http://x", model="x", api_key=f"sk-{name}"
                )
        exporting.export(acme, folder / "sealed.kefu", key)
        exporting.export(acme, folder / "open.kefu")
        with inside(acme):
            Provider.objects.filter(name__in=["One", "Two"]).delete()
    return {"sealed": folder / "sealed.kefu", "open": folder / "open.kefu"}


@pytest.fixture
def parts(archives: dict[str, Path]) -> Parts:
    return take_apart(archives["open"])


@pytest.fixture
def unchanged(committed: None) -> Iterator[None]:
    before = installation()
    yield
    assert installation() == before


def installation() -> tuple[Any, ...]:
    with outside(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT nspname, relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace ORDER BY 1, 2"
        )
        relations = cursor.fetchall()
        rows = [list(model.objects.order_by("pk").values()) for model in (Tenant, Domain, Policy)]
    top = Path(settings.MEDIA_ROOT)
    return (
        relations,
        rows,
        sorted(str(path) for path in top.rglob("*") if path.parent != top or path.name[0] != "."),
    )


def bring_in(
    path: Path, key: bytes | None = None, schema: str = "initech", host: str = "initech.example"
) -> None:
    with importing.arrival(path, key, schema, [host]) as arrival:
        importing.bring_in(arrival)


# --- Changed with care: every hash is right again ---------------------------------------------------------------------

Spoil = Callable[[Parts], object]
HOSTILE: dict[str, Spoil] = {}


def hostile(function: Spoil) -> Spoil:
    HOSTILE[function.__name__] = function
    return function


PATHS = ["../../evil", "/etc/evil", "a/../../evil", "a//b", "./a", "a/.", "..", "a\\b", "a/", "\x00"]
TYPES = [
    "text; DROP SCHEMA globex CASCADE",
    "integer references tenants_tenant",
    "text default current_user",
    "integer primary key",
    "serial",
    "vector",
    "public.vector",
    "no_such_type",
    "record",
    "",
]
NAMES = ['x"; DROP SCHEMA globex CASCADE; --', "x'", "a\x00b", "", "a" * 64, "x;y", "%s", "{}"]
SHADOWS = ["tenants_tenant", "django_session", "django_migrations", "chat_message", "tenants_domain"]

for number, path in enumerate(PATHS):
    HOSTILE[f"path-{number}"] = lambda parts, path=path: parts.add_file(path)
for number, kind in enumerate(TYPES):
    HOSTILE[f"type-{number}"] = lambda parts, kind=kind: parts.add_own_table("fine", type=kind)
for number, name in enumerate(NAMES):
    HOSTILE[f"table-{number}"] = lambda parts, name=name: parts.add_own_table(name)
    HOSTILE[f"column-{number}"] = lambda parts, name=name: parts.add_own_table("fine", column=name)
for name in SHADOWS:
    HOSTILE[f"shadow-{name}"] = lambda parts, name=name: parts.add_own_table(name)


@hostile
def file_and_folder_of_one_name(parts: Parts) -> None:
    parts.add_file("a")
    parts.add_file("a/b")


@hostile
def same_file_twice(parts: Parts) -> None:
    parts.add_file("a")
    parts.add_file("a")


@hostile
def table_that_no_migration_makes(parts: Parts) -> None:
    parts.add_own_table("globex.chat_message")
    parts.manifest["tables"][-1]["is_own"] = False


@hostile
def table_missing(parts: Parts) -> None:
    parts.manifest["tables"] = [
        table for table in parts.manifest["tables"] if table["name"] != "chat_message"
    ]
    del parts.members["tables/chat_message"]


@hostile
def column_missing(parts: Parts) -> None:
    parts.table("chat_visitor")["columns"].pop()


@hostile
def column_of_another_name(parts: Parts) -> None:
    parts.table("chat_visitor")["columns"][1]["name"] = "name) FROM PROGRAM 'id' --"


@hostile
def rows_that_are_none(parts: Parts) -> None:
    parts.members["tables/chat_visitor"] = b"not\ta row\n"


@hostile
def rows_more_than_said(parts: Parts) -> None:
    parts.table("chat_visitor")["rows"] += 1


@hostile
def rows_of_what_is_not_there(parts: Parts) -> None:
    """Conversations whose visitor the archive does not hold."""
    parts.members["tables/chat_visitor"] = b""
    parts.table("chat_visitor")["rows"] = 0


@hostile
def sequence_beyond_every_number(parts: Parts) -> None:
    parts.table("chat_message")["sequences"]["id"] = 2**63


@hostile
def sequence_of_no_column(parts: Parts) -> None:
    parts.table("chat_message")["sequences"]["evil"] = 1


@hostile
def migrations_of_the_future(parts: Parts) -> None:
    parts.manifest["migrations"]["chat"].append("9999_future")


@hostile
def migrations_with_a_hole(parts: Parts) -> None:
    del parts.manifest["migrations"]["chat"][0]


@hostile
def another_format(parts: Parts) -> None:
    parts.manifest["format"] = 2


@hostile
def more_in_the_manifest(parts: Parts) -> None:
    parts.manifest["evil"] = True


@hostile
def public_rows_of_a_platform_login(parts: Parts) -> None:
    parts.set_public(parts.public() | {"auth.user": [{"username": "evil", "is_superuser": True}]})


@hostile
def public_rows_of_two_tenants(parts: Parts) -> None:
    rows = parts.public()
    rows["tenants.tenant"] *= 2
    parts.set_public(rows)


@hostile
def public_value_that_no_form_takes(parts: Parts) -> None:
    rows = parts.public()
    rows["tenants.policy"][0]["accent"] = "red;}body{display:none"
    parts.set_public(rows)


@hostile
def public_value_of_another_kind(parts: Parts) -> None:
    rows = parts.public()
    rows["tenants.policy"][0]["max_text"] = {"a": 1}
    parts.set_public(rows)


@hostile
def public_field_that_is_decided_here(parts: Parts) -> None:
    rows = parts.public()
    rows["tenants.tenant"][0]["schema_name"] = "public"
    parts.set_public(rows)


@hostile
def public_rows_that_are_no_json(parts: Parts) -> None:
    parts.members["public.json"] = b"\xff{"


@hostile
def secret_of_a_column_that_keeps_none(parts: Parts) -> None:
    secret = {"table": "auth_user", "column": "password", "key": ["1"], "label": "x", "sealed": None}
    parts.members["secrets.json"] = json.dumps([secret]).encode()


@hostile
def bomb_by_ratio(parts: Parts) -> None:
    parts.add_file("bomb", bytes(160 * 2**20))


@pytest.mark.parametrize("name", HOSTILE)
def test_it_refuses(name: str, parts: Parts, tmp_path: Path, unchanged: None) -> None:
    HOSTILE[name](parts)
    parts.hash_anew()
    with pytest.raises(Refused):
        bring_in(parts.write(tmp_path / "bad.kefu"))


# --- Changed, or cut short --------------------------------------------------------------------------------------------


def test_it_refuses_a_byte_that_is_another(parts: Parts, tmp_path: Path, unchanged: None) -> None:
    for name, content in parts.members.items():
        if content:
            parts.members[name] = content[:-1] + bytes([content[-1] ^ 1])
            with pytest.raises(Refused):
                bring_in(parts.write(tmp_path / "bad.kefu"))
            parts.members[name] = content


def test_it_refuses_what_is_missing_or_too_much(parts: Parts, tmp_path: Path, unchanged: None) -> None:
    for spoiled in (
        {name: content for name, content in parts.members.items() if name != "tables/chat_visitor"},
        parts.members | {"files/more": b""},
        parts.members | {"../../evil": b""},
    ):
        with pytest.raises(Refused):
            bring_in(Parts(parts.manifest, spoiled).write(tmp_path / "bad.kefu"))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_it_refuses_what_was_cut_short(
    archives: dict[str, Path], tmp_path: Path, unchanged: None, share: float
) -> None:
    whole = archives["open"].read_bytes()
    (tmp_path / "bad.kefu").write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(Refused):
        bring_in(tmp_path / "bad.kefu")


def test_it_refuses_what_is_no_archive(tmp_path: Path, unchanged: None) -> None:
    for path in (tmp_path, tmp_path / "nothing.kefu", Path("/dev/null")):
        with pytest.raises(Refused):
            bring_in(path)


def test_it_refuses_links(parts: Parts, tmp_path: Path, unchanged: None) -> None:
    parts.add_file("link", b"/etc/passwd")
    parts.hash_anew()
    link = parts.members.pop("files/link")
    path = parts.write(tmp_path / "bad.kefu")
    info = zipfile.ZipInfo("files/link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(info, link)
    with pytest.raises(Refused):
        bring_in(path)


def test_it_reads_no_more_than_was_said(parts: Parts, tmp_path: Path, unchanged: None) -> None:
    parts.add_file("bomb")
    parts.hash_anew()
    parts.members["files/bomb"] = bytes(200 * 2**20)
    with pytest.raises(Refused):
        bring_in(parts.write(tmp_path / "bad.kefu"))


# --- Where it would go ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "schema",
    ["acme", "globex", "public", "pg_temp", "a'; --", "../evil", "Evil", "_template", "template", "a" * 41],
)
def test_it_refuses_a_name(archives: dict[str, Path], unchanged: None, schema: str) -> None:
    with pytest.raises(Refused):
        bring_in(archives["open"], schema=schema)


@pytest.mark.parametrize(
    "host", ["globex.localhost", "GLOBEX.localhost", "a b", "https://x.example", "x.example:80"]
)
def test_it_refuses_a_host(archives: dict[str, Path], unchanged: None, host: str) -> None:
    with pytest.raises(Refused):
        bring_in(archives["open"], host=host)


# --- Keys -------------------------------------------------------------------------------------------------------------


def test_it_refuses_another_key(archives: dict[str, Path], unchanged: None) -> None:
    with pytest.raises(Refused, match="key"):
        bring_in(archives["sealed"], KEY_OF_NOBODY)


def test_it_refuses_with_the_key_whatever_was_changed_without(
    archives: dict[str, Path], key: bytes, tmp_path: Path, unchanged: None
) -> None:
    parts = take_apart(archives["sealed"])
    parts.add_file("evil")
    parts.hash_anew()
    with pytest.raises(Refused, match="key"):
        bring_in(parts.write(tmp_path / "bad.kefu"), key)


def test_it_refuses_a_secret_that_was_sealed_for_another_row(
    archives: dict[str, Path], key: bytes, tmp_path: Path, unchanged: None
) -> None:
    """Even where somebody who has the key signs it."""
    from tenants.archive.sealing import seal_for

    parts = take_apart(archives["sealed"])
    one, two = json.loads(parts.members["secrets.json"])
    one["sealed"], two["sealed"] = two["sealed"], one["sealed"]
    parts.members["secrets.json"] = json.dumps([one, two]).encode()
    parts.hash_anew()
    text = json.dumps(parts.manifest).encode()
    parts.members["manifest.mac"] = seal_for(parts.manifest["id"], key).sign(text)
    with pytest.raises(Refused):
        bring_in(parts.write(tmp_path / "bad.kefu"), key)


def test_it_does_bring_in_what_nobody_changed(
    archives: dict[str, Path], key: bytes, parts: Parts, tmp_path: Path, unchanged: None
) -> None:
    """Or all that is refused above would prove nothing."""
    from tenants.erasure import erasing

    for path in (archives["sealed"], parts.write(tmp_path / "fine.kefu")):
        bring_in(path, key)
        with inside(Tenant.objects.get(schema_name="initech")):
            assert Webhook.objects.count() == 0
            assert {row.api_key for row in Provider.objects.all()} <= {"sk-One", "sk-Two", ""}
        erasing.erase("initech", quiet=0)
