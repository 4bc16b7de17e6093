"""The images of a dataset, kept on disk instead of in memory."""

import os
import tempfile
from pathlib import Path

import numpy as np

from anneal_trainer.data.image_processor import ImageProcessor, Pixels

MAX_EXPANSION = 20
"""Maximum bytes of pixels kept per byte of the archive, beyond SMALL of them."""
SMALL = 64 * 2**20


class ImageStore:
    """A file without a name, which the system frees when the process ends, however it ends.

    Pixels are kept as long as they are not many times as large as the archive. The other images
    are kept encoded, and decoded each time: small files with many pixels decode quickly.
    """

    def __init__(self, processor: ImageProcessor, directory: Path, archive_bytes: int) -> None:
        self._processor = processor
        self._file = tempfile.TemporaryFile(dir=directory)  # noqa: SIM115 (open until the end)
        self._left = max(SMALL, MAX_EXPANSION * archive_bytes)
        self._end = 0
        self._places: list[tuple[int, int, bool]] = []

    def add(self, content: bytes) -> int:
        """Decode an image file once; return its number. Raises ImageError."""
        pixels = self._processor.read(content).tobytes()
        decoded = len(pixels) <= self._left
        kept = pixels if decoded else content
        self._left -= len(pixels) if decoded else 0
        self._file.write(kept)
        self._places.append((self._end, len(kept), decoded))
        self._end += len(kept)
        return len(self._places) - 1

    def read(self, number: int) -> Pixels:
        """Return an image resized and cropped: uint8, (3, height, width)."""
        start, size, decoded = self._places[number]
        self._file.flush()
        content = os.pread(self._file.fileno(), size, start)
        if not decoded:
            return self._processor.read(content)
        return np.frombuffer(content, np.uint8).reshape(self._processor.shape)
