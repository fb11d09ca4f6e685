"""`manage.py visitor VERB`: what the operator does about one visitor of a tenant."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from chat.visitors import erase_verb, export_verb
from tenants.verbs.command import VerbCommand


class Command(VerbCommand):
    verbs = {"export": export_verb, "erase": erase_verb}
    about = gettext_lazy("Exports and erases what is kept of one visitor.")
