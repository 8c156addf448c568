"""Plain events are read off their bytes exactly as the decoder reads them, and all that is not plain is left to it."""

import random
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pytest
from strategies.breeding import BETWEEN, Way, inputs, written

from schemas.hostile import hostile_cases
from scoring.kinds import Kind
from streams.decoding import Decoded, Decoder
from streams.fetched import fetched
from streams.limits import Limits

NOW_MS = 1_714_555_805_000
ROWS = {b"u": 1, b"v": 2, b"a": 2}
SOUND = (
    (
        b'{"messageId":"m1","type":"track","event":"Product Viewed","timestamp":"2024-05-01T09:30:00.125Z",'
        b'"userId":"u","properties":{"product_id":"p","name":"Caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x9b\x92",'
        b'"category":"c","price":13.35,"products":null},"context":{"ip":"203.0.113.1","screen":[1,-2.5,[],{},{"a":[true,false,null]}],"n":0}}'
    ),
    (
        b' { "event" : "Product List Viewed", "messageId":"m2","timestamp":"2024-05-01T09:30:00Z" ,"userId":"u",\n'
        b'\t"properties":{"list_id":17,"category":"c","unknown":{"x":[1,{"y":"z"}]}},"anonymousId":"a"}\r\n'
    ),
    (
        b'{"messageId":"m3","type":"page","timestamp":"2024-02-29T23:59:59.999Z","anonymousId":"v","userId":null,'
        b'"properties":{"path":"/","title":"T","price":0.5},"name":"P","traits":null}'
    ),
    (
        b'{"messageId":"m4","timestamp":"2024-05-01T09:30:00.000Z","userId":"v","anonymousId":"a","event":'
        b'"Products Searched","properties":{"query":"shoes","rating":4,"product_id":17}}'
    ),
    b'{"messageId":"m5","type":"screen","timestamp":"2024-05-01T09:30:00.000Z","userId":"","anonymousId":"u"}',
    (
        b'{"messageId":"m6","type":"track","event":"Product Viewed","timestamp":"2024-05-01T09:30:00.125Z",'
        b'"userId":"v","anonymousId":"b","properties":{"product_id":"","sku":null,"name":"p"}}'
    ),
)


class Fetched(NamedTuple):
    """A record as a decoder takes it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class Told:
    """A decoder, and which products and pages it told of."""

    def __init__(self, **options: Any) -> None:
        self.products: set[tuple[int, str]] = set()
        self.pages: set[tuple[int, str]] = set()
        wanted = {"page": self._tell_page, **options}
        self.decode = Decoder(self._row, self._tell, 600_000, own_clock=False, **wanted)

    @staticmethod
    def _row(name: bytes) -> int:
        return ROWS.get(name, -1)

    def _tell(self, number: int, name: str) -> None:
        self.products.add((number, name))

    def _tell_page(self, number: int, name: str) -> None:
        self.pages.add((number, name))


def records(payloads: Sequence[bytes | None], keys: Sequence[bytes | None]) -> list[Fetched]:
    return [Fetched(i, NOW_MS + i, key, payload) for i, (payload, key) in enumerate(zip(payloads, keys, strict=True))]


def assert_same(found: Decoded, wanted: Decoded) -> None:
    for name, column, other in zip(found.events._fields, found.events, wanted.events, strict=True):
        assert column.dtype == other.dtype, name
        np.testing.assert_array_equal(column, other, name)
    assert list(found.places) == list(wanted.places)
    assert found[1:2] + found[3:] == wanted[1:2] + wanted[3:]


def assert_read_alike(several: Sequence[Sequence[Fetched]], **options: Any) -> None:
    """One after the other, so that names which are met again are known; without the reader all is the decoder's."""
    ours, without = Told(**options), Told(**options)
    for some in several:
        assert_same(ours.decode(0, some), without.decode._others(0, some))
        assert ours.products == without.products
        assert ours.pages == without.pages


def key_of(payload: bytes) -> bytes:
    return b"v" if b'"userId":"v"' in payload or b'"anonymousId":"v"' in payload else b"u"


def plain(decode: Decoder, some: Sequence[Fetched]) -> list[int]:
    """Which of them the reader takes."""
    return list(decode._plain_of(fetched(some)).places)


def test_sound_events_are_plain() -> None:
    """All but the one that says who the visitor was who is signed in now, and the one with a number for an id."""
    told, some = Told(), records(SOUND, [key_of(payload) for payload in SOUND])
    assert plain(told.decode, some) == [0, 2, 4], "of the second nobody knows that `a` is `u`"
    assert {name for _, name in told.products} == {"p", "c"}, "those that are new are told"
    found = told.decode(0, some)
    assert list(found.events.kind) == [Kind.PRODUCT_VIEWED, Kind.LIST_VIEWED, Kind.PAGE, Kind.SEARCHED, Kind.PAGE,
                                       Kind.PRODUCT_VIEWED]  # fmt: skip
    assert plain(told.decode, some) == [0, 2, 4]
    assert_read_alike([some, some, [some[0], *some]])


