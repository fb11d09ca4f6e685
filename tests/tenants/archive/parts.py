"""An archive in pieces, to be put together again in another way."""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile


@dataclass
class Parts:
    manifest: dict[str, Any]
    members: dict[str, bytes]

    def table(self, name: str) -> dict[str, Any]:
        return next(table for table in self.manifest["tables"] if table["name"] == name)

    def public(self) -> Any:
        return json.loads(self.members["public.json"])

    def set_public(self, rows: Any) -> None:
        self.members["public.json"] = json.dumps(rows).encode()

    def add_own_table(self, name: str, *, type: str = "text", column: str = "a") -> None:
        columns = [{"name": column, "type": type, "is_required": False}]
        about = {"name": name, "columns": columns, "key": [], "rows": 0, "sequences": {}, "is_own": True}
        self.manifest["tables"].append(about)
        self.members[f"tables/{name}"] = b""

    def drop_column(self, name: str, column: str) -> None:
        """As it was before there was one: of the rows, too, which are written as COPY does."""
        columns = self.table(name)["columns"]
        at = [one["name"] for one in columns].index(column)
        del columns[at]
        rows = [line.split(b"\t") for line in self.members[f"tables/{name}"].splitlines()]
        self.members[f"tables/{name}"] = b"".join(
            b"\t".join(row[:at] + row[at + 1 :]) + b"\n" for row in rows
        )

    def add_file(self, path: str, content: bytes = b"x") -> None:
        self.manifest["files"].append({"path": path})
        self.members[f"files/{path}"] = content

    def hash_anew(self) -> None:
        """As whoever has no key can, and whoever wants to harm will."""
        described = [("public.json", self.manifest["public"]), ("secrets.json", self.manifest["secrets"])]
        described += [(f"tables/{table['name']}", table) for table in self.manifest["tables"]]
        described += [(f"files/{file['path']}", file) for file in self.manifest["files"]]
        for name, about in described:
            if name in self.members:
                content = self.members[name]
                about.setdefault("bytes", len(content))
                about |= {"bytes": len(content), "sha256": sha256(content).hexdigest()}

    def write(self, path: Path) -> Path:
        with ZipFile(path, "w", ZIP_DEFLATED) as archive:
            for name, content in self.members.items():
                archive.writestr(name, content)
            archive.writestr("manifest.json", json.dumps(self.manifest))
        return path


def take_apart(path: Path) -> Parts:
    with ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return Parts(json.loads(members.pop("manifest.json")), members)
