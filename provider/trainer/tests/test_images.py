"""Image classification: archives, images, preprocessing, and whole jobs."""

import io
import json
import struct
import tarfile
import zipfile
import zlib

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pictures import COLOURS, class_folders, coloured, encode, write_archive
from PIL import Image

from anneal_trainer.data import archive as archive_module
from anneal_trainer.data import image_store, images, tar
from anneal_trainer.data.archive import read_archive
from anneal_trainer.data.image_header import ImageError, check_image
from anneal_trainer.data.image_processor import load_image_processor
from anneal_trainer.data.images import count_images, pixel_values
from anneal_trainer.data.loading import read_image_dataset
from anneal_trainer.data.rules import HINTS
from anneal_trainer.data.tar import DamagedTarError, read_tar
from anneal_trainer.errors import ConfigError, DataError

FORMATS = [".zip", ".tar", ".tar.gz"]
RED = coloured(COLOURS["red"])
BLUE = coloured(COLOURS["blue"])
GOOD = {"blue/1.png": BLUE, "red/1.png": RED}
KIND = {"kind": "image-classification"}


@pytest.fixture(scope="session")
def processor(models):
    return load_image_processor(models / "tiny-mobilenet-v2", {})


def refused(path):
    with pytest.raises(DataError) as error:
        count_images(path)
    for sentence in (error.value.message, error.value.hint):
        assert sentence.endswith(".")
        assert "\n" not in sentence
    return error.value.message


@pytest.mark.parametrize("ending", FORMATS)
def test_classes_are_the_folders_of_an_archive(tmp_path, processor, ending):
    files = {"./red/1.png": RED, "blue/": b"", "blue/a b.jpg": BLUE, "blue/.DS_Store": b"?",
             "__MACOSX/blue/a b.jpg": b"?", "red/é.png": RED}  # fmt: skip
    path = write_archive(tmp_path / f"train{ending}", files)
    dataset, labels = read_image_dataset(path, processor, None, tmp_path)
    assert labels == ["blue", "red"]
    assert [(example.text, example.label) for example in dataset.examples] == [
        ("red/1.png", 1),
        ("blue/a b.jpg", 0),
        ("red/é.png", 1),
    ]
    assert dataset.tokens == count_images(path) == 3
    (left, middle, right) = (example.picture.pixels for example in dataset.examples)
    assert np.array_equal(left, right)
    assert not np.array_equal(left, middle)


def test_numbered_classes_are_ordered_by_value_and_need_no_zero(tmp_path, processor):
    files = {f"{number}/x.png": RED for number in (10, 9, 100)}
    path = write_archive(tmp_path / "train.zip", files)
    assert read_image_dataset(path, processor, None, tmp_path)[1] == ["9", "10", "100"]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("top.png", "is not in a class folder"),
        ("train/red/1.png", "in a class folder at the top level, this file is not"),
        ("../red/1.png", "leads out of the archive"),
        ("red/../../1.png", "leads out of the archive"),
        ("/red/1.png", "leads out of the archive"),
        ("C:/1.png", "leads out of the archive"),
        ("red//1.png", "empty part"),
        ("red/" + 256 * "é", "more than 255 characters"),
        ("red/a\nb.png", "control character"),
    ],
)
def test_a_path_that_is_no_class_and_file_is_refused(tmp_path, ending, name, problem):
    path = write_archive(tmp_path / f"train{ending}", {**GOOD, name: RED})
    message = refused(path)
    assert message.startswith(f"{path.name}:{name.translate({10: '?'})}: ")
    assert problem in message


@pytest.mark.parametrize("ending", FORMATS)
def test_one_top_folder_is_left_out(tmp_path, ending):
    files = {"photos/": b"", **{f"photos/{name}": content for name, content in GOOD.items()}}
    path = write_archive(tmp_path / f"train{ending}", {**files, "photos/empty/": b""})
    assert [(file.name, file.label) for file in read_archive(path)] == [
        ("photos/blue/1.png", "blue"),
        ("photos/red/1.png", "red"),
    ]


