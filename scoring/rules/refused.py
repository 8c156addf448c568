"""Refused: the part of a predicate that cannot be read, before its text and column are known."""

import ast

__all__ = ["Refused"]


class Refused(Exception):  # noqa: N818
    """Raised at a syntax node with the reason and the remedy; `predicate.parse` turns it into a
    `PredicateError`.
    """

    def __init__(self, node: ast.AST, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.node = node
        self.reason = reason
        self.remedy = remedy
