"""Fetching from a hub and uploading to it: the real client against a small server."""

import json
import os
import pickle
import subprocess
import sys

import pytest
from conftest import HANGS_AFTER, TRAINER
from fake_hub import TOKEN, FakeHub

NAME = "someone/tiny"


@pytest.fixture
def hub():
    server = FakeHub()
    yield server
    server.close()


@pytest.fixture
def model(models):
    return {path.name: path.read_bytes() for path in (models / "tiny-qwen2").iterdir()}


def run(hub, *arguments, token=None, url=None):
    """Run the verb like the daemon: a process with the token on its standard input."""
    environment = {"PATH": os.environ["PATH"], "HF_ENDPOINT": url or hub.url,
                   "PYTHONPATH": str(TRAINER), "HF_HUB_OFFLINE": "1", "NO_PROXY": "*"}  # fmt: skip
    return subprocess.run(
        [sys.executable, "-m", "anneal_online.hub", *map(str, arguments)],
        input=json.dumps({"hf_api_token": token} if token else {}) + "\n",
        env=environment, capture_output=True, text=True, timeout=HANGS_AFTER,
    )  # fmt: skip


def fetch(hub, target, *arguments, token=None):
    return run(hub, "fetch", "--repository", NAME, "--to", target, *arguments, token=token)


def files_of(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_revision_is_fetched_as_it_is_and_nothing_but_weights_and_text(hub, model, tmp_path):
    evil = {"pytorch_model.bin": pickle.dumps(1), "modeling.py": b"import os", "a.pkl": b"x"}
    commit = hub.add(NAME, {**model, **evil, "onnx/config.json": b"{}"}, revision="v1")
    hub.add(NAME, {"config.json": b"{}"})
    ended = fetch(hub, tmp_path / "model", "--revision", "v1")
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"commit": commit}
    assert files_of(tmp_path / "model") == model
    asked = " ".join(hub.requests)
    assert not any(name in asked for name in (*evil, "onnx"))
    assert not hub.tokens


def test_a_private_repository_is_fetched_with_the_token(hub, model, tmp_path):
    hub.add(NAME, model)
    hub.private.add(NAME)
    refused = fetch(hub, tmp_path / "model")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"no repository {NAME}, or hides it" in refused.stderr
    assert fetch(hub, tmp_path / "model", token=TOKEN).returncode == 0
    assert hub.tokens == {TOKEN}


def test_what_lay_there_before_is_replaced_only_by_something_whole(hub, model, tmp_path):
    hub.add(NAME, model)
    (tmp_path / "model").mkdir()
    (tmp_path / "model/old").touch()
    hub.damage = lambda name, data: data[:-1] + b"!" if name.endswith("safetensors") else data
    damaged = fetch(hub, tmp_path / "model")
    assert damaged.returncode == 1
    assert "arrived damaged" in damaged.stderr
    assert files_of(tmp_path / "model") == {"old": b""}
    hub.damage = lambda name, data: data
    assert fetch(hub, tmp_path / "model").returncode == 0
    assert files_of(tmp_path / "model") == model
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def only_pickle(model):
    weights = model.pop("model.safetensors")
    return {**model, "pytorch_model.bin": weights}


def with_code(model):
    config = {**json.loads(model["config.json"]), "auto_map": {"AutoModel": "evil.Model"}}
    return {**model, "config.json": json.dumps(config).encode()}


def with_endless_header(model):
    weights = (2**40).to_bytes(8, "little") + model["model.safetensors"][8:]
    return {**model, "model.safetensors": weights}


def with_a_wrong_index(model):
    return {**model, "model.safetensors.index.json": b'{"weight_map": [1]}'}


def cut_off(model):
    return {**model, "model.safetensors": model["model.safetensors"][:-5]}


