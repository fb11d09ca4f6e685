"""H01, H03: ids inside the admin's forms. Whatever a form of Acme's lets somebody choose, a row of Globex's is no choice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.db import models, transaction
from django.test import Client

from tenants.admin_sites import tenant_site
from tenants.models import Policy
from tests.hostile.cast import CANARY, FAR, Company, everything

pytestmark = pytest.mark.slow
Data = dict[str, Any]
MODELS = sorted(tenant_site._registry, key=lambda model: model.__name__)


@pytest.fixture(autouse=True)
def unchanged(companies: object, committed: None) -> Iterator[None]:
    before = everything()
    yield
    after = everything()
    assert {name for name in after if after[name] != before.get(name)} == set()


def pages(model: type[models.Model], acme: Company) -> list[str]:
    """Of adding a row and of changing Acme's, where there are such pages."""
    address = f"/admin/{model._meta.app_label}/{model._meta.model_name}"
    return [f"{address}/add/", f"{address}/{acme.ids(model)}/change/"]


def typed(form: forms.BaseForm) -> Data:
    """What a browser sends of a form that nobody touched."""
    data: Data = {}
    for bound in form:
        value = bound.value()
        if isinstance(bound.field.widget, forms.CheckboxInput):
            value = "on" if value else None
        if value is not None and not isinstance(bound.field, forms.FileField):
            data[bound.html_name] = (
                [str(one) for one in value] if isinstance(value, list | tuple) else str(value)
            )
    return data


def shown(client: Client, address: str) -> Any:
    """The page with its forms, if it has any that can be sent."""
    answer = client.get(address)
    return answer if answer.status_code == 200 and "adminform" in (answer.context or {}) else None


def whole(page: Any) -> Data:
    data = typed(page.context["adminform"].form)
    for inline in page.context["inline_admin_formsets"]:
        data |= typed(inline.formset.management_form)
        for form in inline.formset.forms:
            data |= typed(form)
    return data


def foreign(choices: Any, globex: Company) -> str:
    row = globex.rows.get(choices.model)
    return str(row.pk) if row else str(FAR + 1)


def choices_of(form: forms.BaseForm) -> Iterator[tuple[str, Any]]:
    """(name in the request, rows) of each field by which a row is chosen."""
    for bound in form:
        queryset = getattr(bound.field, "queryset", None)
        if queryset is not None:
            yield bound.html_name, queryset


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_h01_a_neighbours_row_is_no_choice_in_a_form(companies: tuple[Company, Company], model: Any) -> None:
    acme, globex = companies
    client = acme.client()
    for address in pages(model, acme):
        page = shown(client, address)
        for name, queryset in choices_of(page.context["adminform"].form) if page else ():
            answer = client.post(address, whole(page) | {name: [foreign(queryset, globex)]})
            assert answer.status_code in (200, 403), (address, name)
            if answer.status_code == 200:
                assert name in answer.context["adminform"].form.errors, (address, name)
            assert CANARY not in answer.content.decode()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_h01_a_neighbours_row_is_none_of_a_forms_inline_rows(
    companies: tuple[Company, Company], model: Any
) -> None:
    acme, globex = companies
    client = acme.client()
    for address in pages(model, acme)[1:]:
        page = shown(client, address)
        for inline in page.context["inline_admin_formsets"] if page else ():
            formset = inline.formset
            prefix, parent = formset.prefix, formset.fk.name
            row = {
                f"{prefix}-TOTAL_FORMS": "1",
                f"{prefix}-INITIAL_FORMS": "1",
                f"{prefix}-0-id": str(FAR + 1),
            }
            answer = client.post(address, whole(page) | row | {f"{prefix}-0-{parent}": globex.ids(model)})
            assert answer.status_code in (200, 403), (address, prefix)
            if answer.status_code == 200:
                assert answer.context["errors"], (address, prefix)


def test_the_sweep_sees_fields_that_choose_rows(companies: tuple[Company, Company]) -> None:
    """Or the tests above would pass with nothing to try."""
    client, acme = companies[0].client(), companies[0]
    found = {
        f"{model.__name__}.{name}"
        for model in MODELS
        for address in pages(model, acme)
        if (page := shown(client, address))
        for name, _rows in choices_of(page.context["adminform"].form)
    }
    assert {
        "Entry.base",
        "Intent.connector",
        "Team.members",
        "Team.intents",
        "Agent.teams",
        "User.groups",
    } <= found


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_h03_a_form_that_is_sent_with_more_than_it_has_changes_nothing_of_the_neighbours(
    companies: tuple[Company, Company], model: Any
) -> None:
    """Every column of the table is named in the request, with what it holds at Globex: tables that all share have a tenant's number."""
    acme, globex = companies
    theirs = {f.attname: str(getattr(globex.rows[model], f.attname)) for f in model._meta.concrete_fields}
    more = theirs | {f.name: theirs[f.attname] for f in model._meta.concrete_fields if f.is_relation}
    before, client = everything(), acme.client()
    for address in pages(model, acme):
        page = shown(client, address)
        if page is None:
            continue
        with transaction.atomic():
            client.post(address, more | whole(page))
            after = everything()
            policies = dict(Policy.objects.values_list("tenant__schema_name", "bot_name"))
            transaction.set_rollback(True)
        changed = {name for name in after if after[name] != before[name]}
        assert not [name for name in changed if name.startswith("globex.")], address
        assert policies["globex"] == globex.tenant.policy.bot_name
