"""What of a tenant's tables does not travel."""

from __future__ import annotations

from dataclasses import dataclass

from django.apps import apps
from django.conf import settings


@dataclass(frozen=True)
class Rule:
    """What an app's config says of one of its tables in `archive_rules`.

    `unfinished` rows, by a condition in SQL, are work that somebody will do: the source, as long as it is in service, so they stay
    there; done by a copy as well, it would be done twice. A suspended tenant does nothing any more: it takes them along.
    `blank` columns hold claims of processes here, which mean nothing elsewhere. A table that `stays` says something about this
    installation only.
    """

    unfinished: str = ""
    blank: tuple[str, ...] = ()
    stays: bool = False


# Logins of browsers that know this installation; and its record of migrations, which travels in the manifest.
STAYS = {"django_session", "django_migrations"}


def rules() -> dict[str, Rule]:
    return {
        table: rule
        for config in apps.get_app_configs()
        for table, rule in getattr(config, "archive_rules", {}).items()
    }


def tenant_apps() -> set[str]:
    """Labels of the apps whose tables are in every tenant's schema."""
    return {config.label for config in apps.get_app_configs() if config.name in settings.TENANT_APPS}