IN_TRAIN = 'The first image is in a class folder in "train", this file is not.'
IN_NONE = "The file is not in a class folder."
TOO_DEEP = "The path is neither class/image nor top/class/image."


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["train/red/1.png", "test/red/1.png"], f"test/red/1.png: {IN_TRAIN}"),
        (["train/red/1.png", "red/1.png"], f"red/1.png: {IN_TRAIN}"),
        (["train/red/1.png", "train/a/red/1.png"], f"train/a/red/1.png: {IN_TRAIN}"),
        (["train/red/1.png", "1.png"], f"1.png: {IN_NONE}"),
        (["1.png", "red/1.png"], f"1.png: {IN_NONE}"),
        (["a/b/red/1.png", "red/1.png"], f"a/b/red/1.png: {TOO_DEEP}"),
    ],
)
def test_all_images_are_at_the_place_of_the_first(tmp_path, names, problem):
    path = write_archive(tmp_path / "train.zip", dict.fromkeys(names, RED))
    assert refused(path) == f"train.zip:{problem}"


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX/red/._1.png",
        "red/__MACOSX/1.png",
        "._red",
        "red/.DS_Store",
        ".git/objects/a/b/c",
        "red/Thumbs.db",
        "Desktop.ini",
        "red/Icon\r",
        "a/b/c/d/thumbs.db",
    ],
)
def test_what_file_managers_leave_behind_is_skipped_wherever_it_is(tmp_path, ending, name):
    path = write_archive(tmp_path / f"train{ending}", {name: b"?", **GOOD})
    assert count_images(path) == 2


def test_a_link_that_is_left_behind_is_skipped(tmp_path):
    path = write_archive(tmp_path / "train.tar", GOOD)
    with tarfile.open(path, "a") as archive:
        entry = tarfile.TarInfo("red/.cache")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/tmp"
        archive.addfile(entry)
    assert count_images(path) == 2


@pytest.mark.parametrize("ending", FORMATS)
def test_a_class_has_one_name_in_both_spellings_of_its_letters(tmp_path, ending):
    files = {"cafe\u0301/1.png": RED, "caf\u00e9/2.png": RED, **GOOD}
    path = write_archive(tmp_path / f"train{ending}", files)
    labels = [file.label for file in read_archive(path)]
    assert labels == ["caf\u00e9", "caf\u00e9", "blue", "red"]


def test_names_of_a_zip_are_read_as_utf_8_without_its_flag(tmp_path):
    path = write_archive(tmp_path / "train.zip", {"é/1.png": RED, **GOOD})
    content = bytearray(path.read_bytes())
    # The high byte of the flags, in both headers of the first entry.
    for signature, offset in ((b"PK\3\4", 7), (b"PK\1\2", 9)):
        content[content.index(signature) + offset] &= ~8
    path.write_bytes(content)
    assert [file.label for file in read_archive(path)] == ["é", "blue", "red"]


def test_a_backslash_separates_folders_in_a_zip_but_not_in_a_tar(tmp_path):
    files = {"photos\\red\\": b"", "photos\\red\\1.png": RED, "photos\\blue\\1.png": BLUE}
    path = write_archive(tmp_path / "train.zip", files)
    assert [file.name for file in read_archive(path)] == ["photos/red/1.png", "photos/blue/1.png"]
    path = write_archive(tmp_path / "out.zip", {"..\\red\\1.png": RED})
    assert refused(path) == "out.zip:../red/1.png: The path leads out of the archive."
    path = write_archive(tmp_path / "train.tar", files)
    assert "backslash" in refused(path)


@pytest.mark.parametrize("ending", FORMATS)
def test_the_content_of_an_image_counts_not_its_extension(tmp_path, processor, ending):
    jpeg = coloured(COLOURS["blue"], format="JPEG")
    files = {"red/1.JPG": RED, "red/2": RED, "blue/1.PNG": jpeg, "blue/2.gif": jpeg}
    path = write_archive(tmp_path / f"train{ending}", files)
    assert len(images.read_images(path, processor, tmp_path)) == 4


def test_links_and_devices_are_refused(tmp_path):
    path = tmp_path / "train.tar"
    for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
        with tarfile.open(path, "w") as archive:
            entry = tarfile.TarInfo("red/1.png")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        assert refused(path) == "train.tar:red/1.png: The entry is a link or a device."
    path = tmp_path / "train.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("red/1.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert refused(path) == "train.zip:red/1.png: The entry is a link or a device."


