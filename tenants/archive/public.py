"""A tenant's own rows in the public schema: found from the foreign keys that lead to Tenant, whichever app they are in."""

from __future__ import annotations

import json
from typing import Any

from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext as _
from pydantic import TypeAdapter

from tenants.archive.problems import Damaged, Refused, newer
from tenants.archive.rules import rules, tenant_apps
from tenants.encrypted import EncryptedTextField
from tenants.models import Domain, Tenant
from tenants.names import clean_host

Fields = dict[str, Any]
Rows = dict[str, list[Fields]]  # by the model's label
TENANT = Tenant._meta.label_lower
HERE = {"schema_name", "status", "revision"}  # of the tenant, decided where it arrives


def owned_models() -> dict[str, type[models.Model]]:
    """The models in the public schema whose rows belong to one tenant, by label."""
    owned = {relation.related_model for relation in Tenant._meta.related_objects}
    return {
        model._meta.label_lower: model
        for model in sorted(owned, key=lambda model: model._meta.label_lower)
        if model._meta.app_label not in tenant_apps()
    }


def travelling_models() -> dict[str, type[models.Model]]:
    """Without those that say something about this installation."""
    known = rules()
    return {
        label: model
        for label, model in owned_models().items()
        if model._meta.db_table not in known or not known[model._meta.db_table].stays
    }


def rows_of(model: type[models.Model], tenant: Tenant) -> models.QuerySet[Any]:
    return model._default_manager.filter(**{_owner(model).name: tenant}).order_by("pk")


def _owner(model: type[models.Model]) -> models.Field[Any, Any]:
    return next(field for field in model._meta.concrete_fields if field.related_model is Tenant)


def _travelling(model: type[models.Model]) -> dict[str, models.Field[Any, Any]]:
    """A row's number and its tenant are given to it where it arrives."""
    return {
        field.name: field
        for field in model._meta.concrete_fields
        if not isinstance(field, models.AutoField | EncryptedTextField)
        and field.related_model is not Tenant
        and not (model is Tenant and field.name in HERE)
    }


# --- Out --------------------------------------------------------------------------------------------------------------


def dump(tenant: Tenant) -> bytes:
    """Outside."""
    rows: Rows = {TENANT: [_fields_of(tenant)]}
    for label, model in travelling_models().items():
        rows[label] = [_fields_of(row) for row in rows_of(model, tenant)]
    return json.dumps(rows, ensure_ascii=False, indent=1).encode()


def _fields_of(row: models.Model) -> Fields:
    return {name: _value_of(row, field) for name, field in _travelling(type(row)).items()}


def _value_of(row: models.Model, field: models.Field[Any, Any]) -> Any:
    value = getattr(row, field.name)
    if value is None:
        return None
    if field.is_relation:
        return value.serializable_value(_naming(type(value)))
    return field.value_to_string(row)


def _naming(model: type[models.Model]) -> str:
    """What names a row that several tenants share, such as a plan, on any installation."""
    return next(field.name for field in model._meta.concrete_fields if field.unique and not field.primary_key)


# --- In ---------------------------------------------------------------------------------------------------------------


def read(text: bytes) -> Rows:
    """Raises Refused for rows of no model here, and for values that its fields do not take."""
    try:
        rows = TypeAdapter(Rows).validate_json(text, strict=True)
    except ValueError:
        raise Damaged("its public rows cannot be read") from None
    models_here: dict[str, type[models.Model]] = {TENANT: Tenant, **travelling_models()}
    if strange := set(rows) - set(models_here):
        raise newer(min(strange))
    if len(rows.get(TENANT, ())) != 1:
        raise Damaged("it does not hold one tenant")
    for label, all_fields in rows.items():
        for fields in all_fields:
            _check(models_here[label], fields)
    return rows


def _check(model: type[models.Model], fields: Fields) -> None:
    known = _travelling(model)
    if strange := set(fields) - set(known):
        name = sorted(strange)[0][:60]
        raise newer(f"{model._meta.label}.{name}")
    try:
        row = make(model, fields)
        row.clean_fields(
            exclude={f.name for f in model._meta.concrete_fields if f.name not in fields or f.is_relation}
        )
    except ValidationError as error:
        raise Damaged(f"{model._meta.label}: {'; '.join(error.messages)}") from None
    except (TypeError, ValueError, OverflowError):
        raise Damaged(f"{model._meta.label}: a value is not of the kind that it should be") from None


def set_hosts(rows: Rows, hosts: list[str] | None) -> list[str]:
    """The tenant's hosts, the main one first: those in `rows`, or `hosts` instead of them. Raises Refused for what is no host."""
    label = Domain._meta.label_lower
    if hosts:
        try:
            hosts = [clean_host(host) for host in hosts]
        except ValidationError as error:
            raise Refused(" ".join(error.messages)) from None
        rows[label] = [{"domain": host, "is_primary": number == 0} for number, host in enumerate(hosts)]
    return [str(fields.get("domain")) for fields in rows.get(label, ())]


def make(model: type[models.Model], fields: Fields) -> models.Model:
    """A row that is not saved. What it shares with others is found by name; None where that is not here."""
    row = model()
    known = _travelling(model)
    for name, value in fields.items():
        field = known[name]
        if value is not None and field.related_model:
            setattr(row, name, _shared(field, value))
        else:
            setattr(row, name, None if value is None else field.to_python(value))
    return row


def _shared(field: models.Field[Any, Any], name: Any) -> models.Model | None:
    model = field.related_model
    assert isinstance(model, type)
    found = model._default_manager.filter(**{_naming(model): str(name)}).first()
    if found is None and not field.null:
        text = _("There is no %(kind)s %(name)s here; add it first.")
        raise Refused(text % {"kind": model._meta.verbose_name, "name": name})
    return found


def load(tenant: Tenant, rows: Rows) -> None:
    """Outside: writes what `read` gave, in place of what a new tenant got by itself."""
    arrived = make(Tenant, rows[TENANT][0])
    for name in rows[TENANT][0]:
        setattr(tenant, name, getattr(arrived, name))
    tenant.save_base(raw=True)  # raw: what was noted when, stays
    for label, model in travelling_models().items():
        rows_of(model, tenant).delete()
        for fields in rows.get(label, ()):
            row = make(model, fields)
            setattr(row, _owner(model).name, tenant)
            row.save_base(raw=True, force_insert=True)
