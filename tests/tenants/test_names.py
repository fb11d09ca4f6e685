"""Hosts by one pattern, in the forms, in the model and in the database."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from tenants.models import Domain, Tenant
from tenants.names import clean_host

GOOD = [
    "localhost",
    "help.shop.example",
    "10.0.0.5",
    "[::1]",
    "xn--55qx5d.xn--fiqs8s",
    "a-b.example",
    "1.example",
]
NEVER = [
    "",
    "https://a.example",
    "a.example:80",
    "a.example/",
    "a example",
    "a..example",
    "-a.example",
    "a-.example",
    "10.0.0.999",
    "1.2.3",
    "a.example'; --",
    "*.example",
    "a_b.example",
    "www.www.a.example",
    "x" * 64 + ".example",
    "[::1",
    "[zz]",
]
# What people type, and what is kept of it.
TYPED = {
    "Help.Shop.Example": "help.shop.example",
    " www.shop.example ": "shop.example",
    "公司。中国": "xn--55qx5d.xn--fiqs8s",
    "[0:0:0:0:0:0:0:1]": "[::1]",
}


@pytest.mark.parametrize("host", GOOD)
def test_it_takes_a_host_everywhere(acme: Tenant, host: str) -> None:
    assert clean_host(host) == host
    Domain.objects.filter(domain=host).delete()
    domain = Domain(domain=host, tenant=acme, is_primary=False)
    domain.full_clean()
    domain.save()


@pytest.mark.parametrize("host", NEVER)
def test_it_refuses_a_host_in_forms(host: str) -> None:
    with pytest.raises(ValidationError):
        clean_host(host)


@pytest.mark.parametrize("host", [*NEVER, *(typed for typed in TYPED if typed != "[0:0:0:0:0:0:0:1]")])
def test_it_refuses_a_host_in_model_and_database(acme: Tenant, host: str) -> None:
    domain = Domain(domain=host, tenant=acme, is_primary=False)
    with pytest.raises(ValidationError):
        domain.clean_fields()
    with pytest.raises(IntegrityError), transaction.atomic():
        domain.save()


@pytest.mark.parametrize(("typed", "kept"), TYPED.items())
def test_it_keeps_a_host_as_browsers_will_say_it(typed: str, kept: str) -> None:
    assert clean_host(typed) == kept
