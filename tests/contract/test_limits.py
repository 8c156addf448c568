"""Limits are settings: what is larger is refused, by the field, the value, the reason and the setting's name."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner

from schemas.refusal import VALUE_LIMIT, Refusal
from scoring.rules import shipped
from streams.cli import main
from streams.decoding import Decoder
from streams.limits import Limits
from streams.settings import Settings
from streams.worker import unit_options

LIMITS = {"max_record_bytes": 2000, "max_id_bytes": 20, "max_products": 3}
"""A value of each setting that is not its default."""


class Fetched(NamedTuple):
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


def call(**more: Any) -> dict[str, Any]:
    return {"messageId": "m", "timestamp": "2024-05-01T09:30:00Z", "userId": "u", "type": "track", **more}


def order(**properties: Any) -> dict[str, Any]:
    return call(event="Order Completed", properties={"order_id": "o", **properties})


def of_bytes(size: int) -> dict[str, Any]:
    """A call that is `size` bytes long as JSON."""
    blank = call(event="Cart Viewed", x="")
    return {**blank, "x": "x" * (size - len(json.dumps(blank)))}


CASES = [
    ("max_record_bytes", "$", of_bytes),
    ("max_id_bytes", "userId", lambda size: call(type="page", userId="u" * size)),
    ("max_id_bytes", "userId", lambda size: call(type="page", userId="é" * (size // 2) + "u" * (size % 2))),
    ("max_id_bytes", "anonymousId", lambda size: call(type="page", userId=None, anonymousId="a" * size)),
    ("max_id_bytes", "properties.order_id", lambda size: order(order_id="o" * size)),
    ("max_id_bytes", "properties.product_id", lambda n: call(event="Product Viewed", properties={"sku": "s" * n})),
    (
        "max_id_bytes",
        "properties.product_id",
        lambda n: call(event="Product Added", properties={"product_id": "p" * n}),
    ),
    ("max_id_bytes", "properties.products[0].product_id", lambda n: order(products=[{"product_id": "p" * n}])),
    ("max_products", "properties.products", lambda count: order(products=[{"product_id": "p"}] * count)),
    ("max_products", "properties.products", lambda n: call(event="Cart Viewed", properties={"products": [{}] * n})),
]


def refused(limits: Limits, event: dict[str, Any], *, among: int = 0) -> list[Refusal]:
    """What a decoder with these limits refuses of an event that comes between good ones."""
    decode = Decoder(lambda _: 0, lambda _number, _name: None, 600_000, own_clock=False, limits=limits)
    key = (event["userId"] or event["anonymousId"]).encode()
    records = [Fetched(0, 1_714_555_805_000, key, json.dumps(event, ensure_ascii=False).encode())]
    good = call(type="page", userId="g")
    records += [Fetched(1 + i, 1_714_555_805_000, b"g", json.dumps(good).encode()) for i in range(among)]
    return [refusal for _, refusal in decode(0, records).refused]


def assert_holds(limits: Limits, setting: str, field: str, made: Any) -> None:
    """What is as large as the limit is accepted, and what is one larger refused in the words that are due."""
    value = LIMITS[setting]
    for among in (0, 2):
        assert refused(limits, made(value), among=among) == []
        [refusal] = refused(limits, made(value + 1), among=among)
        assert refusal.field == field
        assert refusal.value
        assert len(refusal.value) <= VALUE_LIMIT
        assert refusal.reason
        assert f"({setting})" in refusal.remedy
        assert str(value) in refusal.remedy


@pytest.mark.parametrize(("setting", "field", "made"), CASES)
def test_a_limit_that_is_set_holds(setting: str, field: str, made: Any) -> None:
    """To the byte and the product, alone and among others; the remedy names the setting."""
    assert_holds(Limits.of(Settings(**{setting: LIMITS[setting]})), setting, field, made)


@pytest.mark.parametrize(("setting", "field", "made"), CASES)
def test_a_limit_that_is_not_applied_is_found(setting: str, field: str, made: Any) -> None:
    """A decoder that goes by the default instead of the setting does not pass."""
    with pytest.raises((AssertionError, ValueError)):
        assert_holds(Limits(), setting, field, made)


@pytest.mark.parametrize(("off", "seen_as"), [(-1, AssertionError), (1, ValueError)])
@pytest.mark.parametrize(("setting", "field", "made"), CASES)
def test_a_limit_that_is_off_by_one_is_found(
    setting: str, field: str, made: Any, off: int, seen_as: type[Exception]
) -> None:
    """A decoder that takes a byte or a product too few refuses what is due; one too many, and nothing is refused."""
    with pytest.raises(seen_as):
        assert_holds(Limits(**{setting: LIMITS[setting] + off}), setting, field, made)


def test_the_defaults_are_those_of_the_settings() -> None:
    """A decoder that is told no limits has those that nobody set."""
    assert Limits() == Limits.of(Settings())


def test_a_worker_has_the_limits_that_are_set() -> None:
    """What its partitions share holds them."""
    assert unit_options(Settings(**LIMITS), shipped()).limits == Limits(*LIMITS.values())


@pytest.mark.parametrize(("setting", "field", "made"), CASES)
def test_a_backtest_has_the_limits_that_are_set(
    setting: str, field: str, made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It refuses what a worker would, says so, and ends with the exit code of bad lines."""
    monkeypatch.setenv(f"RECOMPRA_{setting.upper()}", str(LIMITS[setting]))
    lines = [json.dumps(event, ensure_ascii=False) for event in (call(type="page"), made(LIMITS[setting] + 100))]
    (tmp_path / "events.ndjson").write_text("\n".join(lines), encoding="utf-8")
    result = CliRunner().invoke(main, ["backtest", str(tmp_path / "events.ndjson")])
    assert result.exit_code == 3, result.output
    assert field in result.output
    assert f"({setting})" in result.output


def test_what_is_not_used_has_no_limit() -> None:
    """Products that a page view lists are not read, so that their number is nobody's concern."""
    event = call(event="Product Viewed", properties={"product_id": "p", "products": [{}] * 50})
    assert refused(Limits(max_products=3), event) == []
