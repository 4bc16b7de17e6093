"""Rows of a text classification dataset: texts with labels, in JSONL, CSV or TSV.

As in `rows.py`, the rules are the same as those of the client's dataset checker.
"""

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anneal_trainer.data.lines import (
    LONGEST_LINE,
    Place,
    json_lines,
    not_empty,
    read_lines,
    text_field,
    text_lines,
)
from anneal_trainer.data.rows import Formats, find_format
from anneal_trainer.data.rules import quote, rule_error

FORMATS: Formats = {"label": (("text", "label"), ())}
COLUMNS = ["label", "text"]

_INTEGER = re.compile(r"0|[1-9][0-9]{0,8}")


@dataclass(frozen=True)
class LabelRow:
    """A text and its class."""

    line: int
    """First line of the row in its file, from 1."""
    text: str
    """The text, not empty."""
    label: str
    """The label as text; integers in decimal."""


def read_label_rows(path: Path) -> Iterator[LabelRow]:
    """Read a JSONL, CSV or TSV file of texts with labels. Raises DataError at the first problem."""
    readers = {".jsonl": _label_rows_jsonl, ".csv": _label_rows_csv, ".tsv": _label_rows_tsv}
    if path.suffix not in readers:
        endings = ", ".join(readers)
        raise rule_error(
            path,
            1,
            "file-type",
            f"A text-classification model is trained on {endings} files, not on {path.name}.",
        )
    return not_empty(path, readers[path.suffix](path))


def label_set(path: Path, rows: list[LabelRow]) -> list[str]:
    """Sort the distinct labels: integers by value, texts by code point.

    Integers must be 0..n-1 without a gap, and there must be at least two labels.
    """
    labels = {row.label for row in rows}
    if len(labels) < 2:
        message = f"All rows have the label {quote(rows[0].label)}."
        raise rule_error(path, rows[-1].line, "one-label", message)
    ordered = sort_labels(labels)
    if all(_INTEGER.fullmatch(label) for label in labels):
        for number, label in enumerate(ordered):
            if int(label) != number:
                line = next(row.line for row in rows if row.label == label)
                message = f"The label {label} leaves a gap: label {number} is missing."
                raise rule_error(path, line, "label-gap", message)
    return ordered


def sort_labels(labels: Iterable[str]) -> list[str]:
    """Order labels as classes are numbered: integers by value, others by code point."""
    known = list(labels)
    if all(_INTEGER.fullmatch(label) for label in known):
        return sorted(known, key=int)
    return sorted(known)


def _label_rows_jsonl(path: Path) -> Iterator[LabelRow]:
    kind: type | None = None
    for place, record in json_lines(path):
        find_format(place, record, FORMATS)
        text, label = text_field(place, record, "text"), record["label"]
        if type(label) is int and 0 <= label < 1_000_000_000:
            label_text = str(label)
        elif isinstance(label, str):
            label_text = text_field(place, record, "label", "missing-label")
        else:
            rule = "missing-label" if label is None else "bad-label"
            raise place.error(rule, "label is neither a text nor an integer from 0.")
        kind = kind or type(label)
        if type(label) is not kind:
            names = {str: "string", int: "integer"}
            raise place.error(
                "mixed-labels",
                f"The label is a JSON {names[type(label)]}, "
                f"but the first label is a JSON {names[kind]}.",
            )
        yield LabelRow(place.line, text, label_text)


def _label_rows_csv(path: Path) -> Iterator[LabelRow]:
    """Read comma-separated values with a header and quotation marks as in RFC 4180."""
    csv.field_size_limit(LONGEST_LINE)
    reader = csv.reader(_csv_lines(path), strict=True)
    start = 1
    columns: list[str] | None = None
    blank: Place | None = None
    try:
        for record in reader:
            place, start = Place(path, start), reader.line_num + 1
            if len(record) < 2 and not "".join(record).strip(" \t\r"):
                blank = blank or place
                continue
            if blank is not None:
                raise blank.error("blank-line", "The line is blank.")
            if columns is None:
                columns = _header(place, record, ",")
            else:
                yield _label_row(place, columns, record)
    except csv.Error as error:
        if "field limit" in str(error):
            message = "The row is longer than 16 MiB."
            raise rule_error(path, start, "line-too-long", message) from None
        message = "The quotation marks of the row do not match."
        raise rule_error(path, start, "bad-quotes", message) from None


def _csv_lines(path: Path) -> Iterator[str]:
    r"""Read lines with their ends, which in CSV may be a lone "\r", too."""
    for _, line in read_lines(path):
        yield from io.StringIO(line + "\n", newline="")


def _label_rows_tsv(path: Path) -> Iterator[LabelRow]:
    """Read tab-separated values: quotation marks are ordinary characters, no field has a tab.

    Without a header the columns are label and text, and the label is an integer.
    """
    columns: list[str] = []
    headerless = False
    for place, line in text_lines(path):
        record = line.split("\t")
        if not columns:
            headerless = len(record) == 2 and bool(_INTEGER.fullmatch(record[0]))
            columns = COLUMNS if headerless else _header(place, record, "\t")
            if not headerless:
                continue
        row = _label_row(place, columns, record)
        if headerless and not _INTEGER.fullmatch(row.label):
            raise place.error(
                "bad-label", f"The label {quote(row.label)} is not an integer from 0."
            )
        yield row


def _header(place: Place, record: list[str], separator: str) -> list[str]:
    if sorted(record) != COLUMNS:
        shown = quote(separator.join(record))
        raise place.error("bad-header", f"The header is {shown}, not text and label.")
    return record


def _label_row(place: Place, columns: list[str], record: list[str]) -> LabelRow:
    if len(record) != 2:
        count = "1 column" if len(record) == 1 else f"{len(record)} columns"
        raise place.error("column-count", f"The row has {count}, not 2.")
    fields = dict(zip(columns, record, strict=True))
    text = text_field(place, fields, "text")
    return LabelRow(place.line, text, text_field(place, fields, "label", "missing-label"))