@pytest.mark.parametrize("ending", FORMATS)
def test_limits_hold_before_anything_is_unpacked(tmp_path, monkeypatch, ending):
    path = write_archive(tmp_path / f"train{ending}", {**GOOD, "red/zeros.png": bytes(2**21)})
    monkeypatch.setattr(archive_module, "MAX_ENTRIES", 2)
    assert "more than 2 entries" in refused(path)
    monkeypatch.setattr(archive_module, "MAX_ENTRIES", 9)
    monkeypatch.setattr(archive_module, "MAX_FILE_BYTES", 2**20)
    assert "red/zeros.png: The image has more than" in refused(path)
    monkeypatch.setattr(archive_module, "MAX_BYTES", 2**20)
    assert "unpacks to more than 64 GiB" in refused(path)
    monkeypatch.setattr(archive_module, "SMALL", 2**20)
    monkeypatch.setattr(archive_module, "MAX_BYTES", 2**30)
    if ending != ".tar":
        assert "more than 100 times its size" in refused(path)


def test_what_is_no_archive_is_refused(tmp_path):
    for name in ("train.zip", "train.tar", "train.tar.gz"):
        path = tmp_path / name
        for content in (b"", b"nothing of the kind" * 100):
            path.write_bytes(content)
            assert refused(path).startswith(f"{name}:1: ")
    path = tmp_path / "train.rar"
    path.write_bytes(b"Rar!")
    assert refused(path) == (
        "train.rar:1: An image-classification model is trained on .zip, .tar.gz, .tar files, "
        "not on train.rar."
    )


@pytest.mark.parametrize("ending", FORMATS)
def test_a_damaged_archive_is_refused_wherever_it_is_cut(tmp_path, ending):
    path = write_archive(tmp_path / f"train{ending}", class_folders())
    content = path.read_bytes()
    # The tar ends with zeros, of which one block is enough.
    end = len(content) if ending != ".tar" else len(content.rstrip(b"\0"))
    for size in range(0, end, max(1, end // 40)):
        path.write_bytes(content[:size])
        assert ": " in refused(path)


def test_a_damaged_header_is_not_the_end_of_a_tar(tmp_path):
    path = write_archive(tmp_path / "train.tar", {**GOOD, "red/2.png": RED})
    content = bytearray(path.read_bytes())
    content[content.index(b"red/2.png")] ^= 1
    path.write_bytes(content)
    assert refused(path) == "train.tar:1: The tar cannot be read (a header's checksum is wrong)."


names = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=120)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(entries=st.dictionaries(names, st.binary(max_size=1500), max_size=8),
       format_=st.sampled_from([tarfile.PAX_FORMAT, tarfile.GNU_FORMAT]))  # fmt: skip
def test_any_tar_is_read_as_the_standard_library_wrote_it(entries, format_):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format_) as archive:
        for name, content in entries.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    file.seek(0)
    found = [(entry.name, entry.kind, entry.read()) for entry in read_tar(file)]
    assert found == [(name, "file", content) for name, content in entries.items()]


@settings(max_examples=200)
@given(st.binary(min_size=512, max_size=4096))
def test_no_bytes_make_the_tar_reader_fail_in_another_way(content):
    try:
        for entry in read_tar(io.BytesIO(content)):
            entry.read()
    except DamagedTarError:
        pass


def png_chunk(type_, data):
    return struct.pack(">I", len(data)) + type_ + data + struct.pack(">I", zlib.crc32(type_ + data))


