"""Secrets on their way: sealed under a key that travels apart from the archive.

The key file holds 32 random bytes. From it and the archive's own random id, HKDF-SHA256 (RFC 5869) makes two keys that serve this
archive alone: one seals each secret by AES-256-GCM (NIST SP 800-38D) with a nonce of 96 random bits, bound to its place so that no
sealed secret can be moved to another row; the other signs the manifest by HMAC-SHA256, and with it, through the hashes there, all else.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import os
import secrets
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.utils.translation import gettext as _

from tenants.archive.problems import Damaged, Refused

KEY, NONCE = 32, 12  # bytes


@dataclass(frozen=True, repr=False)
class Seal:
    """Both keys of one archive."""

    sealing: AESGCM
    signing: bytes

    def close(self, text: str, place: str) -> str:
        nonce = secrets.token_bytes(NONCE)
        return base64.b64encode(nonce + self.sealing.encrypt(nonce, text.encode(), place.encode())).decode()

    def open(self, sealed: str, place: str) -> str:
        """Raises Refused for what this key did not seal, or sealed for another place."""
        try:
            raw = base64.b64decode(sealed, validate=True)
            return self.sealing.decrypt(raw[:NONCE], raw[NONCE:], place.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise Damaged(f"the secret of {place} does not open with this key") from None

    def sign(self, manifest: bytes) -> bytes:
        return hmac.digest(self.signing, manifest, sha256)

    def check(self, manifest: bytes, signature: bytes) -> None:
        if not hmac.compare_digest(self.sign(manifest), signature):
            raise Refused(_("The archive was not made with this key, or was changed since."))


def seal_for(archive_id: str, key: bytes) -> Seal:
    return Seal(AESGCM(_derived(key, archive_id, b"seal")), _derived(key, archive_id, b"sign"))


def _derived(key: bytes, archive_id: str, purpose: bytes) -> bytes:
    return HKDF(SHA256(), KEY, bytes.fromhex(archive_id), b"kefu tenant archive: " + purpose).derive(key)


def read_key(path: Path) -> bytes:
    try:
        key = base64.b64decode(path.read_text(encoding="ascii").strip(), validate=True)
    except FileNotFoundError:
        raise Refused(_("There is no file %(path)s.") % {"path": path}) from None
    except (OSError, ValueError):
        raise Refused(_("%(path)s holds no key: 32 bytes, written in base64.") % {"path": path}) from None
    if len(key) != KEY:
        raise Refused(_("%(path)s holds no key: 32 bytes, written in base64.") % {"path": path})
    return key


def make_key(path: Path) -> None:
    """A new key file, for its owner alone. Raises FileExistsError rather than write over one."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(base64.b64encode(secrets.token_bytes(KEY)).decode() + "\n")
        file.flush()
        os.fsync(file.fileno())
