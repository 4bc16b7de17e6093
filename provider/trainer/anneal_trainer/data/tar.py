"""The entries of a tar file (POSIX ustar, with pax and GNU long names), read strictly in order.

The standard library's reader treats a damaged header as the end of the archive, which would
silently drop images. This one supports only what an archive of plain files needs and refuses the
rest; the client follows the same rules.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

BLOCK = 512
MAX_META_BYTES = 2**20
"""Maximum size of an extended header, which contains names."""
MAX_META_TOTAL = 2**31
"""Maximum size of all extended headers together: 2 KiB for each of a million entries."""
MAX_PADDING = 2**20
"""Maximum number of zero bytes after the end mark."""

KINDS = {b"0": "file", b"\0": "file", b"7": "file", b"5": "directory"}


class DamagedTarError(Exception):
    """A damaged archive; the message is a clause without a full stop."""


@dataclass(frozen=True)
class TarEntry:
    """One entry; its bytes can be read until the next one is asked for."""

    name: str
    """Its path; bytes that are not UTF-8 become U+FFFD."""
    size: int
    """Bytes of its content."""
    kind: str
    """"file", "directory" or "other" (links, devices and so on)."""
    _reader: "_Reader"

    def read(self) -> bytes:
        """Read the content."""
        return self._reader.take(self.size)


class _Reader:
    """Reads blocks and contents, and keeps track of the next header."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = 0

    def enter(self, size: int) -> None:
        """Begin an entry's content, which is padded to whole blocks."""
        self._left = size + -size % BLOCK

    def take(self, size: int) -> bytes:
        """Read from the current entry's content."""
        self._left -= size
        return self._read(size)

    def header(self) -> bytes:
        """Skip the rest of the current entry and read the block after it."""
        while self._left > 0:
            self.take(min(self._left, 2**20))
        return self._read(BLOCK)

    def finish(self) -> None:
        """Check that only zeros come after the end mark."""
        rest = self._stream.read(MAX_PADDING)
        if any(rest) or self._stream.read(1):
            raise DamagedTarError("data follows its end mark")

    def _read(self, size: int) -> bytes:
        data = self._stream.read(size)
        if len(data) != size:
            raise DamagedTarError("it ends too early")
        return data


def read_tar(stream: IO[bytes]) -> Iterator[TarEntry]:
    """Yield the entries of a tar. Raises DamagedTarError."""
    reader = _Reader(stream)
    named: dict[str, str] = {}
    meta = 0
    while True:
        header = reader.header()
        if not any(header):
            reader.finish()
            return
        size, type_ = _check_header(header), header[156:157]
        if type_ in b"xgLK":
            if size > MAX_META_BYTES:
                raise DamagedTarError("an extended header is too long")
            meta += BLOCK + size
            if meta > MAX_META_TOTAL:
                raise DamagedTarError("it has too many extended headers")
            reader.enter(size)
            content = reader.take(size)
            if type_ == b"x":
                named |= _pax_fields(content)
            elif type_ == b"L":
                named["path"] = _text(content)
            continue
        size = int(named.get("size", size))
        reader.enter(size)
        yield TarEntry(named.get("path") or _name(header), size, KINDS.get(type_, "other"), reader)
        named = {}


def _check_header(header: bytes) -> int:
    """Verify the checksum of the header and return the size of the content."""
    total = sum(header) - sum(header[148:156]) + 8 * ord(" ")
    if _number(header[148:156]) != total:
        raise DamagedTarError("a header's checksum is wrong")
    return _number(header[124:136])


def _number(field: bytes) -> int:
    """Read an octal number, or a binary one for larger values."""
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    digits = field.strip(b" \0")
    if not digits:
        return 0
    if digits.strip(b"01234567"):
        raise DamagedTarError("a header field is not a number")
    return int(digits, 8)


def _name(header: bytes) -> str:
    name, prefix = _text(header[:100]), _text(header[345:500])
    is_posix = header[257:263] == b"ustar\0"
    return f"{prefix}/{name}" if is_posix and prefix else name


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "replace")


def _pax_fields(content: bytes) -> dict[str, str]:
    """Read records of the form "length key=value"; only path and size are used."""
    fields = {}
    while content:
        digits, space, _ = content.partition(b" ")
        length = int(digits) if space and len(digits) < 8 and digits.isdigit() else 0
        record = content[len(digits) + 1 : length]
        key, equals, value = record.partition(b"=")
        if not equals or not value.endswith(b"\n"):
            raise DamagedTarError("an extended header cannot be read")
        if key == b"size" and not value[:-1].isdigit():
            raise DamagedTarError("an extended header field is not a number")
        if key in (b"path", b"size"):
            fields[key.decode()] = _text(value[:-1])
        content = content[length:]
    return fields
