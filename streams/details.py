"""Details: what an action carries beside its products, in JSON's terms; what there is nothing of is left out."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import astuple

from schemas.timestamp import from_ms
from scoring.carried import Contacts, Opinion, Timed
from scoring.open_object import About
from scoring.outcome import Action
from scoring.profile import DAY_MS

__all__ = ["details_of"]


def details_of(action: Action) -> dict[str, Any]:
    """Return them as `schemas.outputs.Details` has them."""
    carried, noted = action.carried, action.carried.noted
    found: dict[str, Any] = {}
    if carried.figures:
        found["figures"] = dict(carried.figures)
    if noted.cart:
        found["cart"] = [
            {"product": name, "quantity": n, "price": price} for name, n, price in map(astuple, noted.cart)
        ]
        found["cart_value"] = sum(line.quantity * line.price for line in noted.cart)
    if carried.order is not None:
        found["order"] = _order(action, carried.order)
    if carried.companions:
        found["companions"] = carried.companions
    if noted.purchases:
        found["purchases"] = _timed("product", noted.purchases)
    if carried.best_sellers:
        found["best_sellers"] = carried.best_sellers
    if carried.cheaper:
        found["cheaper"] = [
            {"product": name, "price": now, "price_before": then} for name, now, then in carried.cheaper
        ]
    if carried.seen:
        found["seen"] = [{"product": name, "at": from_ms(ms), "category": within} for name, ms, within in carried.seen]
    if carried.pages:
        found["pages"] = _timed("page", carried.pages)
    if carried.steps:
        found["steps"] = _timed("step", carried.steps)
    if carried.contacts is not None:
        found["contacts"] = _contacts(carried.contacts)
    if carried.opinions:
        found["opinions"] = [_opinion(opinion) for opinion in carried.opinions]
    if noted.tickets:
        found["tickets"] = _timed("ticket", noted.tickets)
    if noted.name is not None:
        found["name"] = noted.name
    if carried.expected_ms is not None:
        found["expected_at"] = from_ms(carried.expected_ms)
    if carried.usual_gap_days is not None:
        found["usual_gap_days"] = carried.usual_gap_days
    return found


def _timed(what: str, told: Sequence[Timed]) -> list[dict[str, str]]:
    return [{what: name, "at": from_ms(ms)} for name, ms in told]


def _opinion(opinion: Opinion) -> dict[str, Any]:
    told = {"source": opinion.source, "value": opinion.value, "at": from_ms(opinion.ms)}
    return told if opinion.network is None else {**told, "network": opinion.network}


def _contacts(contacts: Contacts) -> dict[str, Any]:
    opened, clicked = contacts.opened_ms, contacts.clicked_ms
    return {
        "delivered": [from_ms(ms) for ms in contacts.delivered_ms],
        "opened": None if opened is None else from_ms(opened),
        "clicked": None if clicked is None else from_ms(clicked),
    }


def _order(action: Action, about: About) -> dict[str, Any]:
    promised = about.promised_ms
    return {
        "id": action.object,
        "value": about.worth,
        "products": [product for product in about.products if product],
        "promised_at": None if promised is None else from_ms(promised),
        "days_late": None if promised is None else max((action.time_ms - promised) / DAY_MS, 0.0),
        "reason": about.reason or None,
    }