def wide_png(width, height, bits=8):
    header = struct.pack(">IIBBBBB", width, height, bits, 0, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def animated_png():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    return encode(frames[0], save_all=True, append_images=frames[1:])


GRADIENT = Image.fromarray(np.arange(256, dtype=np.uint8).reshape(16, 16))
REFUSED = {
    "a text": (b"cats and dogs", "neither a JPEG nor a PNG"),
    "an empty file": (b"", "neither a JPEG nor a PNG"),
    "a GIF": (encode(GRADIENT, format="GIF"), "neither a JPEG nor a PNG"),
    "a WebP": (encode(GRADIENT, format="WEBP"), "neither a JPEG nor a PNG"),
    "an animated PNG": (animated_png(), "is animated"),
    "16 bits of grey": (encode(Image.fromarray(np.full((4, 4), 40_000, np.uint16))), "16 bits"),
    "16 bits of colour": (wide_png(4, 4, 16), "16 bits"),
    "CMYK": (encode(GRADIENT.convert("CMYK"), format="JPEG"), "CMYK"),
    "a decompression bomb": (wide_png(50_000, 50_000), "50000 x 50000 pixels"),
    "a strip": (encode(Image.new("L", (4000, 2))), "strip of 4000 x 2"),
    "no width": (wide_png(0, 4), "width or height is zero"),
    "a PNG with a flipped bit": (RED[:-30] + bytes([RED[-30] ^ 1]) + RED[-29:], "checksum"),
    "a cut PNG": (RED[:-40], "is truncated"),
    "a cut JPEG": (coloured((9, 9, 9), format="JPEG")[:-300], "is truncated"),
    "a PNG without pixels": (wide_png(4, 4).replace(b"IDAT", b"tEXt"), "checksum"),
}


@pytest.mark.parametrize("says", REFUSED)
def test_an_image_that_cannot_be_used_is_refused_in_its_own_words(tmp_path, says):
    content, problem = REFUSED[says]
    path = write_archive(tmp_path / "train.zip", {**GOOD, "red/bad.png": content})
    message = refused(path)
    assert message.startswith("train.zip:red/bad.png: ")
    assert problem in message


def test_an_image_whose_pixels_do_not_decode_ends_the_job_before_training(make_job, tmp_path):
    # Header and checksums are valid, the pixels are not.
    broken = wide_png(64, 64).replace(zlib.compress(bytes(100)), b"x" * 12)
    chunks = [png_chunk(b"IHDR", wide_png(64, 64)[16:29]), png_chunk(b"IDAT", b"not pixels"),
              png_chunk(b"IEND", b"")]  # fmt: skip
    broken = b"\x89PNG\r\n\x1a\n" + b"".join(chunks)
    check_image(broken)
    path = write_archive(tmp_path / "train.zip", {**GOOD, "red/bad.png": broken})
    job = make_job(**KIND, rows=path)
    assert job.run() == 3
    assert job.result["message"] == "train.zip:red/bad.png: The image cannot be decoded."
    assert not job.events("started")


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_usual_mode_becomes_rgb(processor, mode):
    content = encode(GRADIENT.convert(mode))
    expected = encode(GRADIENT.convert(mode).convert("RGB"))
    assert np.array_equal(processor.read(content), processor.read(expected))


ORIENTATION = 0x0112
NOISE = Image.fromarray(np.random.default_rng(1).integers(0, 255, (16, 32, 3), np.uint8))


def with_exif(format_, orientation):
    """An image with EXIF data as cameras write it: orientation, resolution, maker, date, place."""
    exif = Image.Exif()
    exif.update({ORIENTATION: orientation, 0x010F: "Maker", 0x0128: 2, 0x011A: 72.0, 0x011B: 72.0})
    exif.get_ifd(0x8769)[0x9003] = "2024:01:01 00:00:00"
    exif.get_ifd(0x8825).update({1: "N", 2: (1.0, 2.0, 3.0)})
    return encode(NOISE, format=format_, exif=exif)


@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_270),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_90),
    ],
)
def test_a_photograph_is_turned_as_its_camera_noted(processor, format_, orientation, turn):
    turned = with_exif(format_, orientation)
    decoded = Image.open(io.BytesIO(turned))
    assert decoded.size == NOISE.size
    upright = processor.read(encode(decoded.convert("RGB").transpose(turn)))
    assert np.array_equal(processor.read(turned), upright)
    # A tall image has as many pixels as a wide one, and is as much of a strip.
    assert check_image(turned) == 16 * 32


def set_exif(content, change):
    """An image file with its EXIF data, from the byte order on, changed."""
    if content.startswith(b"\xff\xd8"):
        start = content.index(b"Exif\0\0") + 6
        end = start - 8 + int.from_bytes(content[start - 8 : start - 6], "big")
        return content[:start] + change(content[start:end]) + content[end:]
    start = content.index(b"eXIf") + 4
    end = start + int.from_bytes(content[start - 8 : start - 4], "big")
    return (
        content[: start - 8] + png_chunk(b"eXIf", change(content[start:end])) + content[end + 4 :]
    )


def without_resolution(exif):
    """The X resolution as a list of no numbers, at which Pillow does not open a JPEG."""
    entry = exif.index(b"\x01\x1a\0\5\0\0\0\1")
    return exif[: entry + 4] + bytes(4) + exif[entry + 8 :]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
