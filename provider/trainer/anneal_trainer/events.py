"""The journal of a job: one JSON object per line, never rewritten, with a strictly rising seq."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class EventLog:
    """Appends to events.jsonl; every line reaches the operating system before the call returns.

    A line cut short by a crash is removed when the log is opened again, so that readers only ever
    see whole lines. Numbering continues after the last whole one. Half a surrogate pair, which is
    not UTF-8, is written as its JSON escape.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seq = _repair(path)
        self._file = path.open("a", encoding="utf-8", errors="backslashreplace", newline="\n")

    def write(self, type_: str, **fields: Any) -> None:  # noqa: ANN401
        """Append one event; field values must be valid JSON (NaN and infinities are not)."""
        self._seq += 1
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        event = {"seq": self._seq, "time": time, "type": type_, **fields}
        self._file.write(json.dumps(event, ensure_ascii=False, allow_nan=False) + "\n")
        self._file.flush()

    def warn(self, message: str) -> None:
        """Append a warning that the user should see."""
        self.write("warning", message=message)

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield all events so far, oldest first."""
        with self._path.open(encoding="utf-8") as file:
            for line in file:
                yield json.loads(line)

    def close(self) -> None:
        """Make the journal durable and close it."""
        os.fsync(self._file.fileno())
        self._file.close()


class NoEvents(EventLog):
    """The journal of a rank that reports nothing."""

    def __init__(self) -> None:
        pass

    def write(self, type_: str, **fields: Any) -> None:  # noqa: ANN401
        """Do nothing."""

    def read(self) -> Iterator[dict[str, Any]]:
        """Yield nothing."""
        return iter(())

    def close(self) -> None:
        """Do nothing."""


def _repair(path: Path) -> int:
    """Remove an incomplete last line and return the seq of the last whole one, 0 if none."""
    if not path.exists():
        return 0
    with path.open("r+b") as file:
        content = file.read()
        end = content.rfind(b"\n") + 1
        file.truncate(end)
    lines = content[:end].splitlines()
    return int(json.loads(lines[-1])["seq"]) if lines else 0
