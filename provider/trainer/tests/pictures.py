"""Image files and archives for tests, made from colours."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

COLOURS = {"blue": (40, 60, 220), "green": (40, 200, 60), "red": (220, 50, 40)}


def encode(image, **options):
    """The bytes of an image file, PNG unless `format` is given."""
    file = io.BytesIO()
    image.save(file, **{"format": "PNG", **options})
    return file.getvalue()


def coloured(colour, seed=0, size=(40, 30), **options):
    """A noisy image of one colour."""
    noise = np.random.Generator(np.random.PCG64(seed)).integers(-30, 30, (size[1], size[0], 3))
    return encode(
        Image.fromarray((np.array(colour) + noise).clip(0, 255).astype("uint8")), **options
    )


def class_folders(each=4, first=0):
    """Files of three classes: path in the archive → bytes."""
    return {
        f"{name}/{number}.{ending.lower()}": coloured(colour, number, format=ending)
        for name, colour in COLOURS.items()
        for number in range(first, first + each)
        for ending in ("PNG", "JPEG")
        if (number % 2 == 0) == (ending == "PNG")
    }


def write_archive(path: Path, files):
    """Write files into a .zip, .tar or .tar.gz, and return its path."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return path
    with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return path