@pytest.mark.parametrize(
    ("change", "is_turned"),
    [
        (lambda exif: bytes(len(exif)), False),
        (lambda exif: exif[:5] + bytes(len(exif) - 5), False),
        (lambda exif: exif.replace(b"\x01\x12\0\3", b"\x01\x12\0\2"), False),
        (lambda exif: exif.replace(b"\0\1\0\6", b"\0\1\0\x63"), False),
        (lambda exif: exif.replace(b"\x01\x0f\0\2", b"\x01\x0f\0\x0b"), True),
        (without_resolution, True),
    ],
)
def test_damaged_exif_data_does_not_end_the_job(processor, format_, change, is_turned):
    whole = with_exif(format_, 6)
    damaged = set_exif(whole, change)
    assert damaged != whole
    expected = whole if is_turned else with_exif(format_, 1)
    assert np.array_equal(processor.read(damaged), processor.read(expected))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("format_", ["PNG", "JPEG"])
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_exif_data_makes_an_image_undecodable(processor, format_, data):
    def damage(exif):
        content = bytearray(exif)
        for _ in range(data.draw(st.integers(1, 6))):
            content[data.draw(st.integers(0, len(exif) - 1))] = data.draw(st.integers(0, 255))
        return bytes(content)

    assert processor.read(set_exif(with_exif(format_, 6), damage)).shape == processor.shape


@settings(max_examples=300)
@given(data=st.data(), start=st.sampled_from([RED, coloured((1, 2, 3), format="JPEG")]))
def test_no_damage_makes_the_header_reader_fail_in_another_way(data, start):
    content = bytearray(start)
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        check_image(bytes(content[: data.draw(st.integers(0, len(content)))]))
    except ImageError as error:
        assert error.message
        assert error.rule in HINTS


PREPROCESSORS = {
    "mobilenet_v2": {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "crop_size": {"height": 224, "width": 224}, "size": {"shortest_edge": 256},
        "do_center_crop": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2,
        "rescale_factor": 0.00392156862745098,
    },
    "vit": {
        "image_processor_type": "ViTImageProcessor", "size": {"height": 48, "width": 40},
        "do_normalize": True, "do_rescale": True, "do_resize": True, "resample": 3,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
        "rescale_factor": 1 / 255,
    },
    "convnext": {
        "image_processor_type": "ConvNextImageProcessor", "size": {"shortest_edge": 64},
        "crop_pct": 0.875, "do_resize": True, "do_rescale": True, "do_normalize": True,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
        "resample": 3, "rescale_factor": 1 / 255,
    },
    "crop larger than the image": {
        "image_processor_type": "MobileNetV2ImageProcessor",
        "crop_size": {"height": 51, "width": 60}, "size": {"shortest_edge": 32},
        "do_center_crop": True, "do_normalize": True, "do_rescale": True, "do_resize": True,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5], "resample": 2,
        "rescale_factor": 1 / 255,
    },
}  # fmt: skip


def transformers_processor(name, config):
    """The same preprocessing by transformers with Pillow."""
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil
    from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import (
        MobileNetV2ImageProcessorPil,
    )
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    classes = {"vit": ViTImageProcessorPil, "convnext": ConvNextImageProcessorPil}
    return classes.get(name, MobileNetV2ImageProcessorPil)(**config)


@pytest.mark.parametrize("name", PREPROCESSORS)
@pytest.mark.parametrize("size", [(50, 30), (30, 47), (64, 64), (333, 211)])
def test_preprocessing_equals_that_of_transformers(tmp_path, name, size):
    config = PREPROCESSORS[name]
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(config))
    ours = load_image_processor(tmp_path, {})
    content = coloured((200, 30, 90), seed=sum(size), size=size)
    image = Image.open(io.BytesIO(content))
    theirs = transformers_processor(name, config)(image, return_tensors="np")["pixel_values"][0]
    mine = ours.normalize(ours.read(content))
    assert mine.shape == theirs.shape == ours.shape
    np.testing.assert_allclose(mine, theirs, atol=1e-6)


