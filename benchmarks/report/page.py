"""Puts tables between the marks of a page, and leaves alone what people wrote around them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def fill(page: str, pieces: Mapping[str, str]) -> str:
    """Put each piece between ``<!-- bench: NAME -->`` and the next ``<!-- /bench -->``.

    Pieces that the page has no mark for are left out; marks without a piece stay as they are.

    Raises:
        ValueError: a mark has no end.
    """
    if page.count("<!-- bench:") != page.count("<!-- /bench -->"):
        raise ValueError("each mark of the page needs an end")

    def piece(found: re.Match[str]) -> str:
        text = pieces.get(found[2])
        return found[0] if text is None else f"{found[1]}\n\n{text}\n\n<!-- /bench -->"

    return re.sub(r"(<!-- bench: ([a-z]+) -->).*?<!-- /bench -->", piece, page, flags=re.DOTALL)
