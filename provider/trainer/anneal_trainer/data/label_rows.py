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
    SPLIT_HINT,
    Place,
    json_lines,
    not_empty,
    read_lines,
    text_field,
    text_lines,
)
from anneal_trainer.errors import DataError

LABEL_COLUMNS = frozenset({"text", "label"})
LABEL_HINT = "Give every row exactly a text and a label."

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
        raise Place(path, 1).error(
            f"a classifier is not trained on {path.suffix or 'such'} files",
            "Convert the dataset to .jsonl, .csv or .tsv.",
        )
    return not_empty(path, readers[path.suffix](path))


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
    ordered = sort_labels(labels)
    integers = all(_INTEGER.fullmatch(label) for label in labels)
    if integers and ordered != [str(number) for number in range(len(ordered))]:
        wrong = next(row for row in rows if int(row.label) >= len(ordered))
        raise DataError(
            f"{path.name}:{wrong.line}: label {wrong.label} leaves a gap, "
            f"there are only {len(ordered)} different labels.",
            "Number the labels from 0 without a gap, or use words.",
        )
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
        if record.keys() != LABEL_COLUMNS:
            found = ", ".join(sorted(record)) or "none"
            raise place.error(f"the row's keys are not text and label (found: {found})", LABEL_HINT)
        text, label = text_field(place, record, "text"), record["label"]
        if type(label) is int and 0 <= label < 1_000_000_000:
            label_text = str(label)
        elif isinstance(label, str):
            label_text = text_field(place, record, "label")
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
                raise blank.error("the line is blank", "Remove it.")
            if columns is None:
                columns = _header(place, record)
            else:
                yield _label_row(place, columns, record)
    except csv.Error as error:
        if "field limit" in str(error):
            raise Place(path, start).error("the row is longer than 16 MiB", SPLIT_HINT) from None
        raise Place(path, start).error(
            f"the quotation marks do not match ({error})",
            'Put fields with commas in quotation marks and double those inside: "a ""b"" c".',
        ) from None


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


def _header(place: Place, record: list[str]) -> list[str]:
    if set(record) != LABEL_COLUMNS or len(record) != 2:
        raise place.error(
            f"the header is {','.join(record)}, not text,label", "Start the file with text,label."
        )
    return record


def _label_row(place: Place, columns: list[str], record: list[str]) -> LabelRow:
    if len(record) != 2:
        raise place.error(f"the row has {len(record)} columns, not 2", LABEL_HINT)
    fields = dict(zip(columns, record, strict=True))
    text = text_field(place, fields, "text")
    return LabelRow(place.line, text, text_field(place, fields, "label"))