def test_names_too_long_to_keep_are_left_to_the_decoder() -> None:
    """A product's refuses its event, and the category beside it is not told; a category's is left out."""
    for product, category, refused in (("p" * 9, "new", 1), ("p", "c" * 9, 0), ("\u00e9" * 4, "\u00e9" * 4, 0)):
        payload = SOUND[0].replace(b'"p"', f'"{product}"'.encode()).replace(b'"c"', f'"{category}"'.encode())
        some = records([payload, payload], [b"u", b"u"])
        told = Told(limits=Limits(max_id_bytes=8))
        assert len(told.decode(0, some).refused) == 2 * refused
        assert len(told.products) == (0 if refused else 1)
        assert_read_alike([some, some], limits=Limits(max_id_bytes=8))


@pytest.mark.parametrize("options", [{}, {"categories": False, "page": None}, {"limits": Limits(300, 1, 2)}])
def test_the_corpus_is_read_alike(options: Any) -> None:
    """Every hostile record, one by one and all at once, and again when its names are known."""
    for topic in ("clickstream", "orders", "customers"):
        cases = [case for case in hostile_cases() if case.topic == topic]
        every = [Fetched(i, case.received_ms, case.key, case.payload) for i, case in enumerate(cases)]
        assert_read_alike([every, every, *([each] for each in every if len(each.value or b"") < 10_000)], **options)


def test_bred_records_are_read_alike() -> None:
    """Some hundred inputs of records that are changed in bytes, values and order."""
    several = []
    for number, bred in enumerate(inputs(5, 400)):
        came = [(Way.of(each[0]), written(each[1:], number, NOW_MS, NOW_MS)) for each in bred.split(BETWEEN) if each]
        several.append(records([value for _, value in came], [way.key_of(value) for way, value in came]))
    assert_read_alike(several)


def test_changed_bytes_are_read_alike() -> None:
    """Plain events with one byte or a few of another value, left out, put in or repeated: some stay plain, most not."""
    chance = random.Random(3)
    sound = *SOUND, PAGES
    payloads = [changed(chance.choice(sound), chance) for _ in range(6000)]
    keys = [key_of(payload) for payload in payloads]
    some = records([*sound, *payloads], [*map(key_of, sound), *keys])
    told = Told()
    told.decode(0, some)
    assert 300 < len(plain(told.decode, some)) < 5000
    assert_read_alike([some, some])


PAGES = (
    b'{"messageId":"m","type":"page","timestamp":"2024-05-01T09:30:00.000Z","anonymousId":"u","name":"Cart",'
    b'"properties":{"name":"Not this","path":"/cart?step=2#top","title":"Your cart","url":"https://example.org/cart"}}'
)


@pytest.mark.parametrize(
    ("was", "is_now", "named"),
    [
        (b"", b"", "Cart"),
        (b'"name":"Cart"', b'"name":"Caf\xc3\xa9"', "Caf\u00e9"),
        (b'"name":"Cart"', b'"name":""', "/cart"),
        (b'"name":"Cart"', b'"name":null', "/cart"),
        (b'"name":"Cart",', b"", "/cart"),
        (
            b'"name":"Cart","properties":{"name":"Not this","path":"/cart?step=2#top"',
            b'"properties":{"path":"/#a?b"',
            "/",
        ),
        (
            b'"name":"Cart","properties":{"name":"Not this","path":"/cart?step=2#top"',
            b'"properties":{"path":"?a"',
            "Your cart",
        ),
        (
            b'"name":"Cart","properties":{"name":"Not this","path":"/cart?step=2#top"',
            b'"properties":{"path":null',
            "Your cart",
        ),
        (
            b'"name":"Cart","properties":{"name":"Not this","path":"/cart?step=2#top","title":"Your cart",',
            b'"properties":{',
            None,
        ),
        (b'"name":"Cart"', b'"name":"%b"' % (b"x" * 257), None),
    ],
)
def test_what_a_page_is_called(was: bytes, is_now: bytes, named: str | None) -> None:
    """The call's name, else the path before query and fragment, else the title; what is too long to keep is none.

    It stays plain, with a name that is new, too; and so does one of which the name is not wanted.
    """
    told, some = Told(), records([PAGES.replace(was, is_now, 1)], [b"u"])
    for _ in range(2):
        assert plain(told.decode, some) == [0]
    assert [name for _, name in told.pages] == [named][: named is not None]
    assert list(told.decode(0, some).events.product) == [next((number for number, _ in told.pages), 0)]
    assert not told.products
    assert_read_alike([some, some])
    unasked = Told(page=None)
    assert plain(unasked.decode, some) == [0]
    assert list(unasked.decode(0, some).events.product) == [0]
    assert not unasked.pages
    assert_read_alike([some, some], page=None)


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (b"Product Viewed", b'{"product_id":0,"name":"Lamp"}'),
        (b"Order Completed", b'{"order_id":1,"products":[{"product_id":0,"name":"Lamp"}]}'),
    ],
)
def test_the_product_0_is_one(event: bytes, said: bytes) -> None:
    """The number 0 is an id as others are, and the same as the text."""
    payload = b'{"messageId":"m","timestamp":"2024-05-01T09:30:00Z","userId":"u","event":"%s","properties":%s}'
    made, told = payload % (event, said), Told()
    number, as_text = told.decode(0, records([made, made.replace(b":0,", b':"0",')], [b"u", b"u"])).events.product
    assert number == as_text
    assert {name for _, name in told.products} == {"0"}


