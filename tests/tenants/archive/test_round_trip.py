"""A whole company from one installation to another, by the operator's commands alone."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.tenants.archive.company import CANARY, WEBHOOK_CANARY
from tests.tenants.archive.installation import Installation

pytestmark = pytest.mark.slow
LEASE = re.compile(r'"lease_until":("[^"]*"|null)')


def without_leases(rows: dict[str, list[str]]) -> dict[str, list[str]]:
    return {
        table: sorted(LEASE.sub('"lease_until":null', row) for row in each) for table, each in rows.items()
    }


@pytest.mark.timeout(600)
def test_it_moves_a_company_whole(
    source: Installation, target: Installation, key_file: Path, tmp_path: Path
) -> None:
    archive = tmp_path / "acme.kefu"
    neighbour = source.everything("globex")
    source.tenant("suspend", "acme", "--yes")
    rows, sequences, uploads = source.everything("acme")
    exported = source.told("export", "acme", archive, "--key-file", key_file)
    assert exported["left_out"] == [] and exported["secrets"] == "sealed"
    assert archive.stat().st_mode & 0o077 == 0 and key_file.stat().st_mode & 0o077 == 0

    imported = target.told("import", archive, "--key-file", key_file)
    assert (
        imported["suspended"]
        and imported["missing_secrets"] == []
        and imported["hosts"] == ["acme.localhost"]
    )
    arrived, arrived_sequences, arrived_uploads = target.everything("acme")
    assert arrived == without_leases(rows)
    assert arrived_sequences == sequences
    assert arrived_uploads == uploads and len(uploads) > 5
    assert {"chat_message", "inference_intentmodel", "knowledge_chunk", "shop_order"} <= set(arrived)
    assert CANARY in str(arrived["inference_provider"]) and WEBHOOK_CANARY in str(arrived["chat_webhook"])
    assert source.everything("globex") == neighbour

    assert public_rows(target) == public_rows(source)
    again = tmp_path / "again.kefu"
    target.tenant("export", "acme", again)
    assert "acme" in target.tenant("erase", "acme", "--yes", "acme")
    assert "acme" not in target.schemas() and not (target.folder / "files" / "acme").exists()
    source.tenant("resume", "acme")


def public_rows(here: Installation) -> list[object]:
    query = """SELECT t.name, t.locale, t.created_at, d.domain, d.is_primary, to_jsonb(p) - 'tenant_id'
        FROM tenants_tenant t JOIN tenants_domain d ON d.tenant_id = t.id JOIN tenants_policy p ON p.tenant_id = t.id
        WHERE t.schema_name = 'acme'"""
    with here.database() as line:
        return line.execute(query).fetchall()
