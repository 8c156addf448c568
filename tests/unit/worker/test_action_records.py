"""Action records: the template says what a plain dict would."""

from typing import Any

import numpy as np
import orjson

from schemas.timestamp import from_ms
from scoring.carried import Carried, Noted
from scoring.features import GROUPS
from scoring.gates.best import Best
from scoring.gates.channel import Channel
from scoring.outcome import Action, Scores
from streams.action_records import ActionRecords
from streams.cloud_event import cloud_event
from streams.score_texts import score_texts
from tests.unit.worker.test_score_records import people, plain_customer

NAMES = [("c1", "c1"), ('quote " and \\ and %b', "quote%20%22%20and%20%5C%20and%20%25b"), ("ä/é", "%C3%A4%2F%C3%A9")]
BANDS = ("low", 'a "band" %s')
NOW = 1_700_000_000_123
SINCE = {1: NOW - 5}
"""One customer was forgotten once and came again."""


def drawn(n: int) -> list[Action]:
    """Two actions at every second point, of scores that came in two parts."""
    rng = np.random.default_rng(3)
    parts = [scores_of(n, rng), scores_of(n, rng)]
    return [
        Action(
            scores=parts[2 * i // n], place=i - i % 2, rule=("cart-abandoned", "wishlist")[i % 2],
            rule_version=1 + i % 3, action_class="marketing", audience=i % 4 > 1, entered=i % 3 > 0, number=i,
            object=None if i % 5 else 'sku "%b"/1',
            carried=Carried(["p \"1\""] * (i % 2), "cat/ä" if i % 3 else None, Noted(name="Zoë" if i % 2 else None)),
            expires_ms=None if i % 2 else NOW + 1, withheld=((), ("no_consent", "holdout"), ("replay",))[i % 3],
            language=("de", 0.75) if i % 2 else None, channel=None if i % 3 else "sms", coupon=i % 2 > 0,
            not_before_ms=NOW + 9 if i % 5 else None, control="rule" if i % 7 else None,
            best=Best(None if i % 2 else 23, 1 / 3, None if i % 3 else 6, 0.1, Channel.SMS, 2 / 3, ()),
        )
        for i in range(n)
    ]  # fmt: skip


def scores_of(n: int, rng: np.random.Generator) -> Scores:
    i = np.arange(n)
    return Scores(
        row=i % len(NAMES), time_ms=NOW + i, event=np.where(i % 4, i, -1), score=rng.random(n),
        percentile=np.where(i % 3, np.nan, 0.5), band=i % 2, previous=np.where(i % 7, np.nan, 0.25),
        groups=rng.normal(size=(n, len(GROUPS))), who=people(n), model_version=7, warming_up=n % 2 == 0, shop_version=9,
    )  # fmt: skip


def name_of(action: Action) -> str:
    _, quoted = NAMES[action.row]
    since = f"@{SINCE[action.row]}" if action.row in SINCE else ""
    return f"{action.rule}/{action.number}/{quoted}{since}" + ("/sku%20%22%25b%22%2F1" if action.object else "")


def plain(action: Action, reasons: Any) -> bytes:
    scores, place = action.scores, action.place
    customer, _ = NAMES[action.row]
    best, stamp = action.best, from_ms(action.time_ms)
    data = {
        "customer_id": customer,
        "score": action.score,
        "percentile": action.percentile,
        "band": BANDS[int(scores.band[place])],
        "previous": float(scores.previous[place]),
        "horizon_days": 0.25,
        "model_version": scores.model_version,
        "event_time": stamp,
        "warming_up": action.warming_up,
        "reasons": reasons,
        "rule": action.rule,
        "rule_version": action.rule_version,
        "crossing": "entered" if action.entered else "left",
        "crossing_number": action.number,
        "object": action.object,
        "trigger": None if action.event < 0 else f"message-{action.event}",
        "products": action.carried.products,
        "category": action.carried.category,
        "details": {} if action.carried.noted.name is None else {"name": action.carried.noted.name},
        "language": action.language[0] if action.language else None,
        "language_confidence": action.language[1] if action.language else 0.0,
        "best_hour": best.hour,
        "best_hour_confidence": 0.333333333,
        "best_weekday": best.weekday,
        "best_weekday_confidence": 0.1,
        "best_channel": "sms",
        "best_channel_confidence": 0.666666667,
        "channel": action.channel,
        "coupon": action.coupon,
        "holdout": action.control,
        "not_before": None if action.not_before_ms is None else from_ms(action.not_before_ms),
        "expires_at": None if action.expires_ms is None else from_ms(action.expires_ms),
        "action_class": "marketing",
        "replay": True,
        "shop_version": scores.shop_version,
        "customer": plain_customer(scores.who.some(np.array([place]))[0], action.time_ms),
    }
    kind, schema = "recompra.action", "action.v1"
    if action.withheld:
        data["withheld"] = action.withheld
        kind, schema = "recompra.action.withheld", "action-withheld.v1"
    return orjson.dumps(cloud_event(f"action/{name_of(action)}", kind, schema, customer, stamp, data))


def plain_audience(action: Action) -> bytes | None:
    if not action.audience or "replay" in action.withheld:
        return None
    customer, _ = NAMES[action.row]
    data = {
        "customer_id": customer,
        "audience": action.rule,
        "rule_version": action.rule_version,
        "crossing": "entered" if action.entered else "left",
        "crossing_number": action.number,
        "object": action.object,
        "event_time": from_ms(action.time_ms),
        "products": action.carried.products,
        "withheld": action.withheld,
    }
    name, stamp = f"audience/{name_of(action)}", from_ms(action.time_ms)
    return orjson.dumps(cloud_event(name, "recompra.audience", "audience.v1", customer, stamp, data))


def test_records_are_what_a_dict_each_would_be_encoded_to() -> None:
    """Byte for byte: odd ids, what is not known, ticks, audiences, and what is withheld, which is on another topic."""
    write = ActionRecords(0.25, BANDS, replay=True, since_ms=SINCE)
    actions = drawn(60)
    customers = [customer.encode() for customer, _ in NAMES]
    records = write(
        actions,
        lambda scores: score_texts(scores, customers),
        lambda events: [f"message-{event}" for event in events.tolist()],
    )
    told = [value for topic, _, value in records if topic != "audiences"]
    reasons = [orjson.loads(value)["data"]["reasons"] for value in told]  # have a test of their own
    expected = []
    for action, said in zip(actions, reasons, strict=True):
        key = NAMES[action.row][0].encode()
        expected.append(("actions-withheld" if action.withheld else f"actions-{action.rule}", key, plain(action, said)))
        if (audience := plain_audience(action)) is not None:
            expected.append(("audiences", key, audience))
    assert records == expected
    assert {topic for topic, _, _ in records} == {
        "actions-withheld", "actions-wishlist", "actions-cart-abandoned", "audiences"
    }  # fmt: skip


def test_no_action_is_no_record() -> None:
    """Most runs cross no line."""
    assert (
        ActionRecords(0.25, BANDS, replay=False, since_ms={})([], lambda scores: score_texts(scores, []), lambda _: [])
        == []
    )