def test_old_files_give_sizes_as_numbers(tmp_path):
    path = tmp_path / "preprocessor_config.json"
    path.write_text(json.dumps({"size": 40, "crop_size": 32, "do_center_crop": True}))
    processor = load_image_processor(tmp_path, {})
    assert (processor.shortest_edge, processor.crop, processor.square) == (40, (32, 32), None)
    path.write_text(json.dumps({"size": 40, "do_resize": True}))
    assert load_image_processor(tmp_path, {}).square == (40, 40)


@pytest.mark.parametrize(
    "config",
    [
        "nonsense",
        "{}",
        '{"size": {"shortest_edge": 40}}',
        '{"size": 40, "do_pad": true}',
        '{"size": 40, "do_flip_channel_order": true}',
        '{"size": 40, "image_mean": [0.5], "image_std": [0.5]}',
        '{"size": {"longest_edge": 40}}',
    ],
)
def test_preprocessing_that_cannot_be_done_is_a_bad_config(tmp_path, config):
    (tmp_path / "preprocessor_config.json").write_text(config)
    with pytest.raises(ConfigError, match=r"The model's"):
        load_image_processor(tmp_path, {})


HP = {"n_epochs": 4, "learning_rate": 5e-3, "batch_size": 6}


@pytest.mark.parametrize("ending", FORMATS)
def test_an_image_job_learns_and_loads_with_transformers(make_job, tmp_path, ending):
    from transformers import AutoModelForImageClassification

    train = write_archive(tmp_path / f"a{ending}", class_folders())
    validation = write_archive(tmp_path / f"b{ending}", class_folders(each=2, first=50))
    job = make_job(**KIND, rows=train, validation=validation, hp={**HP, "n_evals": 2})
    assert job.run() == 0
    result = job.result
    assert result["loss_after"] < result["loss_before"] / 2
    assert result["accuracy_after"] == 1
    assert (result["rows"], result["dataset_tokens"], result["tokens"]) == (12, 12, 48)
    model = AutoModelForImageClassification.from_pretrained(job.work / "out").eval()
    assert model.config.id2label == {0: "blue", 1: "green", 2: "red"}
    assert (job.work / "out/preprocessor_config.json").is_file()
    assert result["samples"][0]["text"] == "blue/50.png"
    assert result["samples"][0]["tuned"] == "blue"


def test_adapters_on_convolutions_are_delivered_merged(make_job, tmp_path, processor):
    from transformers import AutoModelForImageClassification

    train = write_archive(tmp_path / "a.zip", class_folders())
    modules = "expand_1x1.convolution,reduce_1x1.convolution"
    hp = {**HP, "n_epochs": 8, "lora": True, "lora_trainable_modules": modules}
    job = make_job(**KIND, rows=train, hp=hp)
    assert job.run() == 0
    assert job.result["loss_after"] < job.result["loss_before"] / 2
    assert not (job.work / "out/adapter_config.json").exists()
    assert "library_name: transformers\n" in (job.work / "out/README.md").read_text()
    model, info = AutoModelForImageClassification.from_pretrained(
        job.work / "out", output_loading_info=True
    )
    assert not info["missing_keys"]
    assert not info["unexpected_keys"]
    assert model.config.tf_padding
    dataset, _ = read_image_dataset(train, processor, None, tmp_path)
    pixels = torch.tensor(pixel_values([example.picture for example in dataset.examples]))
    said = model.eval()(pixels).logits.argmax(-1).tolist()
    assert said == [example.label for example in dataset.examples]


def test_max_takes_the_largest_batch_of_images(make_job, tmp_path):
    train = write_archive(tmp_path / "a.zip", class_folders())
    job = make_job(**KIND, rows=train, hp={"n_epochs": 1})
    assert job.run() == 0
    assert job.result["batch_size"] == 8


def test_steps_over_small_batches_equal_one_over_a_large_one(make_job, tmp_path):
    train = write_archive(tmp_path / "a.zip", class_folders(each=2))
    hp = {"n_epochs": 1, "learning_rate": 1e-3}
    large = make_job("large", **KIND, rows=train, hp={**hp, "batch_size": 6})
    small = make_job(
        "small", **KIND, rows=train, hp={**hp, "batch_size": 1, "gradient_accumulation_steps": 6}
    )
    # The classifier's dropout draws per batch, so it is switched off.
    for job in (large, small):
        model = job.path / "model"
        source = model.resolve()
        model.unlink()
        model.mkdir()
        for file in source.iterdir():
            (model / file.name).write_bytes(file.read_bytes())
        config = json.loads((model / "config.json").read_text())
        config["classifier_dropout_prob"] = 0
        (model / "config.json").write_text(json.dumps(config))
    assert (large.run(), small.run()) == (0, 0)
    (one,), (other,) = large.events("progress"), small.events("progress")
    for key in ("loss", "grad_norm"):
        assert one[key] == pytest.approx(other[key], rel=1e-4), key


