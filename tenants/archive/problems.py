"""What stops an export, an import or an erasure, told in a sentence for the person who typed the command."""

from __future__ import annotations

from django.utils.translation import gettext as _

from kefu.errors import WrongState


class Refused(WrongState):
    """Nothing was changed."""


class Damaged(Refused):
    """An archive that was cut short or changed, or made to harm; which of them, only its details could tell."""

    def __init__(self, why: str) -> None:
        super().__init__(_("The archive is damaged, or not what it says: %(why)s") % {"why": why[:300]})


def newer(what: str) -> Refused:
    text = _(
        "The archive was made by a newer Kefu: %(what)s is not known here. Update this installation first."
    )
    return Refused(text % {"what": what[:200]})


def busy(schema_name: str) -> str:
    return _("Another command is at work on %(name)s.") % {"name": schema_name}
