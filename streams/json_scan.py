"""JSON scan: where values of JSON end in bytes, by compiled code that takes only what it is sure of.

JSON as RFC 8259 has it, in well-formed UTF-8, without escapes and with numbers that a double holds without a doubt.
What else comes is told as none, -1, whether or not it is JSON.
"""

from typing import Any, Final

import numpy as np

from scoring.compiled import compiled
from streams.byte_table import eight

__all__ = [
    "CLOSE",
    "COMMA",
    "FIRST_OF_NULL",
    "OPEN",
    "QUOTE",
    "blank",
    "past_anything",
    "past_colon",
    "past_number",
    "past_text",
    "past_word",
]

_DEEPEST: Final = 32
_LONGEST_NUMBER: Final = 15
"""Digits that a double holds without a doubt."""
OPEN, CLOSE, _BEGIN, _END, QUOTE, _COLON, COMMA, _MINUS, _POINT, _ZERO, _NINE = b'{}[]":,-.09'
_SPACE, _TAB, _LINE_FEED, _RETURN = b" \t\n\r"
_T, _F, FIRST_OF_NULL = b"tfn"


@compiled
def blank(text: Any, at: int, stop: int) -> int:
    """Where something comes."""
    while at < stop and text[at] in (_SPACE, _LINE_FEED, _RETURN, _TAB):
        at += 1
    return at


@compiled
def _odd(word: Any) -> Any:
    """Which of eight bytes ends a text or is an escape, a control character or of a letter of several bytes.

    The highest bit of the first that does is set, and none of those before it. As in "Bit Twiddling Hacks" (S. E.
    Anderson): where a byte is 0, or less than n, subtracting sets its highest bit.
    """
    quotes, escapes = word ^ _QUOTES, word ^ _ESCAPES
    odd = ((quotes - _ONES) & ~quotes) | ((escapes - _ONES) & ~escapes) | (word - _BLANKS) | word
    return odd & _HIGHEST


_ONES: Final = np.uint64(0x0101010101010101)
_HIGHEST: Final = np.uint64(0x8080808080808080)
_BLANKS: Final = np.uint64(0x2020202020202020)
_QUOTES: Final = np.uint64(0x2222222222222222)
_ESCAPES: Final = np.uint64(0x5C5C5C5C5C5C5C5C)
_PLACES: Final = np.uint64(0x0001020304050607)


@compiled
def _lowest(odd: Any) -> Any:
    """Which byte has the lowest of the bits that are set."""
    return np.int64((((odd & (~odd + np.uint64(1))) >> np.uint64(7)) * _PLACES) >> np.uint64(56))


@compiled
def _past_letter(text: Any, at: int, stop: int) -> int:
    """Past a letter of several bytes, -1 where it is none (Unicode 15, table 3-7, well-formed UTF-8)."""
    first = text[at]  # an escape and control characters are below all that begin one
    more = 1 if first < 0xE0 else 2 if first < 0xF0 else 3
    if first < 0xC2 or first > 0xF4 or at + more >= stop:
        return -1
    second = text[at + 1]
    least = 0xA0 if first == 0xE0 else 0x90 if first == 0xF0 else 0x80
    most = 0x9F if first == 0xED else 0x8F if first == 0xF4 else 0xBF
    if second < least or second > most:
        return -1
    for k in range(at + 2, at + 1 + more):
        if text[k] < 0x80 or text[k] > 0xBF:
            return -1
    return at + 1 + more


@compiled
def past_text(text: Any, at: int, stop: int) -> int:
    """Past the quotation mark that ends a text which begins here; -1 where there is none, or one with an escape."""
    if at >= stop or text[at] != QUOTE:
        return -1
    at += 1
    while at < stop:
        odd = _odd(eight(text, at))
        if odd == 0:
            at += 8
            continue
        at += _lowest(odd)
        if at >= stop:
            return -1
        letter = text[at]
        if letter == QUOTE:
            return at + 1
        at = _past_letter(text, at, stop)
        if at < 0:
            return -1
    return -1


@compiled
def past_colon(text: Any, at: int, stop: int) -> int:
    """Where the value begins of a field whose name ends here; -1 where there is none."""
    at = blank(text, at, stop)
    if at >= stop or text[at] != _COLON:
        return -1
    at = blank(text, at + 1, stop)
    return at if at < stop else -1


@compiled
def _past_name(text: Any, at: int, stop: int) -> int:
    """Past the name of a field that begins here, where its value begins; else -1."""
    at = past_text(text, at, stop)
    return at if at < 0 else past_colon(text, at, stop)


@compiled
def _past_digits(text: Any, at: int, stop: int) -> int:
    while at < stop and _ZERO <= text[at] <= _NINE:
        at += 1
    return at


@compiled
def past_number(text: Any, at: int, stop: int, whole: bool) -> int:
    """Past a number without exponent that begins here; -1 where there is none, or one of many digits."""
    if text[at] == _MINUS:
        at += 1
    start = at
    at = _past_digits(text, at, stop)
    digits = at - start
    if digits == 0 or (digits > 1 and text[start] == _ZERO):
        return -1
    if at < stop and text[at] == _POINT:
        start = at + 1
        at = _past_digits(text, start, stop)
        digits += at - start
        if whole or at == start:
            return -1
    return at if digits <= _LONGEST_NUMBER else -1


@compiled
def past_word(text: Any, at: int, stop: int) -> int:
    """Past `true`, `false` or `null`, if one of them begins here; else -1."""
    word = _WORDS[0] if text[at] == _T else _WORDS[1] if text[at] == _F else _WORDS[2]
    size = 5 if text[at] == _F else 4
    if at + size > stop:
        return -1
    for k in range(size):
        if text[at + k] != word[k]:
            return -1
    return at + size


_WORDS: Final = np.frombuffer(b"true\0falsenull\0", np.uint8).reshape(3, 5)


@compiled
def past_anything(text: Any, at: int, stop: int) -> int:
    """Past a value of any kind that begins here; -1 where there is none, or one that is very deep."""
    depth = 0
    objects = 0  # a bit for each that is open, the innermost the lowest: 1 is an object, 0 an array
    while at < stop:
        first = text[at]
        if first == QUOTE:
            at = past_text(text, at, stop)
        elif first in (OPEN, _BEGIN):
            if depth == _DEEPEST:
                return -1
            depth += 1
            objects = 2 * objects + (1 if first == OPEN else 0)
            at = blank(text, at + 1, stop)
            if at >= stop:
                return -1
            if text[at] != (CLOSE if first == OPEN else _END):
                at = _past_name(text, at, stop) if first == OPEN else at
                if at < 0:
                    return -1
                continue
        elif first == _MINUS or _ZERO <= first <= _NINE:
            at = past_number(text, at, stop, False)
        else:
            at = past_word(text, at, stop)
        if at < 0:
            return -1
        while depth > 0:  # what ends with this value
            at = blank(text, at, stop)
            if at >= stop:
                return -1
            if text[at] == COMMA:
                break
            if text[at] != (CLOSE if objects & 1 else _END):
                return -1
            at += 1
            depth -= 1
            objects >>= 1
        if depth == 0:
            return at
        at = blank(text, at + 1, stop)
        if objects & 1:
            at = _past_name(text, at, stop)
            if at < 0:
                return -1
    return -1
