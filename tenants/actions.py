"""Every change to who is served here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, models, transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from kefu.errors import WrongState
from tenants import migrating, registry, roles, template
from tenants.context import outside
from tenants.models import Domain, Policy, SchemaState, Tenant
from tenants.names import PUBLIC, clean_host, free_schema_name


def add(
    schema_name: str, name: str, hosts: Iterable[str], *, policy: dict[str, Any] | None = None, **fields: Any
) -> Tenant:
    """A new tenant with its schema, a copy of the template; the first of `hosts` is its primary domain.

    One transaction, the caller's if there is one: a failure half-way, or a kill, leaves neither rows nor schema, and the name can be
    used again. Raises ValidationError for a name or host that is bad, reserved or taken, WrongState without the owner's login.
    """
    # Processes tell by the revision what they keep in memory: not one that an erased tenant of this name had.
    about = {"revision": int(time.time())} | fields
    tenant = Tenant(schema_name=free_schema_name(schema_name), name=name, **about)
    with outside():
        roles.check_owner()
        check_leftovers(schema_name)
        with transaction.atomic():
            _insert(tenant, [clean_host(host) for host in hosts], policy or {})
            applied = template.copy(schema_name)
            roles.admit(schema_name)
            SchemaState.objects.create(tenant=tenant, applied=applied)
    registry.forget()
    return tenant


def add_platform(hosts: Iterable[str]) -> Tenant:
    """The tenant that stands for the installation itself, in the public schema: without it not even `/readyz` has a host."""
    tenant = Tenant(schema_name=PUBLIC, name="Kefu")
    with outside(), transaction.atomic():
        _insert(tenant, [clean_host(host) for host in hosts], {})
        SchemaState.objects.create(tenant=tenant, applied=migrating.recorded([PUBLIC])[PUBLIC])
    registry.forget()
    return tenant


def _insert(tenant: Tenant, hosts: list[str], policy: dict[str, Any]) -> None:
    tenant.clean_fields()
    try:
        with transaction.atomic():  # whoever inserts the same name waits here for the other to commit
            tenant.save()
    except (IntegrityError, ValidationError):
        raise ValidationError(
            _("There is a tenant %(name)s already.") % {"name": tenant.schema_name}, code="taken"
        ) from None
    for position, host in enumerate(dict.fromkeys(hosts)):
        try:
            with transaction.atomic():
                Domain.objects.create(domain=host, tenant=tenant, is_primary=position == 0)
        except IntegrityError:
            raise ValidationError(
                _("The host %(host)s belongs to another tenant.") % {"host": host}, code="taken"
            ) from None
    Policy.objects.create(tenant=tenant, **policy)


def check_leftovers(schema_name: str) -> None:
    """What somebody of that name left behind must not become the new tenant's. Raises ValidationError."""
    if Tenant.objects.filter(schema_name=schema_name).exists():
        return  # it is theirs, and the name is taken
    with connection.cursor() as cursor:
        cursor.execute("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = %s)", [schema_name])
        (is_left,) = cursor.fetchone()
    if is_left:
        raise ValidationError(
            _("The database has a schema %(name)s that belongs to no tenant.") % {"name": schema_name}
        )
    folder = Path(settings.MEDIA_ROOT, schema_name)
    if folder.exists() and any(folder.iterdir()):
        raise ValidationError(
            _("%(folder)s holds files of an earlier tenant; move them away.") % {"folder": folder}
        )


def touch(tenant: Tenant) -> None:
    """Tells every process that something it keeps in memory for `tenant` has changed."""
    with outside():
        Tenant.objects.filter(pk=tenant.pk).update(
            revision=models.F("revision") + 1, changed_at=timezone.now()
        )
    registry.forget()


def suspend(tenant: Tenant) -> None:
    _set_status(tenant, Tenant.Status.SUSPENDED)


def resume(tenant: Tenant) -> None:
    _set_status(tenant, Tenant.Status.ACTIVE)


def begin_erasing(tenant: Tenant) -> None:
    """Nothing leads back from here: see tenants.erasure, which does the rest."""
    with outside():
        Tenant.objects.filter(pk=tenant.pk).update(status=Tenant.Status.ERASING)
    touch(tenant)


def _set_status(tenant: Tenant, status: Tenant.Status) -> None:
    """Raises WrongState for one that is being erased: of what it had, some is gone already."""
    with outside():
        others = Tenant.objects.filter(pk=tenant.pk).exclude(status=Tenant.Status.ERASING)
        if not others.update(status=status):
            raise WrongState(_("%(name)s is being erased.") % {"name": tenant.schema_name})
    touch(tenant)
