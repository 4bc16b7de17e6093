"""Rows of a dataset: files in, checked rows out, every problem named as file:line.

These rules are one specification with the client's dataset checker; both are tested on the same
files (tests/examples), because what counts as a row decides what a task costs.
"""

import codecs
import csv
import io
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from finetune.errors import DataError

ROLES = ("system", "user", "assistant")

# The keys of each format of a causal-lm row: required ones, then optional ones.
CAUSAL_FORMATS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "messages": (frozenset({"messages"}), frozenset()),
    "prompt and completion": (frozenset({"prompt", "completion"}), frozenset()),
    "text": (frozenset({"text"}), frozenset()),
    "instruction and output": (frozenset({"instruction", "output"}), frozenset({"input"})),
}
LABEL_COLUMNS = frozenset({"text", "label"})
CAUSAL_HINT = (
    "Give every row exactly the keys of one format: messages; prompt and completion; text; "
    "instruction, output and optionally input."
)
LABEL_HINT = "Give every row exactly a text and a label."

_INTEGER = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class TextRow:
    """Plain text, trained on as a whole."""

    line: int
    """First line of the row in its file, from 1."""
    text: str
    """The text, not empty."""


@dataclass(frozen=True)
class PromptRow:
    """A prompt and what the model should answer."""

    line: int
    """First line of the row in its file, from 1."""
    prompt: str
    """What is asked, not empty."""
    completion: str
    """What should be answered, not empty."""


@dataclass(frozen=True)
class ChatRow:
    """A conversation."""

    line: int
    """First line of the row in its file, from 1."""
    messages: tuple[dict[str, str], ...]
    """Turns as {"role", "content"}; at least one is the assistant's."""


@dataclass(frozen=True)
class LabelRow:
    """A text and its class."""

    line: int
    """First line of the row in its file, from 1."""
    text: str
    """The text, not empty."""
    label: str
    """The label as text; integers in decimal."""


CausalRow = TextRow | PromptRow | ChatRow
Row = TypeVar("Row")


class _Place:
    """Where a problem is: makes errors that start with file:line."""

    def __init__(self, path: Path, line: int) -> None:
        self.line = line
        self._name = f"{path.name}:{line}"

    def error(self, problem: str, hint: str) -> DataError:
        return DataError(f"{self._name}: {problem}.", hint)


def read_causal_rows(path: Path) -> list[CausalRow]:
    """Read a JSONL file of messages, prompt and completion, text or instruction rows.

    All rows of a file have the same format. Raises DataError at the first problem.
    """
    rows: list[CausalRow] = []
    expected: str | None = None
    for place, record in _json_lines(path):
        format_ = _causal_format(place, record)
        expected = expected or format_
        if format_ != expected:
            raise place.error(
                f"the row has {format_}, the rows before have {expected}", CAUSAL_HINT
            )
        rows.append(_causal_row(place, record))
    return _not_empty(path, rows)


def read_label_rows(path: Path) -> list[LabelRow]:
    """Read a JSONL, CSV or TSV file of texts with labels. Raises DataError at the first problem."""
    readers = {".jsonl": _label_rows_jsonl, ".csv": _label_rows_csv, ".tsv": _label_rows_tsv}
    if path.suffix not in readers:
        raise _Place(path, 1).error(
            f"a classifier is not trained on {path.suffix or 'such'} files",
            "Convert the dataset to .jsonl, .csv or .tsv.",
        )
    return _not_empty(path, list(readers[path.suffix](path)))


def label_set(path: Path, rows: list[LabelRow]) -> list[str]:
    """Sort the distinct labels: integers by value, texts by code point.

    Integers must be 0..n-1 without a gap, and there must be at least two labels.
    """
    labels = {row.label for row in rows}
    if len(labels) < 2:
        raise DataError(
            f"{path.name}:{rows[-1].line}: all rows have the label {rows[0].label!r}.",
            "Give rows of at least two labels.",
        )
    if not all(_INTEGER.fullmatch(label) for label in labels):
        return sorted(labels)
    numbers = sorted(int(label) for label in labels)
    if numbers != list(range(len(numbers))):
        wrong = next(row for row in rows if int(row.label) >= len(numbers))
        raise DataError(
            f"{path.name}:{wrong.line}: label {wrong.label} leaves a gap, "
            f"there are only {len(numbers)} different labels.",
            "Number the labels from 0 without a gap, or use words.",
        )
    return [str(number) for number in numbers]


def _not_empty(path: Path, rows: list[Row]) -> list[Row]:
    if not rows:
        raise DataError(f"{path.name}:1: the dataset has no rows.", "Give at least one row.")
    return rows


def _read_text(path: Path) -> str:
    """Read the whole file as UTF-8; a byte order mark at the start is dropped."""
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _Place(path, line).error("the line is not UTF-8", "Save the file as UTF-8.") from None


def _lines(path: Path) -> Iterator[tuple[_Place, str]]:
    """Split into lines without their ends; blank lines are allowed only at the very end."""
    lines = [line.removesuffix("\r") for line in _read_text(path).split("\n")]
    while lines and not lines[-1].strip(" \t\r"):
        lines.pop()
    for number, line in enumerate(lines, start=1):
        place = _Place(path, number)
        if not line.strip(" \t\r"):
            raise place.error("the line is blank", "Remove it.")
        yield place, line


