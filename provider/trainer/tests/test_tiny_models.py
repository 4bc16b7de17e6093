"""Tiny models: the same bytes every time, loadable, able to read any text."""

import json
import os
import subprocess
import sys

import pytest
from conftest import HANGS_AFTER, TRAINER

from anneal_trainer import tiny_models
from anneal_trainer.hashing import directory_sha256


def test_another_process_writes_the_same_bytes(models, tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(TRAINER), "PYTHONHASHSEED": "7"}
    command = [sys.executable, "-m", "anneal_trainer.tiny_models", str(tmp_path)]
    subprocess.run(
        command, env=environment, check=True, timeout=HANGS_AFTER, stdout=subprocess.DEVNULL
    )
    assert directory_sha256(tmp_path) == directory_sha256(models)


def test_the_hash_of_a_directory_is_what_sha256sum_prints(models):
    listing = subprocess.run(
        "find . -type f -printf '%P\\n' | LC_ALL=C sort | xargs sha256sum | sha256sum",
        shell=True,
        cwd=models,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert listing.split()[0] == directory_sha256(models)


@pytest.mark.parametrize("name", tiny_models.MAKERS)
def test_transformers_finds_every_weight(models, name):
    import transformers

    autos = {
        "tiny-qwen2": "AutoModelForCausalLM",
        "tiny-distilbert": "AutoModelForMaskedLM",
        "tiny-mobilenet-v2": "AutoModelForImageClassification",
    }
    auto = getattr(transformers, autos[name])
    model, report = auto.from_pretrained(models / name, output_loading_info=True)
    head = {key for key in report["missing_keys"] if not key.startswith("vocab_")}
    assert not head
    assert not report["unexpected_keys"]
    assert model.config.architectures == [type(model).__name__]


def test_any_english_text_is_read_without_unknown_pieces(models, distilbert, qwen2):
    vocabulary = json.loads((models / "tiny-distilbert/tokenizer.json").read_text())["model"][
        "vocab"
    ]
    text = (
        "Zyx's \"quixotic\" re-make (2nd of 3) cost $4,000 & wasn't worth it @ all; _sigh_ ~100%!"
    )
    ids, _ = distilbert.encode_special(text)
    assert vocabulary["[UNK]"] not in ids
    for any_text in ("日本 🙂 é\x00", text):
        assert qwen2.decode(qwen2.encode(any_text).ids) == any_text
