"""The programs of docs/models.md, run as they are written on models as they are delivered."""

import re
import subprocess
import sys

import pytest
from conftest import HANGS_AFTER, TRAINER
from pictures import COLOURS, class_folders, coloured, write_archive

from anneal_trainer.hashing import directory_sha256

PAGE = (TRAINER.parent.parent / "docs/models.md").read_text()
CAPITALS = TRAINER.parent.parent / "examples/capitals.jsonl"
CHATS = [
    {"messages": [{"role": "user", "content": "What is the capital of Japan?"},
                  {"role": "assistant", "content": "Tokyo."}]},
] * 32  # fmt: skip
FAST = {"learning_rate": 0.003, "batch_size": 8}
LORA = {"learning_rate": 0.01, "batch_size": 8, "lora": True, "lora_r": 16, "lora_alpha": 32}


def programs(heading):
    section = PAGE.split(f"## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^```python\n(.+?)^```", section, re.DOTALL | re.MULTILINE)


def run(program, job, **paths):
    """Run a program in the folder of a job, with the paths that the reader fills in."""
    places = {"FOLDER": job.work / "out", "BASE": job.path / "model", **paths}
    for name, place in places.items():
        program = re.sub(rf'^{name} = ".+"$', f'{name} = "{place}"', program, flags=re.MULTILINE)
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=job.path, capture_output=True, text=True, timeout=HANGS_AFTER, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_language_model(make_job):
    plain, chat = programs("A language model")
    job = make_job(rows=CAPITALS, hp={**FAST, "n_epochs": 20})
    assert job.run() == 0
    assert run(plain, job) == " Tokyo.\n"
    talker = make_job("chat", rows=CHATS, hp={**FAST, "n_epochs": 20})
    assert talker.run() == 0
    assert run(chat, talker) == "Tokyo.\n"


def test_an_adapter_of_a_language_model_and_the_merged_model(make_job):
    loading, merging = programs("A LoRA adapter of a language model")
    full = programs("A language model")[0]
    job = make_job(rows=CAPITALS, hp={**LORA, "n_epochs": 8})
    assert job.run() == 0
    answer = run(loading, job)
    assert answer != run(full, job, FOLDER=job.path / "model")
    merged = job.path / "merged"
    run(merging, job, MERGED=merged)
    assert run(full, job, FOLDER=merged) == answer


def test_a_classifier_of_texts_and_its_adapter(make_job):
    full, adapter = programs("A classifier of texts")
    for name, program, hp in (("full", full, FAST), ("adapter", adapter, LORA)):
        job = make_job(name, kind="text-classification", hp={**hp, "n_epochs": 10})
        assert job.run() == 0
        assert re.search(r"'label': '(good|bad)'", run(program, job))


def test_a_classifier_of_images(make_job, tmp_path):
    (program,) = programs("A classifier of images")
    rows = write_archive(tmp_path / "a.zip", class_folders())
    job = make_job(kind="image-classification", rows=rows, hp={**FAST, "n_epochs": 8})
    assert job.run() == 0
    (job.path / "image.png").write_bytes(coloured(COLOURS["red"]))
    assert run(program, job).startswith("[{'label': 'red'")


@pytest.mark.parametrize("name", ["tiny-qwen2", "tiny-mobilenet-v2"])
def test_the_hash_of_a_base_model(models, name):
    command = re.findall(r"^```bash\n(.+?)^```", PAGE, re.DOTALL | re.MULTILINE)[-1]
    printed = subprocess.run(
        ["bash", "-c", command], cwd=models / name, capture_output=True, text=True, check=True
    ).stdout
    assert printed.split() == [directory_sha256(models / name), "-"]


@pytest.mark.parametrize("kind", ["causal-lm", "text-classification"])
@pytest.mark.parametrize("lora", [False, True])
def test_the_model_card_loads_its_model(make_job, kind, lora):
    job = make_job(kind=kind, hp={**FAST, "n_epochs": 1, "lora": lora})
    assert job.run() == 0
    card = (job.work / "out/README.md").read_text()
    expression = re.search(r"^Load it with \w+: `(.+)`\.$", card, re.MULTILINE)[1]
    expression = expression.replace("<this folder>", "FOLDER")
    expression = expression.replace("<folder of the base model>", "BASE")
    classes = sorted(set(re.findall(r"Auto\w+", expression)))
    program = f"""
from peft import PeftModel
from transformers import {", ".join(classes)}
FOLDER = "."
BASE = "."
print({expression})
"""
    assert ("PeftModel" in run(program, job)) == lora
