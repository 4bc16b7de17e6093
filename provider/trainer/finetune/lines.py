"""Lines of a dataset file, every problem named as file:line."""

import codecs
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from finetune.errors import DataError

Row = TypeVar("Row")


class Place:
    """Where a problem is: makes errors that start with file:line."""

    def __init__(self, path: Path, line: int) -> None:
        self.line = line
        self._name = f"{path.name}:{line}"

    def error(self, problem: str, hint: str) -> DataError:
        """Return the error to raise; `problem` has no full stop."""
        return DataError(f"{self._name}: {problem}.", hint)


def not_empty(path: Path, rows: list[Row]) -> list[Row]:
    """Return the rows of a file; refuse a file without any."""
    if not rows:
        raise DataError(f"{path.name}:1: the dataset has no rows.", "Give at least one row.")
    return rows


def read_text(path: Path) -> str:
    """Read the whole file as UTF-8; a byte order mark at the start is dropped."""
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise Place(path, line).error("the line is not UTF-8", "Save the file as UTF-8.") from None


def text_lines(path: Path) -> Iterator[tuple[Place, str]]:
    """Split into lines without their ends; blank lines are allowed only at the very end."""
    lines = [line.removesuffix("\r") for line in read_text(path).split("\n")]
    while lines and not lines[-1].strip(" \t\r"):
        lines.pop()
    for number, line in enumerate(lines, start=1):
        place = Place(path, number)
        if not line.strip(" \t\r"):
            raise place.error("the line is blank", "Remove it.")
        yield place, line


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
    """Return a record's text under a key; an empty one only where `empty` says so."""
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
