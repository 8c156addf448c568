"""What all customers of the stories' shop together did: versions of its knowledge, in force from the day it is open."""

from strategies.shop_known import Known, known_shop

from scoring.profile import DAY_MS

__all__ = ["CHEAPER_MS", "SHOPS", "START_MS"]

START_MS = 1_714_521_600_000
"""The first of May 2024, midnight: day 0 of every story."""
CHEAPER_MS = START_MS + 22 * DAY_MS
"""When the sofa became cheaper, and is known to be."""

_KNOWN = {
    "mug": Known(5.0, ("cup", "lamp"), category="kitchen"),
    "cup": Known(3.0, ("mug",), category="kitchen"),
    "lamp": Known(3.0, ("mug", "bulb"), category="light"),
    "bulb": Known(1.0, ("lamp",), category="light"),
    "tea": Known(2.0, ("coffee",), category="drinks"),
    "coffee": Known(1.0, ("tea",), category="drinks"),
    "printer": Known(6.0, ("ink", "paper"), category="office"),
    "ink": Known(5.0, ("paper", "printer"), category="office"),
    "paper": Known(5.0, ("ink",), category="office"),
    "scanner": Known(0.5, ("paper",), category="office"),
    "sofa": Known(1.0, category="living", price=400.0),
    "chair": Known(1.0, category="living", price=90.0, price_before=80.0),
    "filter": Known(0.5, gap_days=30.0, category="drinks"),
}
_CHEAPER = Known(1.0, category="living", price=300.0, price_before=400.0, before_ms=CHEAPER_MS - 1)
SHOPS = known_shop(1, 0, _KNOWN), known_shop(2, CHEAPER_MS, _KNOWN | {"sofa": _CHEAPER})
