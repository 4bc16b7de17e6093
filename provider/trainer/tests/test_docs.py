"""The programs of docs/models.md, run on models that jobs have left."""

import re
from pathlib import Path

import pytest
from conftest import SUMS

PAGE = Path(__file__).parents[3] / "docs/models.md"
HP = {"n_epochs": 20, "learning_rate": 5e-3, "batch_size": 8}


def programs(kind):
    """Return the blocks of a kind as one program."""
    blocks = re.findall(rf"```python {kind}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert blocks
    return "\n".join(blocks)


def run(program, tmp_path, monkeypatch, capsys, **names):
    """Run a program where folders have the names that are written in it; return its last line."""
    place = tmp_path / "place"
    place.mkdir()
    for name, folder in names.items():
        (place / name.replace("_", "-")).symlink_to(folder)
    monkeypatch.chdir(place)
    capsys.readouterr()
    exec(compile(program, str(PAGE), "exec"), {})
    return capsys.readouterr().out.splitlines()[-1]


def test_a_language_model_answers(make_job, tmp_path, monkeypatch, capsys):
    chats = [
        {"messages": [{"role": "user", "content": row["prompt"]},
                      {"role": "assistant", "content": "Four."}]}
        for row in SUMS
    ]  # fmt: skip
    job = make_job(rows=chats, hp=HP)
    assert job.run() == 0
    answer = run(programs("full"), tmp_path, monkeypatch, capsys, tiny_qwen2=job.work / "out")
    assert answer == "Four."


def test_an_adapter_answers_and_is_merged(make_job, models, tmp_path, monkeypatch, capsys):
    from transformers import AutoModelForCausalLM

    job = make_job(hp={**HP, "lora": True, "lora_r": 32, "lora_alpha": 64})
    assert job.run() == 0
    folders = {"base_model": models / "tiny-qwen2", "tiny_qwen2_lora": job.work / "out"}
    answer = run(programs("adapter"), tmp_path, monkeypatch, capsys, **folders)
    assert re.fullmatch(r"\d \+ \d = \d+", answer)
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / "place/merged")
    assert "lora" not in " ".join(merged.state_dict())


def test_a_classifier_names_a_class(make_job, tmp_path, monkeypatch, capsys):
    job = make_job(kind="text-classification", hp=HP)
    assert job.run() == 0
    name = {"tiny_distilbert": job.work / "out"}
    assert run(programs("classifier"), tmp_path, monkeypatch, capsys, **name) == "good"


@pytest.mark.parametrize("kind", ["full", "adapter"])
def test_every_file_that_a_job_leaves_is_described(make_job, kind):
    job = make_job(hp={"n_epochs": 1, "lora": kind == "adapter"})
    assert job.run() == 0
    described = PAGE.read_text()
    for path in (job.work / "out").iterdir():
        assert f"`{path.name}`" in described or f"`{path.name}/`" in described
