"""Content records: each is what a plain dict would be encoded to."""

import orjson

from schemas.timestamp import from_ms
from scoring.content import STAGES
from scoring.outcome import Content
from streams.cloud_event import cloud_event
from streams.content_records import ContentRecords

CUSTOMERS = [b"c1", b'quote " and \\ and %b', "ä/é".encode()]
NAMES = ["c1", "quote%20%22%20and%20%5C%20and%20%25b@1700000000000", "%C3%A4%2F%C3%A9"]
BANDS = ("low", 'a "band" %s')


def plain(content: Content) -> bytes:
    customer, stamp = CUSTOMERS[content.row].decode(), from_ms(content.time_ms)
    data = {
        "customer_id": customer,
        "version": content.number,
        "segment": f"{content.stage}-{BANDS[content.band]}",
        "stage": content.stage,
        "band": BANDS[content.band],
        "categories": content.categories,
        "products": content.products,
        "coupon": content.coupon,
        "event_time": stamp,
        "model_version": content.model_version,
        "shop_version": content.shop_version,
    }
    name = f"content/{content.number}/{NAMES[content.row]}"
    return orjson.dumps(cloud_event(name, "recompra.content", "content.v1", customer, stamp, data))


def test_records_are_what_a_dict_each_would_be_encoded_to() -> None:
    contents = [
        Content(k % 3, 1_700_000_000_000 + k, k + 1, STAGES[k % 3], k % 2, lists, lists[::-1], k % 2 == 1, k, 10**k)
        for k, lists in enumerate([[], ["shoes"], ['"', "ü", "%b"], ["a", "a"]])
    ]
    told = ContentRecords(BANDS, {1: 1_700_000_000_000})(contents, CUSTOMERS)
    assert told == [(CUSTOMERS[content.row], plain(content)) for content in contents]
