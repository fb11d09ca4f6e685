"""`manage.py tenant VERB`: what the operator does with tenants."""

from __future__ import annotations

from django.utils.translation import gettext_lazy

from tenants.verbs import VERBS
from tenants.verbs.command import VerbCommand


class Command(VerbCommand):
    verbs = VERBS
    about = gettext_lazy("Adds, lists, suspends, resumes, migrates, exports, imports and erases tenants.")
