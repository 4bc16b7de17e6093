"""Lines of a dataset file; every problem is reported as file:line.

One line is in memory at a time, because a file may be larger than the available memory.
"""

import codecs
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from anneal_trainer.errors import DataError

Row = TypeVar("Row")

LONGEST_LINE = 16 * 2**20
"""Bytes of one line without its end."""
SPLIT_HINT = "Split the row, and check that quotation marks and line ends are where they should be."


class Place:
    """A line of a file: makes errors that start with file:line."""

    def __init__(self, path: Path, line: int) -> None:
        self.line = line
        self._name = f"{path.name}:{line}"

    def error(self, problem: str, hint: str) -> DataError:
        """Return the error about this line; `problem` has no full stop."""
        return DataError(f"{self._name}: {problem}.", hint)


def not_empty(path: Path, rows: Iterable[Row]) -> Iterator[Row]:
    """Yield the rows of a file; refuse a file without rows."""
    empty = True
    for row in rows:
        empty = False
        yield row
    if empty:
        raise DataError(f"{path.name}:1: the dataset has no rows.", "Give at least one row.")


def read_lines(path: Path) -> Iterator[tuple[Place, str]]:
    r"""Read lines of UTF-8 without their "\n"; a byte order mark at the start is dropped."""
    number = 0
    with path.open("rb") as file:
        while content := file.readline(LONGEST_LINE + 1):
            number += 1
            place = Place(path, number)
            content = content.removesuffix(b"\n")
            if len(content) > LONGEST_LINE:
                raise place.error("the row is longer than 16 MiB", SPLIT_HINT)
            if number == 1:
                content = content.removeprefix(codecs.BOM_UTF8)
            try:
                line = content.decode()
            except UnicodeDecodeError:
                raise place.error("the line is not UTF-8", "Save the file as UTF-8.") from None
            yield place, line


def text_lines(path: Path) -> Iterator[tuple[Place, str]]:
    """Read lines without their ends; blank lines are allowed only at the very end."""
    blank: Place | None = None
    for place, line in read_lines(path):
        if not line.strip(" \t\r"):
            blank = blank or place
            continue
        if blank is not None:
            raise blank.error("the line is blank", "Remove it.")
        yield place, line.removesuffix("\r")


def json_lines(path: Path) -> Iterator[tuple[Place, dict[str, Any]]]:
    """Read one JSON object from each line."""
    for place, line in text_lines(path):
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            raise place.error(
                "the line is not JSON", "Write one JSON object on each line."
            ) from None
        if not isinstance(record, dict):
            raise place.error(
                "the line is not a JSON object", "Write one JSON object on each line."
            )
        yield place, record


def text_field(place: Place, record: dict[str, Any], key: str, *, empty: bool = False) -> str:
    """Return a record's text under a key; an empty one only if `empty` is set."""
    value = record[key]
    if not isinstance(value, str):
        raise place.error(f"{key} is not a text", f"Write {key} in quotation marks.")
    if not value and not empty:
        raise place.error(f"{key} is empty", "Fill it in or remove the row.")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise place.error(
            f"{key} holds half of a surrogate pair", "Write characters, not halves of them."
        ) from None
    return value
