"""Categories: what sort of thing a product is, told by a word of its name; the shop's data have no other."""

from typing import Final

__all__ = ["CATEGORIES", "category_of"]

_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "Christmas": ("CHRISTMAS", "SANTA", "ADVENT", "REINDEER", "SNOWFLAKE"),
    "Lights and candles": ("LIGHT", "T-LIGHT", "LANTERN", "CANDLE", "LAMP", "LIGHTS", "CANDLES", "HOLDER"),
    "Bags": ("BAG", "BAGS", "HANDBAG", "PURSE", "SHOPPER"),
    "Kitchen": ("MUG", "CUP", "TEA", "PLATE", "BOWL", "JUG", "SPOON", "CAKE", "CAKESTAND", "CUTLERY", "LUNCH", "BAKING",
                "KITCHEN", "TEAPOT", "COFFEE", "BOTTLE", "JAM", "EGG"),
    "Storage": ("BOX", "TIN", "TINS", "STORAGE", "BASKET", "DRAWER", "CABINET", "JAR", "RACK", "HANGER", "HOOK"),
    "Stationery": ("CARD", "PAPER", "WRAP", "TAPE", "PEN", "PENCIL", "PENCILS", "NOTEBOOK", "STICKERS", "STAMP",
                   "RIBBONS", "TISSUES", "NAPKINS", "DOILIES"),
    "Textiles": ("CUSHION", "TOWEL", "APRON", "RUG", "THROW", "CURTAIN", "SCARF", "KNITTED", "WARMER"),
    "Toys": ("TOY", "GAME", "DOLL", "DOLLY", "PUZZLE", "CHILDRENS", "PLAYING", "SKIPPING", "SOLDIER", "SPACEBOY"),
    "Garden": ("GARDEN", "FLOWER", "FLOWERS", "PLANT", "BIRD", "PARASOL", "SEEDS", "HERB", "WATERING"),
    "Jewellery": ("NECKLACE", "EARRINGS", "BRACELET", "RING", "BEADS", "CHARM"),
    "Decoration": ("HEART", "HEARTS", "SIGN", "DECORATION", "DECORATIONS", "FRAME", "WICKER", "CLOCK", "BUNTING",
                   "WREATH", "ORNAMENT", "MIRROR", "DOORMAT"),
}  # fmt: skip
CATEGORIES: Final = tuple(_WORDS)
_OF_WORD: Final = {word: category for category, words in _WORDS.items() for word in words}
_RANK: Final = {category: rank for rank, category in enumerate(CATEGORIES)}


def category_of(name: str) -> str | None:
    """Return the category that a name's words speak for, the first in the list where they speak for several."""
    found = {_OF_WORD[word] for word in name.upper().replace(",", " ").split() if word in _OF_WORD}
    return min(found, key=_RANK.__getitem__, default=None)