def _json_lines(path: Path) -> Iterator[tuple[_Place, dict[str, Any]]]:
    for place, line in _lines(path):
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


def _causal_format(place: _Place, record: dict[str, Any]) -> str:
    keys = record.keys()
    for name, (required, optional) in CAUSAL_FORMATS.items():
        if required <= keys <= required | optional:
            return name
    found = ", ".join(sorted(keys)) or "none"
    raise place.error(f"the row's keys fit no format (found: {found})", CAUSAL_HINT)


def _causal_row(place: _Place, record: dict[str, Any]) -> CausalRow:
    if "messages" in record:
        return ChatRow(place.line, _messages(place, record["messages"]))
    if "text" in record:
        return TextRow(place.line, _text(place, record, "text"))
    if "prompt" in record:
        prompt = _text(place, record, "prompt")
        return PromptRow(place.line, prompt, _text(place, record, "completion"))
    prompt = _text(place, record, "instruction")
    extra = _text(place, record, "input", empty=True) if "input" in record else ""
    prompt += ("\n" + extra if extra else "") + "\n"
    return PromptRow(place.line, prompt, _text(place, record, "output"))


def _messages(place: _Place, value: object) -> tuple[dict[str, str], ...]:
    hint = 'Write messages as [{"role": "user", "content": "…"}, …].'
    if not isinstance(value, list) or not value:
        raise place.error("messages is not a list with at least one message", hint)
    for message in value:
        if not isinstance(message, dict) or message.keys() != {"role", "content"}:
            raise place.error("a message is not an object with role and content", hint)
        if message["role"] not in ROLES:
            raise place.error(
                f"a message has the role {message['role']!r}", f"Use {', '.join(ROLES)}."
            )
        _text(place, message, "content")
    if all(message["role"] != "assistant" for message in value):
        raise place.error(
            "no message is the assistant's", "Give at least one message to learn from."
        )
    return tuple(value)


def _text(place: _Place, record: dict[str, Any], key: str, *, empty: bool = False) -> str:
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


def _label_rows_jsonl(path: Path) -> Iterator[LabelRow]:
    kind: type | None = None
    for place, record in _json_lines(path):
        if record.keys() != LABEL_COLUMNS:
            found = ", ".join(sorted(record)) or "none"
            raise place.error(f"the row's keys are not text and label (found: {found})", LABEL_HINT)
        text, label = _text(place, record, "text"), record["label"]
        if type(label) is int and 0 <= label < 1_000_000_000:
            label_text = str(label)
        elif isinstance(label, str):
            label_text = _text(place, record, "label")
        else:
            raise place.error(
                "label is neither a text nor an integer from 0", "Write labels as 0, 1, … or words."
            )
        kind = kind or type(label)
        if type(label) is not kind:
            raise place.error(
                "label is a text in some rows and an integer in others", "Write all labels alike."
            )
        yield LabelRow(place.line, text, label_text)


def _label_rows_csv(path: Path) -> Iterator[LabelRow]:
    """Read comma-separated values with quotation marks as in RFC 4180, with a header."""
    csv.field_size_limit(sys.maxsize)
    reader = csv.reader(io.StringIO(_read_text(path), newline=""), strict=True)
    start = 1
    columns: list[str] | None = None
    blank: _Place | None = None
    try:
        for record in reader:
            place, start = _Place(path, start), reader.line_num + 1
            if len(record) < 2 and not "".join(record).strip(" \t\r"):
                blank = blank or place
                continue
            if blank is not None:
                raise blank.error("the line is blank", "Remove it.")
            if columns is None:
                columns = _header(place, record)
            else:
                yield _label_row(place, columns, record)
    except csv.Error as error:
        raise _Place(path, start).error(
            f"the quotation marks do not match ({error})",
            'Put fields with commas in quotation marks and double those inside: "a ""b"" c".',
        ) from None


def _label_rows_tsv(path: Path) -> Iterator[LabelRow]:
    """Read tab-separated values: quotation marks are ordinary characters, no field has a tab.

    Without a header the columns are label and text, and the label is an integer.
    """
    columns: list[str] = []
    headerless = False
    for place, line in _lines(path):
        record = line.split("\t")
        if not columns and set(record) == LABEL_COLUMNS:
            columns = _header(place, record)
            continue
        if not columns:
            if len(record) != 2 or not _INTEGER.fullmatch(record[0]):
                raise place.error(
                    "the first line is neither a header nor an integer label, a tab and a text",
                    "Start the file with the header text<TAB>label.",
                )
            columns, headerless = ["label", "text"], True
        row = _label_row(place, columns, record)
        if headerless and not _INTEGER.fullmatch(row.label):
            raise place.error(
                f"the label {row.label!r} is not an integer from 0",
                "Start the file with the header label<TAB>text to use words.",
            )
        yield row


def _header(place: _Place, record: list[str]) -> list[str]:
    if set(record) != LABEL_COLUMNS or len(record) != 2:
        raise place.error(
            f"the header is {','.join(record)}, not text,label", "Start the file with text,label."
        )
    return record


def _label_row(place: _Place, columns: list[str], record: list[str]) -> LabelRow:
    if len(record) != 2:
        raise place.error(f"the row has {len(record)} columns, not 2", LABEL_HINT)
    fields = dict(zip(columns, record, strict=True))
    text = _text(place, fields, "text")
    return LabelRow(place.line, text, _text(place, fields, "label"))
