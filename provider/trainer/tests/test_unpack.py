"""Models from archives: only a model's files, only at the top, never more than declared."""

import zipfile

import pytest

from anneal_online.unpack import main


@pytest.fixture
def model(models):
    return {path.name: path.read_bytes() for path in (models / "tiny-qwen2").iterdir()}


def pack(path, files, method=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path / "model.zip", "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)


def run(path, *arguments):
    return main(["--archive", str(path / "model.zip"), "--to", str(path / "model"), *arguments])


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_model_is_unpacked_and_nothing_beside_it(model, tmp_path, method):
    evil = {"../config.json": b"x", "/etc/config.json": b"x", "sub/a.json": b"x", "run.py": b"x",
            "..\\a.json": b"x", "weights.bin": b"x"}  # fmt: skip
    pack(tmp_path, {**evil, **model}, method)
    assert run(tmp_path) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == model
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "model.zip"]


def test_a_model_in_a_folder_is_unpacked_like_one_at_the_top(model, tmp_path):
    inside = {f"tuned/{name}": data for name, data in model.items()}
    pack(tmp_path, {**inside, "tuned/a/b.json": b"x"})
    assert run(tmp_path) == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "model").iterdir()} == model


def test_a_link_is_no_weights(model, tmp_path):
    link = zipfile.ZipInfo("model.safetensors")
    link.external_attr = 0o120777 << 16
    pack(tmp_path, {name: data for name, data in model.items() if name != link.filename})
    with zipfile.ZipFile(tmp_path / "model.zip", "a") as archive:
        archive.writestr(link, "/etc/passwd")
    assert run(tmp_path) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]


def flip(path):
    path.write_bytes(path.read_bytes().replace(b"qwen2", b"qwen3"))


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        (lambda path: path.write_bytes(b"no zip"), (), "cannot be read"),
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), (), "cannot be read"),
        (flip, (), "cannot be read"),
        (lambda path: None, ("--max-bytes", "1000"), "more than 1000"),
    ],
)
def test_a_damaged_or_oversized_archive_leaves_nothing(
    model, tmp_path, capsys, change, arguments, sentence
):
    pack(tmp_path, model)
    change(tmp_path / "model.zip")
    assert run(tmp_path, *arguments) == 2
    assert sentence in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]
