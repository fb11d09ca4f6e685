"""Files on their way out. Whoever calls has made sure that they are for who asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.translation import gettext as _

from chat import filetypes, limits
from chat.models import Attachment
from kefu.errors import NotFound
from tenants.models import Tenant

PIECE = 128 * 1024
DAY = 86_400  # seconds
# Only pictures of four kinds are ever shown in place; and whatever a file is, in a page of its own it may do nothing.
SEALED = "sandbox; default-src 'none'"


def response(tenant: Tenant, address: str, attachment: Attachment) -> StreamingHttpResponse:
    """Inside the tenant's schema. Raises NotFound where the file is gone."""
    path = Path(attachment.file.path)
    if not path.is_file():
        raise NotFound(_("There is no such file."))
    with limits.transfer(tenant, address):  # refused here, it can still be told
        pass
    is_inline = attachment.type in filetypes.INLINE
    return StreamingHttpResponse(
        _pieces(tenant, address, path),
        content_type=attachment.type,
        headers={
            "Content-Length": str(attachment.size),
            "Content-Disposition": content_disposition_header(not is_inline, attachment.name),
            "Content-Security-Policy": SEALED,
            "X-Content-Type-Options": "nosniff",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": f"private, max-age={DAY}, immutable",
            "Vary": "Authorization, Cookie",
        },
    )


async def _pieces(tenant: Tenant, address: str, path: Path) -> AsyncIterator[bytes]:
    """At the client's pace."""
    with limits.transfer(tenant, address), path.open("rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE):
            yield piece