def test_pages_and_products_of_one_name_are_each_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is called as a product is, is a page beside it, and pages without end let no product be forgotten."""
    monkeypatch.setattr("streams.decoding.decoder._CACHED_PAGES", 5)
    pages = [PAGES.replace(b'"Cart"', b'"page %d"' % (number % 7)) for number in range(40)]
    some = records([SOUND[0], PAGES.replace(b'"Cart"', b'"p"'), *pages], [b"u"] * 42)
    told = Told()
    assert plain(told.decode, some) == [*range(42)]
    assert {name for _, name in told.products} == {"p", "c"}
    assert {name for _, name in told.pages} == {"p", *(f"page {number}" for number in range(7))}
    told.products.clear()
    assert plain(told.decode, some) == [*range(42)]
    assert not told.products, "what is known is not told again"
    assert_read_alike([some, some, *([each] for each in some)])


ALPHABET = b'{}[]",:\\ \n\t\r\0\x1f\x7f\x80\xa0\xbf\xc0\xc2\xe0\xed\xf4\xff-+.0123456789eEntrufalsxZT'


def changed(payload: bytes, chance: random.Random) -> bytes:
    text = bytearray(payload)
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        at, way = chance.randrange(len(text)), chance.randrange(5)
        if way == 0:
            text[at] = chance.choice(ALPHABET)
        elif way == 1:
            del text[at : at + chance.choice((1, 1, 5, 20))]
        elif way == 2:
            text.insert(at, chance.choice(ALPHABET))
        elif way == 3:
            text[at:at] = text[at : at + chance.randrange(1, 30)]
        else:
            text[at] = (text[at] + 1) % 256
        text = text or bytearray(b"{")
    return bytes(text)


@pytest.mark.parametrize(
    ("was", "is_now", "taken"),
    [
        (b'"m1"', b'"m\\u0031"', False),
        (b'"userId":"u"', b'"userId":"u","userId":"u"', False),
        (b'"price":13.35', b'"price":"13.35"', False),
        (b'"price":13.35', b'"price":1e2', False),
        (b'"price":13.35', b'"price":1234567890123456', False),
        (b'"price":13.35', b'"price":-0.5', True),
        (b'"price":13.35', b'"price":013', False),
        (b'"price":13.35', b'"price":1.', False),
        (b'"n":0', b'"n":' + b"[" * 30 + b"]" * 30, True),
        (b'"n":0', b'"n":' + b"[" * 40 + b"]" * 40, False),
        (b'"products":null', b'"products":[]', False),
        (b"Caf\xc3\xa9", b"Caf\xc3", False),
        (b"Caf\xc3\xa9", b"Caf\xed\xa0\x80", False),
        (b'"context"', b'"other"', True),
        (b'"category":"c"', b'"category":"unheard of"', True),
        (b'"product_id":"p"', b'"product_id":"unheard of"', True),
        (b"Product Viewed", b"Unheard Of", False),
        (b"Product Viewed", b"Product Added", False),
        (b".125Z", b".125+00:00", False),
        (b"09:30:00.125Z", b"09:41:00.125Z", False),
        (b'"type":"track",', b"", True),
        (b'"type":"track"', b'"type":"identify"', False),
    ],
)
def test_what_is_plain(was: bytes, is_now: bytes, taken: bool) -> None:
    """Only what is sure to be read as the decoder would read it; the rest is read by that."""
    told = Told()
    known = records([SOUND[0]], [b"u"])
    told.decode(0, known)
    assert plain(told.decode, known) == [0]
    assert was in SOUND[0]
    some = records([SOUND[0].replace(was, is_now)], [b"u"])
    assert bool(plain(told.decode, some)) == taken
    assert_read_alike([known, some])


def test_names_beyond_the_cache_are_learned_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for few names in all, products come and go, and each is told of whenever it is learned."""
    monkeypatch.setattr("streams.decoding.decoder._CACHED", 5)
    several = []
    for number in range(40):
        payload = SOUND[0].replace(b'"p"', b'"p%d"' % (number % 7))
        several.append(records([payload], [b"u"]))
    assert_read_alike(several)


def test_long_names_of_events_are_not_kept() -> None:
    """Each may be as large as a record, and new with each event; those that are known by it are read all the same."""
    told = Told()
    known = len(told.decode._kinds)
    names = [b"Viewed https://example.org/" + b"%d" % i * 99 for i in range(9)] + [b"Product Viewed" + b" " * 99]
    some = records([SOUND[0].replace(b"Product Viewed", name) for name in names], [b"u"] * 10)
    found = told.decode(0, some)
    assert (found.ignored, list(found.places)) == (9, [9])
    assert len(told.decode._kinds) == known
    assert_read_alike([some, some])
