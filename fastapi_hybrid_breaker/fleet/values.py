"""The types of single values that come from Redis, whoever wrote them.

``scripts/values.lua`` reads the same values in the same way.
"""

# No "from __future__ import annotations" here: pydantic reads the annotations at run time.

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, NoReturn, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, core_schema, from_json

from fastapi_hybrid_breaker.core.error_text import describe_error
from fastapi_hybrid_breaker.core.keys import fault_of

VERSION_LIMIT: Final = 2**53 - 10**12
"""Versions are exact as Lua and JavaScript numbers, with room to count on."""

LATEST: Final = 2**53 - 1
"""The highest number that is read, of any field."""

MOST_COUNTED: Final = 10**12

LONGEST_JSON: Final = 2048
"""Bytes of JSON beside a state or an override."""

_DIGITS: Final = r"^[0-9]{1,16}(\.0)?$"
_CONTROL: Final = re.compile(r"[\x00-\x1f]")
_ESCAPED: Final = re.compile(r"\\.")
_QUOTED: Final = re.compile(r'"[^"]*"')
_FLAT: Final = re.compile(r" *\{[s:, 0-9]*\} *")


class MalformedError(ValueError):
    """Something from Redis is not in its format."""

    @classmethod
    def of(cls, what: str, error: ValidationError) -> Self:
        """Return the error for what a model refused; it quotes nothing of the input."""
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        # The first part of the place is a name of ours; further ones can come from the input.
        where = f" ({first['loc'][0]})" if first["loc"] else ""
        return cls(f"malformed {what}{where}: {first['msg']}"[:200])


# -- numbers -------------------------------------------------------------------------------------


def _check_form(value: object) -> object:
    """Return what is not an int nor text; refuse what pydantic would take, such as booleans."""
    if value is None:
        return 0
    if not isinstance(value, float):
        raise ValueError("not a number")  # noqa: TRY004 - pydantic collects ValueErrors
    return value


@dataclass(frozen=True)
class Digits:
    """Annotates a number that is text: 1 to 16 ASCII digits, and ``.0`` may follow."""

    least: int
    most: int

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the field's schema (pydantic asks for this)."""
        text = core_schema.str_schema(strict=True, pattern=_DIGITS)
        number = core_schema.int_schema(ge=self.least, le=self.most)
        return core_schema.chain_schema([text, number])


_InRange = Field(ge=0, le=LATEST)

Number = Annotated[
    # What most are, first: then no function of ours is called.
    Annotated[int, Field(strict=True), _InRange]
    | Annotated[int, Digits(0, LATEST)]
    | Annotated[int, _InRange, BeforeValidator(_check_form)],
    Field(union_mode="left_to_right"),
]
"""A count or a time: an int, a float with an integral value, or 1 to 16 ASCII digits.

Clients of the basic format send all three, and in a hash ``5.0``, where a float is text. Absent
and null are 0; everything else is malformed.
"""

Count = Annotated[Number, AfterValidator(lambda value: min(value, MOST_COUNTED))]
"""A count; above its range it is the highest, for a state matters more than a figure."""


Version = Annotated[int, Digits(1, VERSION_LIMIT - 1)]
"""The version of a state or an override: always text, since JSON numbers lose digits on the way."""


def _zero_if_absent(value: object) -> object:
    return 0.0 if value is None else value


ExactTime = Annotated[
    float,
    Field(ge=0, le=LATEST, allow_inf_nan=False, strict=True),
    BeforeValidator(_zero_if_absent),
]
"""A time of our own that has a fraction: a JSON number. Absent and null are 0."""


# -- texts ---------------------------------------------------------------------------------------

InstanceName = Annotated[str, StringConstraints(strict=True, pattern="^[0-9A-Za-z]{1,64}$")]
NameOrEmpty = Annotated[str, StringConstraints(strict=True, pattern="^[0-9A-Za-z]{0,64}$")]


def _check_key(value: str) -> str:
    if (fault := fault_of(value)) is not None:
        raise ValueError(fault)
    return value


Key = Annotated[str, Field(strict=True), AfterValidator(_check_key)]
"""The key of a circuit."""

ShownText = Annotated[
    str, BeforeValidator(lambda value: describe_error(value) if isinstance(value, str) else "")
]
"""Text that is only shown: made printable and cut; "" where it is not text."""


# -- leniency ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OrElse:
    """Annotates a field whose malformed values read as ``default``; so does an absent one."""

    default: object

    def __get_pydantic_core_schema__(
        self, source: object, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        """Return the field's schema, with the default (pydantic asks for this)."""
        strict = handler(source)
        return core_schema.with_default_schema(strict, default=self.default, on_error="default")


# -- JSON ----------------------------------------------------------------------------------------


def read_json(what: str, data: object, most: int) -> dict[str, Any]:
    """Return the JSON object in ``most`` bytes of UTF-8 at most; a BOM may stand before it.

    Raises:
        MalformedError: it is anything else.
    """
    if not isinstance(data, bytes) or len(data) > most:
        raise MalformedError(f"malformed {what}: more than {most} bytes")
    try:
        found = json.loads(data.decode("utf-8-sig"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"malformed {what}: {error}"[:200]) from None
    if not isinstance(found, dict):
        raise MalformedError(f"malformed {what}: not an object")
    return found


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def read_flat_json(text: object) -> Any:
    """Return an object of nothing but texts and counts, as the scripts quote it in messages.

    Raises:
        ValueError: it is anything else, or has more bytes than the scripts take.
    """
    if not isinstance(text, str) or len(text.encode()) > LONGEST_JSON or _CONTROL.search(text):
        raise ValueError("text that is too long or has control characters")
    if not _FLAT.fullmatch(_QUOTED.sub("s", _ESCAPED.sub("_", text))):
        raise ValueError("not an object of texts and counts")
    return from_json(text)  # which refuses lone surrogates, unlike the parser above


# -- models --------------------------------------------------------------------------------------


class WireModel(BaseModel):
    """Something that comes from Redis; names that it does not have are ignored."""

    model_config: ClassVar[ConfigDict] = ConfigDict(frozen=True, extra="ignore")
    what: ClassVar[str]
    """What it is called where it is malformed."""

    @classmethod
    def read(cls, given: object) -> Self:
        """Return the model of what was received.

        Raises:
            MalformedError: it is not in the format.
        """
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            raise MalformedError.of(cls.what, error) from None


def wire_names(model: type[BaseModel]) -> tuple[str, ...]:
    """Return the names of a model's fields as they stand in Redis, in their order."""
    return tuple(field.alias or name for name, field in model.model_fields.items())


def as_text(data: bytes) -> str:
    """Return the text of any bytes: what is not UTF-8 becomes lone surrogates."""
    return data.decode(errors="surrogateescape")


def texts_by_name(what: str, names: Sequence[str], values: object) -> dict[str, str | None]:
    """Return the values of fields of a hash by their names; None: it is absent, or not text.

    Raises:
        MalformedError: there are more or fewer values than names.
    """
    if not isinstance(values, list | tuple) or len(values) != len(names):
        raise MalformedError(f"malformed {what}: not {len(names)} values")
    texts = (as_text(value) if isinstance(value, bytes) else None for value in values)
    return dict(zip(names, texts, strict=True))


def read_number(value: object) -> int:
    """Return a single number.

    Raises:
        MalformedError: it is not one.
    """
    try:
        return _NUMBER.validate_python(value)
    except ValidationError as error:
        raise MalformedError.of("number", error) from None


_NUMBER: Final[TypeAdapter[int]] = TypeAdapter(Number)
