"""Starting from other weights than the base model's: an earlier checkpoint, a hub repository."""

import json
import shutil

import pytest
import torch
from conftest import REVIEWS
from safetensors.torch import load_file, save_file

from anneal_trainer.__main__ import load_job
from anneal_trainer.hashing import directory_sha256
from anneal_trainer.model.loading import load_model

FAST = {"n_epochs": 1, "learning_rate": 1e-3, "batch_size": 4}
LORA = {**FAST, "lora": True, "lora_r": 4}


@pytest.fixture
def continued(make_job):
    """Make a job that starts from another one's last checkpoint, as the daemon makes it."""

    def make(earlier, name="continued", change=lambda start: None, **settings):
        hp = {**settings.pop("hp", FAST), "from_checkpoint": "task"}
        job = make_job(name, hp=hp, start="checkpoint", **settings)
        last = max((earlier.work / "checkpoints").iterdir(), key=lambda path: path.stat().st_mtime)
        shutil.copytree(
            last,
            job.path / "start",
            ignore=shutil.ignore_patterns("training.safetensors", "state.json", "COMPLETE"),
        )
        change(job.path / "start")
        return job

    return make


def weights(directory):
    (path,) = directory.glob("*model.safetensors")
    return load_file(path)


def assert_starts_where_the_other_ended(later, earlier):
    assert later.result["loss_before"] == pytest.approx(earlier.result["loss_after"], rel=1e-6)
    assert later.result["accuracy_before"] == earlier.result["accuracy_after"]
    samples = zip(later.result["samples"], earlier.result["samples"], strict=True)
    assert all(one["base"] == other["tuned"] for one, other in samples)


@pytest.mark.parametrize("hp", [FAST, LORA], ids=["full", "lora"])
@pytest.mark.parametrize("kind", ["causal-lm", "text-classification"])
def test_a_checkpoint_is_continued_with_its_weights_and_a_new_schedule(
    make_job, continued, kind, hp
):
    earlier = make_job("earlier", kind=kind, hp={**hp, "n_epochs": 4})
    assert earlier.run() == 0
    later = continued(earlier, kind=kind, hp=hp)
    assert later.run() == 0
    assert_starts_where_the_other_ended(later, earlier)
    assert later.events("progress")[0]["lr"] == hp["learning_rate"]
    assert later.events("progress")[0]["step"] == 1
    assert later.files("out") != earlier.files("out")
    receipt = json.loads((later.work / "out/receipt.json").read_text())
    assert receipt["inputs"]["start_sha256"] == directory_sha256(later.path / "start")


def test_a_continued_adapter_still_fits_the_base_model(make_job, continued, models):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    earlier = make_job("earlier", hp=LORA)
    assert earlier.run() == 0
    later = continued(earlier, hp=LORA)
    assert later.run() == 0
    base = AutoModelForCausalLM.from_pretrained(models / "tiny-qwen2")
    tuned = PeftModel.from_pretrained(base, later.work / "out")
    before, after = weights(earlier.work / "out"), weights(later.work / "out")
    assert before.keys() == after.keys()
    assert any(not torch.equal(before[name], after[name]) for name in before)
    assert all(not value.requires_grad for value in tuned.parameters())


def test_a_continued_job_is_resumed_like_any_other(make_job, continued):
    earlier = make_job("earlier", hp=LORA)
    assert earlier.run() == 0
    whole, stopped = (continued(earlier, name, hp=LORA) for name in ("whole", "stopped"))
    assert whole.run() == 0
    calls = iter([False, False])
    assert stopped.run(lambda: next(calls, True)) == 75
    assert stopped.run() == 0
    assert whole.files("out") == stopped.files("out")


def rename_class(start):
    config = json.loads((start / "config.json").read_text())
    config["id2label"]["0"] = "awful"
    (start / "config.json").write_text(json.dumps(config))


