"""What a file is, by its first bytes, if it cannot be lines of text.

The rules are the same as those of the client's dataset checker, in
sdk/dataset/formats/checkContent.ts.
"""

import codecs
import json
from pathlib import Path

from anneal_trainer.data.rules import rule_error

SAMPLE_BYTES = 64 * 1024
"""Bytes at the start of a file that decide what it is."""

COMPRESSIONS = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"BZh": "bzip2",
    b"\xfd7zXZ\x00": "xz",
}


def check_content(path: Path, start: bytes) -> None:
    """Refuse a file that is no lines of text; `start` is its first SAMPLE_BYTES."""
    for magic, method in COMPRESSIONS.items():
        if start.startswith(magic):
            raise rule_error(path, 1, "compressed", f"The file is compressed with {method}.")
    other = _other_type(start)
    if other:
        raise rule_error(path, 1, "file-type", f"The file is {other}.")
    if _is_utf16(start):
        raise rule_error(path, 1, "not-utf-8", "The file is UTF-16.")
    if _is_array(start):
        raise rule_error(path, 1, "json-array", "The file is a JSON array.")


def _other_type(start: bytes) -> str | None:
    if start.startswith(b"PK\x03\x04"):
        return "an Excel workbook" if b"xl/" in start else "a zip archive"
    return "a parquet file" if start.startswith(b"PAR1") else None


def _is_utf16(start: bytes) -> bool:
    """Return whether it starts with UTF-16's byte order mark, or a character with one zero byte."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return True
    return len(start) > 1 and start[:2].count(0) == 1


def _is_array(start: bytes) -> bool:
    """Return whether a file is one JSON array, and not a list on each line."""
    text = start.removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")
    first, _, rest = text.partition(b"\n")
    return text.startswith(b"[") and (not rest.strip(b" \t\r\n") or not _is_json(first))


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True
