"""What an archive says about itself. Whoever reads one believes nothing that does not fit in here."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, TypeAdapter, field_validator

FORMAT = 1
MANIFEST, MAC, PUBLIC, SECRETS = "manifest.json", "manifest.mac", "public.json", "secrets.json"
LONGEST_MANIFEST = 64 * 2**20  # bytes: some hundred thousand files

# Quoted wherever it reaches SQL; no name of ours and no sensible one of a company's own has any of these in it.
Identifier = Annotated[str, StringConstraints(max_length=63, pattern=r"^[^\x00-\x1f\x7f\"'`\\;%{}]+$")]
# As PostgreSQL writes the types it has itself: `timestamp(3) with time zone`, `numeric(10,2)`, `text[]`
SqlType = Annotated[
    str, StringConstraints(pattern=r"^[a-z0-9_ ]{1,60}(\([0-9]{1,9}(,[0-9]{1,9})?\))?[a-z ]{0,30}(\[\])?$")
]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Whole = Annotated[int, Field(ge=0, lt=2**63)]


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Member(Strict):
    """A file in the archive."""

    bytes: Whole
    sha256: Sha256


class Column(Strict):
    name: Identifier
    type: SqlType
    is_required: bool


class Table(Member):
    name: Identifier
    columns: list[Column]
    key: list[Identifier]  # the primary key's columns
    rows: Whole
    sequences: dict[Identifier, Whole] = {}  # the last number given to each column that counts by itself
    is_own: bool = False  # the company's own, which no migration makes

    @property
    def member(self) -> str:
        return f"tables/{self.name}"

    @property
    def column_names(self) -> list[str]:
        return [column.name for column in self.columns]


class File(Member):
    path: Annotated[str, StringConstraints(min_length=1, max_length=1000)]

    @field_validator("path")
    @classmethod
    def stays_below(cls, path: str) -> str:
        parts = path.split("/")
        is_plain = PurePosixPath(path).as_posix() == path and not path.startswith("/")
        if not is_plain or {"", ".", ".."} & set(parts) or "\x00" in path or "\\" in path:
            raise ValueError("is no path below a folder")
        return path

    @property
    def member(self) -> str:
        return f"files/{self.path}"


class Secret(Strict):
    """Where a secret was; its value only in an archive with a key."""

    table: Identifier
    column: Identifier
    key: list[str]  # values of the primary key
    label: str  # for people
    sealed: str | None = None

    @property
    def place(self) -> str:
        return json.dumps([self.table, self.column, *self.key])


class Head(BaseModel):
    """What every format has."""

    format: int


class Manifest(Strict):
    format: int
    kefu: str  # version
    id: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]  # of this archive: part of its keys
    made_at: str
    schema_name: str
    name: str
    hosts: list[str]
    is_suspended: bool
    is_sealed: bool  # secrets are in it
    migrations: dict[str, list[str]]  # by app
    public: Member
    secrets: Member
    tables: list[Table]
    files: list[File]
    left_out: list[str] = []  # what an archive cannot hold: views, triggers and the like

    def members(self) -> dict[str, Member]:
        """Everything that must be in the archive, and nothing else may be."""
        named: dict[str, Member] = {PUBLIC: self.public, SECRETS: self.secrets}
        return named | {one.member: one for one in self.tables} | {one.member: one for one in self.files}


SECRETS_FORM = TypeAdapter(list[Secret])
IDENTIFIER: TypeAdapter[str] = TypeAdapter(Identifier)