@pytest.mark.parametrize(
    ("change", "arguments", "sentence"),
    [
        (only_pickle, (), "has no weights in the safetensors format"),
        (with_code, (), "needs custom code, which is never run"),
        (cut_off, (), "it is cut off"),
        (with_endless_header, (), "is cut off or not a safetensors file"),
        (with_a_wrong_index, (), "is not an index"),
        (dict, ("--revision", "v9"), "has no revision v9"),
        (dict, ("--max-bytes", "1000"), "more than the limit of 1000"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(
    hub, model, tmp_path, change, arguments, sentence
):
    hub.add(NAME, change(model))
    ended = fetch(hub, tmp_path / "model", *arguments)
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 2
    assert not list(tmp_path.iterdir())


def of_another_kind(model):
    config = {**json.loads(model["config.json"]), "model_type": "opt"}
    return {**model, "config.json": json.dumps(config).encode()}


def deeper(model):
    config = json.loads(model["config.json"])
    config["num_hidden_layers"] += 1
    return {**model, "config.json": json.dumps(config).encode()}


def larger(model):
    return {**model, "more.safetensors": bytes(5 * len(model["model.safetensors"]))}


def long_text(model):
    return {**model, "tokenizer.json": bytes(64 * 2**20 + 1)}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (of_another_kind, "model_type is opt instead of qwen2"),
        (deeper, "num_hidden_layers is 3 instead of 2"),
        (larger, "more than 4 times"),
        (long_text, "tokenizer.json has 67108865 bytes"),
        (with_code, "needs custom code"),
    ],
)
def test_what_does_not_fit_the_base_model_is_refused_before_weights_are_fetched(
    hub, model, models, tmp_path, change, sentence
):
    hub.add(NAME, change(model))
    ended = fetch(hub, tmp_path / "model", "--base", models / "tiny-qwen2")
    assert ended.returncode == 2
    assert sentence in ended.stderr
    assert not any("safetensors" in request for request in hub.requests)
    assert not list(tmp_path.iterdir())


def test_what_fits_the_base_model_is_fetched(hub, model, models, tmp_path):
    hub.add(NAME, model)
    ended = fetch(hub, tmp_path / "model", "--base", models / "tiny-qwen2")
    assert ended.returncode == 0, ended.stderr
    assert files_of(tmp_path / "model") == model


def test_a_gated_or_unknown_repository_and_a_silent_hub_are_told_apart(hub, model, tmp_path):
    assert "no repository" in fetch(hub, tmp_path / "model").stderr
    hub.add(NAME, model)
    hub.gated.add(NAME)
    gated = fetch(hub, tmp_path / "model")
    assert (gated.returncode, "is gated" in gated.stderr) == (2, True)
    arguments = ("fetch", "--repository", NAME, "--to", tmp_path / "model")
    silent = run(hub, *arguments, url="http://127.0.0.1:9")
    assert silent.returncode == 1
    assert "cannot be reached" in silent.stderr


@pytest.fixture
def trained(tmp_path, model):
    directory = tmp_path / "out"
    directory.mkdir()
    for name, data in {**model, "README.md": b"---\nlibrary_name: peft\n---\n# Card\n"}.items():
        (directory / name).write_bytes(data)
    return directory


def upload(hub, directory, token, repository="me/tuned"):
    arguments = ("--directory", directory, "--repository", repository, "--message", "Task 7")
    return run(hub, "upload", *arguments, token=token)


@pytest.mark.parametrize("repository", ["me/tuned", "tuned"])
def test_a_model_is_uploaded_to_a_new_private_repository(hub, trained, repository):
    ended = upload(hub, trained, TOKEN, repository)
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout) == {"url": f"{hub.url}/me/tuned"}
    assert hub.repositories["me/tuned"]["main"] == files_of(trained)
    assert hub.private == {"me/tuned"}
    assert hub.commits == ["Task 7"]


def test_an_upload_that_is_repeated_ends_with_the_same_files(hub, trained):
    assert upload(hub, trained, TOKEN).returncode == 0
    assert upload(hub, trained, TOKEN).returncode == 0
    assert hub.repositories["me/tuned"]["main"] == files_of(trained)


def test_a_wrong_or_missing_token_is_told_and_never_repeated(hub, trained):
    wrong = upload(hub, trained, "hf_wrong")
    assert wrong.returncode == 2
    assert "refuses the token for me/tuned (HTTP 401)" in wrong.stderr
    assert "hf_wrong" not in wrong.stderr + wrong.stdout
    missing = upload(hub, trained, None)
    assert (missing.returncode, "no hf_api_token" in missing.stderr) == (2, True)
    assert not hub.repositories