def test_a_class_that_only_the_validation_has_is_an_error_and_the_other_way_a_warning(
    make_job, tmp_path
):
    two = {name: content for name, content in class_folders(2).items() if name[0] != "r"}
    fewer = write_archive(tmp_path / "fewer.zip", two)
    more = write_archive(tmp_path / "more.zip", class_folders(2))
    job = make_job("error", **KIND, rows=fewer, validation=more, hp=HP)
    assert job.run() == 3
    assert job.result["message"] == (
        'validation.zip:red/0.png: The label "red" is not in the training dataset.'
    )
    job = make_job("warning", **KIND, rows=more, validation=fewer, hp={**HP, "n_epochs": 1})
    assert job.run() == 0
    assert [event["message"] for event in job.events("warning")] == [
        'validation.zip: No row has the class "red" of the training dataset, so it is not measured.'
    ]


def test_one_class_and_no_images_are_refused(tmp_path):
    one = write_archive(tmp_path / "one.zip", {"red/1.png": RED})
    assert refused(one) == 'one.zip:1: All images are in the class folder "red".'
    none = write_archive(tmp_path / "none.tar", {".DS_Store": b"?"})
    assert refused(none) == "none.tar:1: The archive has no images."


def test_an_image_job_refuses_other_formats_and_other_models(make_job, tmp_path):
    job = make_job("format", **KIND, rows=[{"text": "a", "label": 0}])
    assert job.run() == 2
    assert "data/train.jsonl has a format" in job.result["message"]
    path = write_archive(tmp_path / "a.zip", GOOD)
    job = make_job("model", **KIND, model="tiny-distilbert", rows=path)
    assert job.run() == 2
    assert "no preprocessor_config.json" in job.result["message"]


def test_every_file_is_read_once_and_in_order(tmp_path):
    path = write_archive(tmp_path / "train.zip", GOOD)
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("red/1.png", RED)
    assert refused(path) == "train.zip:red/1.png: The archive has this file twice."
    path = write_archive(tmp_path / "good.zip", GOOD)
    assert [(file.name, file.label) for file in read_archive(path)] == [
        ("blue/1.png", "blue"),
        ("red/1.png", "red"),
    ]


def test_pixels_that_are_far_larger_than_their_archive_are_not_kept(
    tmp_path, processor, monkeypatch
):
    monkeypatch.setattr(image_store, "SMALL", 0)
    flat = encode(Image.new("RGB", (64, 64), (9, 8, 7)))
    files = {f"{name}/{n}.png": flat for name in "ab" for n in range(200)}
    path = write_archive(tmp_path / "train.zip", {**files, "c/noise.png": RED})
    pictures = images.read_images(path, processor, tmp_path)
    file = pictures[0].picture.store._file
    size = len(pictures) * np.prod(processor.shape)
    kept = file.seek(0, io.SEEK_END)
    assert kept < 21 * path.stat().st_size < size / 2
    expected = {flat: processor.read(flat), RED: processor.read(RED)}
    for one in pictures:
        content = RED if one.label == "c" else flat
        assert np.array_equal(one.picture.pixels, expected[content])


def test_a_tar_of_extended_headers_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(tar, "MAX_META_TOTAL", 10_000)
    extended = tarfile.TarInfo.create_pax_global_header({"comment": "x" * 600})
    with pytest.raises(DamagedTarError) as error:
        list(read_tar(io.BytesIO(extended * 20)))
    assert str(error.value) == "it has too many extended headers"


def test_an_archive_that_takes_hours_to_decode_is_refused_by_its_headers(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "SMALL", 10_000)
    flat = encode(Image.new("RGB", (4_000, 4_000)))
    path = write_archive(tmp_path / "train.zip", {f"{name}/1.png": flat for name in "ab"})
    assert refused(path) == (
        "train.zip:a/1.png: The images have more than 500 pixels for each byte of the archive."
    )