def cut_weights(start):
    (path,) = start.glob("*model.safetensors")
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("kind", "earlier_hp", "later_hp", "change", "message", "hint"),
    [
        ("causal-lm", LORA, FAST, None, "is a LoRA adapter, but lora is not true", "Set lora"),
        ("causal-lm", FAST, LORA, None, "is a whole model, so an adapter", "Leave lora out"),
        ("causal-lm", LORA, {**LORA, "lora_r": 8}, None, "has lora_r 4, the job 8", "to 4."),
        (
            "causal-lm",
            {**LORA, "lora_trainable_modules": "q_proj,v_proj"},
            LORA,
            None,
            "is on different layers",
            "Set lora_trainable_modules to q_proj,v_proj.",
        ),
        ("causal-lm", FAST, FAST, cut_weights, "is cut off", ""),
        ("text-classification", FAST, FAST, rename_class, "classes are awful, good", "same labels"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(
    make_job, continued, kind, earlier_hp, later_hp, change, message, hint
):
    earlier = make_job("earlier", kind=kind, hp=earlier_hp)
    assert earlier.run() == 0
    later = continued(earlier, kind=kind, hp=later_hp, change=change or (lambda start: None))
    assert later.run() == 2
    assert message in later.result["message"]
    assert hint in later.result["hint"]


@pytest.fixture
def from_hub(make_job, models):
    """Make a job that starts from a repository: a changed copy of the base model."""

    def make(change, kind="causal-lm", hp=FAST):
        hp = {**hp, "from_hf_model": "someone/model", "hf_model_revision": "v1"}
        job = make_job(kind=kind, hp=hp, start="hub")
        model = "tiny-qwen2" if kind == "causal-lm" else "tiny-distilbert"
        shutil.copytree(models / model, job.path / "start")
        change(job.path / "start")
        return job

    return make


def change_weights(change):
    def apply(start):
        path = start / "model.safetensors"
        save_file(change(load_file(path)), path, metadata={"format": "pt"})

    return apply


halved = change_weights(lambda found: {name: value / 2 for name, value in found.items()})


def test_training_starts_from_the_weights_of_the_repository(from_hub):
    job = from_hub(halved)
    assert job.run() == 0
    loaded = load_job(job.path)
    model = load_model(
        loaded.model_directory, "causal-lm", [], loaded.hyperparameters, loaded.start_directory
    )
    expected = load_file(job.path / "start/model.safetensors")
    for name, value in model.named_parameters():
        if name in expected:
            assert torch.equal(value, expected[name]), name


def test_an_adapter_on_a_repository_names_it_as_its_base(from_hub):
    job = from_hub(halved, hp=LORA)
    assert job.run() == 0
    settings = json.loads((job.work / "out/adapter_config.json").read_text())
    assert settings["base_model_name_or_path"] == "someone/model"
    assert settings["revision"] == "v1"


def test_a_repository_without_the_head_of_the_base_model_will_do(from_hub):
    def headless(found):
        return {name: value for name, value in found.items() if name.startswith("distilbert.")}

    job = from_hub(change_weights(headless), kind="text-classification")
    assert job.run() == 0
    assert len(REVIEWS) == job.result["rows"]


def other_architecture(start):
    config = json.loads((start / "config.json").read_text())
    (start / "config.json").write_text(json.dumps({**config, "model_type": "llama"}))


def other_vocabulary(start):
    path = start / "tokenizer.json"
    tokenizer = json.loads(path.read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["!"], vocabulary['"'] = vocabulary['"'], vocabulary["!"]
    path.write_text(json.dumps(tokenizer))


NORM = "model.norm.weight"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (other_architecture, "model_type is llama instead of qwen2"),
        (other_vocabulary, "2 tokens have different ids, such as '!'"),
        (
            change_weights(lambda found: {**found, NORM: found[NORM][:64].clone()}),
            "model.norm.weight is [64] instead of [128]",
        ),
        (
            change_weights(lambda found: {k: v for k, v in found.items() if k != NORM}),
            "it has no model.norm.weight",
        ),
        (
            change_weights(lambda found: {**found, "model.extra.weight": torch.zeros(1)}),
            "it has model.extra.weight, which the base model does not have",
        ),
        (
            change_weights(lambda found: {f"x.{k}": v for k, v in found.items()}),
            "it has no weights of the same names",
        ),
        (lambda start: (start / "adapter_config.json").write_text("{}"), "an adapter, not a model"),
    ],
)
def test_another_architecture_is_refused_with_what_differs(from_hub, change, named):
    job = from_hub(change)
    assert job.run() == 2
    assert job.result["message"].startswith("someone/model ")
    assert named in job.result["message"]
    assert not job.events("started")
