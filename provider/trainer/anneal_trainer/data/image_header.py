"""Checks of the headers of a JPEG or PNG file, before anything decodes it.

Only these two formats are accepted: every other one would expose one more decoder to untrusted
bytes. The client has no decoder and checks images by the same rules.
"""

import zlib
from dataclasses import dataclass

MAX_PIXELS = 64_000_000
"""Maximum width times height: decoding takes three bytes per pixel."""

MAX_ASPECT_RATIO = 100
"""Maximum ratio of the long edge to the short one: resizing the short edge scales both."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class ImageError(Exception):
    """An image that is refused: the rule that it breaks, and a sentence about it."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule
        self.message = message


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    bits: int
    """Bits per channel."""


def check_image(content: bytes) -> int:
    """Check the headers of an image file; return its number of pixels. Raises ImageError."""
    if content.startswith(PNG_SIGNATURE):
        header = _read_png(content)
    elif content.startswith(b"\xff\xd8"):
        header = _read_jpeg(content)
    else:
        raise ImageError("image-type", "The file is neither a JPEG nor a PNG image.")
    if header.bits > 8:
        raise ImageError("image-deep", f"The image has {header.bits} bits per channel.")
    if not header.width or not header.height:
        raise _damage("The image is damaged: its width or height is zero.")
    if header.width * header.height > MAX_PIXELS:
        raise ImageError(
            "image-too-large",
            f"The image has {header.width} x {header.height} pixels, more than 64 million.",
        )
    if max(header.width, header.height) > MAX_ASPECT_RATIO * min(header.width, header.height):
        raise ImageError(
            "image-too-large",
            f"The image is a strip of {header.width} x {header.height} pixels.",
        )
    return header.width * header.height


def _read_png(content: bytes) -> _Header:
    """Walk through all chunks: length, type, data, and the CRC-32 of type and data."""
    header: _Header | None = None
    has_pixels = False
    place = len(PNG_SIGNATURE)
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        end = place + 12 + length
        if end > len(content):
            break
        type_, data = content[place + 4 : place + 8], content[place + 8 : end - 4]
        if zlib.crc32(content[place + 4 : end - 4]) != int.from_bytes(
            content[end - 4 : end], "big"
        ):
            raise _damage("The image is damaged: a checksum is wrong.")
        if header is None:
            if type_ != b"IHDR" or length != 13:
                raise _damage("The image is damaged: it has no header.")
            size = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
            header = _Header(*size, data[8])
        if type_ == b"acTL":
            raise ImageError("image-animated", "The image is animated.")
        has_pixels |= type_ == b"IDAT"
        if type_ == b"IEND":
            if not has_pixels:
                raise _damage("The image is damaged: it has no pixels.")
            return header
        place = end
    raise _damage("The image is truncated.")


def _read_jpeg(content: bytes) -> _Header:
    """Walk through the segments up to the pixels, and look for the end mark."""
    header: _Header | None = None
    place = 2
    while place + 4 <= len(content):
        if content[place] != 0xFF:
            raise _damage("The image is damaged: a segment is missing.")
        marker = content[place + 1]
        if marker == 0xFF:  # Fill bytes may precede a marker.
            place += 1
            continue
        length = int.from_bytes(content[place + 2 : place + 4], "big")
        if _is_frame(marker):
            header = _read_frame(content[place + 4 : place + 2 + length])
        if marker == 0xDA:
            if header is None:
                raise _damage("The image is damaged: it has no header.")
            if content.find(b"\xff\xd9", place) < 0:
                break
            return header
        place += 2 + length
    raise _damage("The image is truncated.")


def _is_frame(marker: int) -> bool:
    """Distinguish frame headers, C0 to CF, from the tables DHT (C4), JPG (C8) and DAC (CC)."""
    return 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC)


def _read_frame(data: bytes) -> _Header:
    """Read a frame header: bits, height, width, number of components."""
    if len(data) < 6:
        raise _damage("The image is damaged: its header is too short.")
    if data[5] == 4:
        raise ImageError("image-cmyk", "The image is CMYK.")
    if data[5] not in (1, 3):
        raise ImageError("image-cmyk", f"The image has {data[5]} channels.")
    height, width = int.from_bytes(data[1:3], "big"), int.from_bytes(data[3:5], "big")
    return _Header(width, height, data[0])


def _damage(message: str) -> ImageError:
    return ImageError("image-damaged", message)
