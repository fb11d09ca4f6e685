from __future__ import annotations

import uuid

import pytest
from django.test import Client

from tenants.logins import BY_ADDRESS, BY_LOGIN
from tenants.models import Tenant


def tries(host: str, path: str, username: str, address: str, times: int) -> list[int]:
    client = Client(HTTP_HOST=host, REMOTE_ADDR=address)
    form = {"username": username}  # without a password, which would take long to compare
    return [client.post(path, form).status_code for _ in range(times)]


def an_address() -> str:
    return f"2001:db8:{uuid.uuid4().hex[:4]}:{uuid.uuid4().hex[:4]}::1"


@pytest.mark.parametrize("path", ["/console/login/", "/admin/login/?next=/admin/"])
def test_it_stops_guessing_at_one_login_from_ever_new_addresses(acme: Tenant, path: str) -> None:
    username = uuid.uuid4().hex
    statuses = [tries("acme.localhost", path, username, an_address(), 1)[0] for _ in range(BY_LOGIN + 1)]
    assert statuses == [200] * BY_LOGIN + [429]


def test_it_stops_guessing_from_one_address_at_ever_new_logins(acme: Tenant) -> None:
    address = an_address()
    statuses = [
        tries("acme.localhost", "/console/login/", uuid.uuid4().hex, address, 1)[0]
        for _ in range(BY_ADDRESS + 1)
    ]
    assert statuses[-1] == 429
    assert set(statuses[:-1]) == {200}


def test_it_takes_the_addresses_that_one_household_may_choose_from_as_one(acme: Tenant) -> None:
    network = an_address()
    statuses = [
        tries("acme.localhost", "/console/login/", uuid.uuid4().hex, f"{network[:-1]}{number:x}", 1)[0]
        for number in range(1, BY_ADDRESS + 2)
    ]
    assert statuses == [200] * BY_ADDRESS + [429]


def test_it_lets_the_neighbours_people_log_in_meanwhile(acme: Tenant, globex: Tenant) -> None:
    username, address = uuid.uuid4().hex, an_address()
    tries("acme.localhost", "/console/login/", username, address, BY_LOGIN + 1)
    assert tries("globex.localhost", "/console/login/", username, address, 1) == [200]
