"""Pages of customers: for whoever says the token, else for this machine alone."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from streams.connection import BrokerUnreachableError
from streams.customer_pages import CustomerPages, is_loopback
from streams.front import Front, Page
from streams.settings_sources import SettingsError, load

TOKEN = "of-sixteen-or-more"
HELD = {"c 1/ä": {"customer_id": "c 1/ä", "profile": None}}


class Asked:
    """What is held, and how often it was asked for."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, customer: str) -> dict[str, Any] | None:
        """Look a customer up."""
        self.times += 1
        if customer == "down":
            raise BrokerUnreachableError("no broker")
        return HELD.get(customer)


@contextmanager
def served(pages: CustomerPages) -> Iterator[str]:
    with Front("127.0.0.1", 0) as front:
        front.page = Page("127.0.0.1:1", "in memory", (), pages)
        yield front.address


def refused(address: str, headers: Mapping[str, str]) -> HTTPError:
    with pytest.raises(HTTPError) as error:
        urlopen(Request(address, headers=dict(headers)))
    error.value.close()
    return error.value


@pytest.mark.parametrize(
    "said",
    [{}, {"Authorization": ""}, {"Authorization": TOKEN}, {"Authorization": f"Basic {TOKEN}"},
     {"Authorization": f"Bearer {TOKEN}x"}, {"Authorization": f"Bearer {TOKEN[:-1]}"},
     {"Authorization": "Bearer \xe4"}],
)  # fmt: skip
def test_where_a_token_is_set_nobody_sees_a_page_without_it(said: dict[str, str]) -> None:
    """401 says how to ask; the state is not looked at, and metrics stay as they are."""
    asked = Asked()
    with served(CustomerPages("0.0.0.0", TOKEN, asked)) as address:
        error = refused(f"{address}/customers/c%201%2F%C3%A4", said)
        assert error.code == HTTPStatus.UNAUTHORIZED
        assert error.headers["WWW-Authenticate"].startswith("Bearer")
        assert error.headers["Cache-Control"] == "no-store"
        urlopen(f"{address}/metrics").close()
    assert asked.times == 0


def test_the_token_shows_what_is_held_wherever_one_comes_from() -> None:
    """The id may hold any character; who is not held is not found; a lost broker is said."""
    bearer = {"Authorization": f"bearer {TOKEN}", "Host": "shop.example"}
    with served(CustomerPages("0.0.0.0", TOKEN, Asked())) as address:
        with urlopen(Request(f"{address}/customers/c%201%2F%C3%A4?x=1", headers=bearer)) as answer:
            assert json.loads(answer.read()) == HELD["c 1/ä"]
            assert answer.headers["Cache-Control"] == "no-store"
        assert refused(f"{address}/customers/nobody", bearer).code == HTTPStatus.NOT_FOUND
        assert refused(f"{address}/customers/down", bearer).code == HTTPStatus.SERVICE_UNAVAILABLE


def test_without_a_token_pages_are_for_this_machine_alone() -> None:
    """Asked under a name of somebody else's, or where the address is open to others, the answer is 403."""
    path, asked = "/customers/c%201%2F%C3%A4", Asked()
    with served(CustomerPages("127.0.0.1", None, asked)) as address:
        urlopen(f"{address}{path}").close()
        for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
            assert refused(f"{address}{path}", {"Host": host}).code == HTTPStatus.FORBIDDEN
    with served(CustomerPages("0.0.0.0", None, asked)) as address:
        assert refused(f"{address}{path}", {}).code == HTTPStatus.FORBIDDEN
    assert asked.times == 1


@pytest.mark.parametrize(
    ("host", "ours"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.8.8", True), ("0.0.0.0", False), ("::", False),
     ("192.0.2.1", False), ("localhost.evil.example", False), ("", False)],
)  # fmt: skip
def test_which_addresses_are_this_machines_own(host: str, ours: bool) -> None:
    """The loopback, by its addresses and its name; all addresses at once are not."""
    assert is_loopback(host) is ours


@pytest.mark.parametrize("token", ["brief", "seventeen letters", " " * 16])
def test_a_weak_token_is_refused_at_the_start(token: str) -> None:
    """Too short, or with what a header cannot hold: an error, without the token in it."""
    with pytest.raises(SettingsError, match="shorter than 16") as error:
        load(web_token=token)
    assert token not in str(error.value)
