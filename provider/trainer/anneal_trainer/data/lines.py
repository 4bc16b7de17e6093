"""Lines of a dataset file; every problem is reported as file:line.

One line is in memory at a time, because a file may be larger than the available memory.
"""

import codecs
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from anneal_trainer.data.content import SAMPLE_BYTES, check_content
from anneal_trainer.data.rules import quote, rule_error
from anneal_trainer.errors import DataError

Row = TypeVar("Row")

LONGEST_LINE = 16 * 2**20
"""Bytes of one line without its end."""


class Place:
    """A line of a file: makes errors that start with file:line."""

    def __init__(self, path: Path, line: int) -> None:
        self.line = line
        self._path = path

    def error(self, rule: str, message: str) -> DataError:
        """Return the error about a rule that this line breaks."""
        return rule_error(self._path, self.line, rule, message)


def not_empty(path: Path, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows of a file; refuse a file without rows."""
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise rule_error(path, 1, "no-rows", "The dataset has no rows.")


def read_lines(path: Path) -> Iterator[tuple[Place, str]]:
    r"""Read lines of UTF-8 without their "\n"; a byte order mark at the start is dropped."""
    number = 0
    with path.open("rb") as file:
        check_content(path, file.read(SAMPLE_BYTES))
        file.seek(0)
        while content := file.readline(LONGEST_LINE + 1):
            number += 1
            place = Place(path, number)
            content = content.removesuffix(b"\n")
            if len(content) > LONGEST_LINE:
                raise place.error("line-too-long", "The row is longer than 16 MiB.")
            if number == 1:
                content = content.removeprefix(codecs.BOM_UTF8)
            try:
                line = content.decode()
            except UnicodeDecodeError:
                raise place.error("not-utf-8", "The line is not valid UTF-8.") from None
            yield place, line


def text_lines(path: Path) -> Iterator[tuple[Place, str]]:
    """Read lines without their ends; blank lines are allowed only at the very end."""
    blank: Place | None = None
    for place, line in read_lines(path):
        if not line.strip(" \t\r"):
            blank = blank or place
            continue
        if blank is not None:
            raise blank.error("blank-line", "The line is blank.")
        yield place, line.removesuffix("\r")


def json_lines(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Read one JSON object from each line."""
    for place, line in text_lines(path):
        try:
            record = json.loads(line, parse_constant=refuse_constant)
        except (ValueError, RecursionError) as error:
            reason = str(error).split(":")[0]
            raise place.error("invalid-json", f"The line is not JSON ({reason}).") from None
        if not isinstance(record, dict):
            raise place.error("not-an-object", "The line is JSON, but not an object.")
        for key in record:
            if not is_whole(key):
                message = f"The key {quote(key)} contains half of a surrogate pair."
                raise place.error("half-character", message)
        yield place, record


def refuse_constant(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads although JSON has no such values."""
    raise ValueError(f"{name} is not a JSON value")


def text_field(
    place: Place,
    record: Mapping[str, Any],
    key: str,
    empty: str | None = "empty-text",
    name: str = "",
) -> str:
    """Return a record's text under a key.

    `empty` is the rule that an empty text breaks, None if it may be empty; `name` replaces the key
    in messages.
    """
    value, name = record[key], name or key
    if not isinstance(value, str):
        raise place.error("wrong-type", f"{name} is {type_name(value)}, not a text.")
    if not value and empty:
        raise place.error(empty, f"{name} is empty.")
    if not is_whole(value):
        raise place.error("half-character", f"{name} contains half of a surrogate pair.")
    return value


def is_whole(text: str) -> bool:
    """Return whether a text has no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def type_name(value: object) -> str:
    """Return what a value of JSON is, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return "a text"
    return "an object" if isinstance(value, dict) else "a number"
