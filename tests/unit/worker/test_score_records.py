"""Score records: the template says what a plain dict would."""

from typing import Any

import numpy as np
import orjson

from schemas.timestamp import from_ms
from scoring.features import GROUPS
from scoring.outcome import Scores
from scoring.types import RFM_GROUPS, STAGES, TYPES, One, Who
from streams.cloud_event import cloud_event, log_odds, reason
from streams.score_records import ScoreRecords
from streams.score_texts import score_texts

CUSTOMERS = ["c1", 'quote " and \\ and %b', "ä/é", "c1/x"]
BANDS = ("low", 'a "band" %s')


def drawn(n: int) -> Scores:
    rng = np.random.default_rng(3)
    groups = np.round(rng.normal(size=(n, len(GROUPS))), 12)
    groups[rng.random(groups.shape) < 0.5] = 0.0
    groups[rng.random(groups.shape) < 0.1] = 1e-12  # nothing, after rounding
    groups[0] = 0.0
    unknown = np.where(rng.random((2, n)) < 0.3, np.nan, rng.random((2, n)))
    score = rng.random(n)
    score[:3] = 0.0, 1.0, 1e-9
    event = np.where(rng.random(n) < 0.5, -1, np.arange(n))
    time_ms = 1_700_000_000_000 + rng.integers(-(10**12), 10**12, n)
    row = rng.integers(0, len(CUSTOMERS), n)
    band = rng.integers(0, 2, n)
    return Scores(row, time_ms, event, score, unknown[0], band, unknown[1], groups, people(n), 7, n % 2 == 0, 3)


def people(n: int) -> Who:
    """Of every type, stage and group, and some of whom little is known."""
    rng = np.random.default_rng(4)
    unknown = np.where(rng.random((3, n)) < 0.3, np.nan, rng.normal(0, 300, (3, n)))
    orders = rng.integers(0, 4, n).astype(np.float64)
    codes = (np.arange(n) % len(TYPES), np.arange(n) % len(STAGES), np.arange(n) % (len(RFM_GROUPS) + 1) - 1)
    return Who(*codes, orders, rng.normal(0, 1e4, n), *unknown)


def plain_customer(who: One, time_ms: int) -> dict[str, Any]:
    """What is told of a customer; the next order is expected to the minute."""

    def rounded(value: float | None, digits: int) -> float | None:
        return None if value is None else float(np.round(value, digits))  # in the last digit `round` is another

    due = None if who.next_days is None else from_ms(time_ms + round(who.next_days * 1440) * 60_000)
    return {
        "type": TYPES[who.type],
        "stage": STAGES[who.stage],
        "rfm_group": None if who.group < 0 else RFM_GROUPS[who.group],
        "orders": int(who.orders),
        "net": rounded(who.net, 2),
        "average_order": rounded(who.net / who.orders, 2) if who.orders else None,
        "usual_gap_days": rounded(who.gap_days, 3),
        "expected_next_order": due,
        "predicted_value": rounded(who.predicted, 2),
    }


def plain(scores: Scores, i: int) -> bytes:
    customer, stamp = CUSTOMERS[scores.row[i]], from_ms(int(scores.time_ms[i]))
    groups = np.round(scores.groups, 9)[i].tolist()
    intercept = np.round(log_odds(scores.score) - scores.groups.sum(axis=1), 9).tolist()[i]
    reasons = [reason(name, value, None) for (name, _, _), value in zip(GROUPS, groups, strict=True) if value]
    data = {
        "customer_id": customer,
        "score": float(scores.score[i]),
        "percentile": float(scores.percentile[i]),
        "band": BANDS[scores.band[i]],
        "previous": float(scores.previous[i]),
        "horizon_days": 0.25,
        "model_version": 7,
        "event_time": stamp,
        "warming_up": scores.warming_up,
        "customer": plain_customer(scores.who.some(np.array([i]))[0], int(scores.time_ms[i])),
        "reasons": [*reasons, reason("intercept", intercept, None)],
    }
    cause = int(scores.event[i])
    name = f"{customer}/{int(scores.time_ms[i])}" if cause < 0 else f"orders-1-{cause}"
    return orjson.dumps(cloud_event(f"score/{name}", "recompra.score", "score.v1", customer, stamp, data))


def test_records_are_what_a_dict_each_would_be_encoded_to() -> None:
    """Byte for byte: odd ids, ranks that are not known, groups that add nothing, causes that are ticks."""
    write = ScoreRecords(["orders-1"], 0.25, BANDS)
    customers = [customer.encode() for customer in CUSTOMERS]
    for n in (3, 40, 41):
        scores = drawn(n)
        texts = score_texts(scores, customers)
        records = write(scores, texts, lambda events: (np.zeros_like(events), events))
        assert records == [plain(scores, i) for i in range(len(scores.row))]
        assert [key.decode() for key in texts.keys] == [CUSTOMERS[row] for row in scores.row]
