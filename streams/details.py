"""Details: what an action carries beside its products, in JSON's terms; what there is nothing of is left out."""

from typing import Any

from schemas.timestamp import from_ms
from scoring.carried import Carried, Contacts, Timed
from scoring.open_object import About
from scoring.outcome import Action
from scoring.profile import DAY_MS

__all__ = ["details_of"]

_NOTHING: tuple[Any, ...] = (None, [], {})


def details_of(action: Action) -> dict[str, Any]:
    """Return them as `schemas.outputs.Details` has them."""
    carried, noted = action.carried, action.carried.noted
    found: dict[str, Any] = {
        "name": noted.name,
        "figures": carried.figures,
        "seen": [{"product": product, "at": from_ms(ms), "category": within} for product, ms, within in carried.seen],
        "steps": _timed("step", carried.steps),
        "contacts": None if carried.contacts is None else _contacts(carried.contacts),
        "opinions": [{"source": source, "value": value, "at": from_ms(ms)} for source, value, ms in carried.opinions],
        "tickets": _timed("ticket", noted.tickets),
        "order": None if carried.order is None else _order(action, carried.order),
        "purchases": _timed("product", noted.purchases),
        "companions": carried.companions,
        "best_sellers": carried.best_sellers,
        "expected_at": None if carried.expected_ms is None else from_ms(carried.expected_ms),
        "usual_gap_days": carried.usual_gap_days,
    }
    return {name: value for name, value in (_cart(carried) | found).items() if value not in _NOTHING}


def _cart(carried: Carried) -> dict[str, Any]:
    cart = carried.noted.cart
    if not cart:
        return {}
    items = [{"product": item.product, "quantity": item.quantity, "price": item.price} for item in cart]
    return {"cart": items, "cart_value": sum(item.quantity * item.price for item in cart)}


def _timed(what: str, told: list[Timed] | tuple[Timed, ...]) -> list[dict[str, str]]:
    return [{what: name, "at": from_ms(ms)} for name, ms in told]


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
        "products": list(about.products),
        "promised_at": None if promised is None else from_ms(promised),
        "days_late": None if promised is None else max((action.time_ms - promised) / DAY_MS, 0.0),
        "reason": about.reason or None,
    }
