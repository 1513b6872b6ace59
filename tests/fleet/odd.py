"""Values that nobody has thought of, for whatever comes from Redis."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import strategies as st

HUGE: Final = 10**309
"""310 digits: more than a float holds."""

ODD_TEXTS: Final = (
    "\ud800",
    "\udfff\ud800",
    "a\x00b",
    "\x00",
    "\u202e\u2066abc",
    "\ufeff5",
    "\u0661\u0662",
    "9" * 310,
    "1" + "0" * 400,
    "-" + "9" * 310,
    "1e999",
    "nan",
    "inf",
    "1_000",
    " 12 ",
    "+5",
    "[" * 9_000,
    "-/x",
    "..",
    "x" * 70_000,
)

integers = st.integers(-(10**400), 10**400) | st.sampled_from(
    [HUGE, -HUGE, 10**400, 2**53 - 1, 2**53, 2**63, 2**64, 10**12, 10**12 + 1, 10**4299, -1, 0]
)
texts = (
    st.text(st.characters(exclude_categories=()), max_size=40)
    | st.sampled_from(ODD_TEXTS)
    | integers.map(str)
)
scalars = st.none() | st.booleans() | integers | st.floats() | texts
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner))

depths = st.builds(
    lambda opening, depth, closing: (opening * depth + closing * depth).encode(),
    st.sampled_from(["[", '{"a":', '{"stats":', '[{"a":']),
    st.sampled_from([60, 200, 900, 1_100, 5_000, 10_000]),
    st.sampled_from(["]", "}", "1}", ""]),
)
"""Beyond every limit of depth that a parser has."""

binary = st.binary(max_size=60) | texts.map(lambda text: text.encode(errors="surrogatepass"))
answers = values | binary | st.integers(-(2**63), 2**63 - 1)
"""What a client can give for an answer of the server, and much that it cannot."""


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()


def spoilt(well: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """What should come, with some of its fields as they should not be."""
    fields = {name: st.just(value) | values for name, value in well.items()}
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def mangled(draw: st.DrawFn, data: bytes) -> bytes:
    """The bytes that should come, with pieces taken out, put in, or twice."""
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = draw(st.integers(start, min(len(data), start + 12)))
        piece = draw(binary | st.just(data[start:end] * 2) | st.just(b""))
        data = data[:start] + piece + data[end:]
    return data
