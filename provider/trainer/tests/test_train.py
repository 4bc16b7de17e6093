"""Whole jobs: their learning, their output, and how they end."""

import json
import math
import pickle
import re

import pytest
import torch
from conftest import EXAMPLES, REVIEWS, SUMS

from anneal_trainer import __main__ as entry
from anneal_trainer import batch_size
from anneal_trainer import train as train_module
from anneal_trainer.data.batch import make_batch
from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.hashing import directory_sha256
from anneal_trainer.loss.score import evaluate, score
from anneal_trainer.model.loading import load_model
from anneal_trainer.receipt import first_link, next_link
from anneal_trainer.schedule import learning_rate

CPU = torch.device("cpu")
FAST = {"n_epochs": 2, "learning_rate": 5e-3, "batch_size": 4}
KINDS = ["causal-lm", "text-classification"]
HELD_OUT = {
    "causal-lm": [{"prompt": "What is 7 + 7?\n", "completion": "7 + 7 = 14"}],
    "text-classification": REVIEWS[:6],
}


@pytest.mark.parametrize("lora", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_job_learns_and_leaves_the_documented_files(make_job, kind, lora):
    job = make_job(
        kind=kind,
        validation=HELD_OUT[kind],
        hp={**FAST, "n_epochs": 4, "n_checkpoints": 2, "n_evals": 3, "lora": lora},
    )
    assert job.run() == 0
    result = job.result
    assert (result["status"], result["exit_code"]) == ("completed", 0)
    assert result["loss_on"] == "validation"
    assert result["loss_after"] < result["loss_before"]
    kinds = [event["type"] for event in job.events()]
    assert kinds[0] == "started"
    assert kinds[-1] == "done"
    assert [event["seq"] for event in job.events()] == list(range(1, len(kinds) + 1))

    steps = result["steps"]
    progress = job.events("progress")
    assert [event["step"] for event in progress] == list(range(1, steps + 1))
    assert progress[-1]["epoch"] == 4
    assert progress[-1]["seconds_left"] == 0
    assert progress[-1]["tokens"] == result["tokens"]
    for event in progress:
        assert {"total", "loss", "accuracy", "lr", "grad_norm", "tokens_per_second"} <= event.keys()
    evaluated = [event["step"] for event in job.events("eval")]
    assert evaluated == [0, math.ceil(steps / 3), math.ceil(steps * 2 / 3), steps]
    assert [event["step"] for event in job.events("checkpoint")] == [steps // 2, steps]
    for event in job.events("checkpoint"):
        path = job.work / event["path"]
        assert directory_sha256(path, ["COMPLETE"]) == event["hash"]
    assert not (job.work / "recovery").exists() or not any((job.work / "recovery").iterdir())

    metrics = [json.loads(line) for line in (job.work / "out/metrics.jsonl").open()]
    assert len(metrics) == steps + 4
    card = (job.work / "out/README.md").read_text()
    assert result["samples"]
    assert "| learning_rate | 0.005 |" in card
    assert str(job.path) not in card
    assert f"library_name: {'peft' if lora else 'transformers'}\n" in card
    receipt = json.loads((job.work / "out/receipt.json").read_text())
    assert receipt["output_sha256"] == directory_sha256(job.work / "out", ["receipt.json"])
    assert receipt["inputs"]["base_model_sha256"] == directory_sha256(job.path / "model")
    assert not list(job.path.rglob("*.bin")) + list(job.path.rglob("*.pt"))


def test_the_receipts_chain_follows_from_the_metrics(make_job):
    job = make_job(hp={**FAST, "seed": 7})
    assert job.run() == 0
    receipt = json.loads((job.work / "out/receipt.json").read_text())
    chain = first_link(receipt["identity"])
    for event in job.events("progress"):
        chain = next_link(chain, event["step"], event["loss"], event["grad_norm"], event["lr"])
    assert receipt["chain"]["head"] == chain
    assert receipt["chain"]["steps"] == job.result["steps"]


def test_a_full_causal_model_loads_with_transformers_and_answers_as_sampled(make_job):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    job = make_job(hp={**FAST, "n_epochs": 6}, validation=SUMS[:3])
    assert job.run() == 0
    model = AutoModelForCausalLM.from_pretrained(job.work / "out")
    tokenizer = AutoTokenizer.from_pretrained(job.work / "out")
    assert len(job.result["samples"]) == 2
    for sample, row in zip(job.result["samples"], SUMS, strict=False):
        assert (sample["prompt"], sample["expected"]) == (row["prompt"], row["completion"])
        assert sample["base"] != sample["tuned"]
        ids = tokenizer(sample["prompt"], return_tensors="pt")["input_ids"]
        answer = model.generate(ids, max_new_tokens=32, do_sample=False)[0, ids.shape[1] :]
        assert tokenizer.decode(answer, skip_special_tokens=True) == sample["tuned"]


def test_a_full_classifier_loads_with_the_names_of_its_classes(make_job):
    from transformers import pipeline

    job = make_job(kind="text-classification", hp={**FAST, "n_epochs": 6})
    assert job.run() == 0
    classify = pipeline("text-classification", str(job.work / "out"), device="cpu")
    assert classify.model.config.id2label == {0: "bad", 1: "good"}
    for sample in job.result["samples"]:
        assert classify(sample["text"])[0]["label"] == sample["tuned"]
    assert job.result["loss_on"] == "training"
    assert job.result["accuracy_after"] == 1


def test_weights_are_saved_in_the_number_format_they_came_in(make_job):
    from safetensors.torch import load_file, save_file

    job = make_job(hp=FAST)
    replace_model(job, lambda name: True)
    path = job.path / "model/model.safetensors"
    half = {name: value.bfloat16() for name, value in load_file(path).items()}
    save_file(half, path, metadata={"format": "pt"})
    config = (job.path / "model/config.json").read_text()
    (job.path / "model/config.json").write_text(config.replace("float32", "bfloat16"))
    assert job.run() == 0
    tuned = load_file(job.work / "out/model.safetensors")
    assert {name: (value.dtype, value.shape) for name, value in tuned.items()} == {
        name: (value.dtype, value.shape) for name, value in half.items()
    }
    assert json.loads((job.work / "out/config.json").read_text())["dtype"] == "bfloat16"
    assert any(not torch.equal(tuned[name], half[name]) for name in half)


def test_a_row_that_opens_with_the_assistant_can_be_sampled(make_job):
    row = {"messages": [{"role": "assistant", "content": "Hello."}]}
    job = make_job(rows=[row])
    replace_model(job, lambda name: True)
    (job.path / "model/chat_template.jinja").write_text(
        "{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}"
    )
    document = json.loads((job.path / "job.json").read_text())
    document["hyperparameters"] = {**FAST, "train_on_inputs": True}
    (job.path / "job.json").write_text(json.dumps(document))
    assert job.run() == 0
    prompt = job.result["samples"][0]["prompt"]
    assert prompt
    assert "Hello.".startswith(prompt)


def test_an_adapter_loads_with_peft_on_top_of_the_base_model(make_job, models):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    job = make_job(
        hp={**FAST, "lora": True, "lora_r": 4, "lora_trainable_modules": "q_proj, v_proj"}
    )
    assert job.run() == 0
    settings = json.loads((job.work / "out/adapter_config.json").read_text())
    assert settings["target_modules"] == ["q_proj", "v_proj"]
    assert (settings["r"], settings["lora_alpha"]) == (4, 8)
    assert str(models) not in (job.work / "out/adapter_config.json").read_text()
    base = AutoModelForCausalLM.from_pretrained(models / "tiny-qwen2")
    tuned = PeftModel.from_pretrained(base, job.work / "out")
    weights = [value for name, value in tuned.named_parameters() if "lora_B" in name]
    assert len(weights) == 4
    assert all(weight.abs().sum() > 0 for weight in weights)


def test_a_classification_adapter_brings_its_trained_head(make_job, models):
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

    job = make_job(
        kind="text-classification", hp={**FAST, "n_epochs": 10, "lora": True, "batch_size": 8}
    )
    assert job.run() == 0
    config = AutoConfig.from_pretrained(job.work / "out")
    assert config.id2label == {0: "bad", 1: "good"}
    base = AutoModelForSequenceClassification.from_pretrained(
        models / "tiny-distilbert", config=config
    )
    tuned = PeftModel.from_pretrained(base, job.work / "out").eval()
    tokenizer = AutoTokenizer.from_pretrained(job.work / "out")
    for sample in job.result["samples"]:
        logits = tuned(**tokenizer(sample["text"], return_tensors="pt")).logits
        assert config.id2label[int(logits.argmax())] == sample["tuned"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_unknown_lora_module_is_refused_with_the_valid_names(make_job, kind):
    job = make_job(kind=kind, hp={"lora": True, "lora_trainable_modules": "c_attn"})
    assert job.run() == 2
    names = "k_proj, o_proj, q_proj" if kind == "causal-lm" else "k_lin, lin1, lin2"
    assert job.result["message"].startswith("lora_trainable_modules names 'c_attn'")
    assert names in job.result["hint"]


def test_padding_and_skipped_logits_change_neither_loss_nor_gradients(make_job, qwen2):
    job = make_job(rows=EXAMPLES / "prompt-completion.jsonl")
    examples = read_causal_dataset(
        job.path / "data/train.jsonl", qwen2, 2048, mask_inputs=True
    ).examples
    parameters = entry.load_job(job.path).hyperparameters
    model = load_model(job.path / "model", "causal-lm", [], parameters)

    def gradients():
        found = torch.cat([value.grad.flatten() for value in model.parameters()])
        model.zero_grad()
        return found

    together = score(model, make_batch(examples, 0, CPU), torch.float32)
    together.loss.backward()
    padded = gradients()
    alone = 0.0
    for example in examples:
        ids = torch.tensor([example.ids])
        labels = torch.where(torch.tensor([example.counts]), ids, -100)
        loss = model(input_ids=ids, labels=labels).loss * sum(example.counts)
        loss.backward()
        alone += loss.item()
    assert together.loss.item() == pytest.approx(alone, rel=1e-5)
    torch.testing.assert_close(padded, gradients(), rtol=1e-4, atol=1e-4)


def test_accumulated_batches_step_like_one_large_batch(make_job):
    rows = [{"prompt": "Count.\n", "completion": "1 " * n} for n in (1, 30, 2, 9)]
    hp = {"n_epochs": 1, "learning_rate": 1e-3}
    large = make_job("large", rows=rows, hp={**hp, "batch_size": 4})
    small = make_job(
        "small", rows=rows, hp={**hp, "batch_size": 1, "gradient_accumulation_steps": 4}
    )
    assert (large.run(), small.run()) == (0, 0)
    (one,), (other,) = large.events("progress"), small.events("progress")
    for key in ("loss", "grad_norm", "accuracy", "tokens"):
        assert one[key] == pytest.approx(other[key], rel=1e-4), key


def test_progress_reports_the_rate_of_the_schedule_and_clipping_is_obeyed(make_job):
    job = make_job(hp={**FAST, "warmup_ratio": 0.5, "max_grad_norm": 0.001})
    assert job.run() == 0
    parameters = entry.load_job(job.path).hyperparameters
    for event in job.events("progress"):
        assert event["lr"] == learning_rate(event["step"] - 1, event["total"], parameters)
        assert event["grad_norm"] > 0.001


def test_max_takes_the_largest_batch_up_to_the_rows(make_job):
    few = make_job("few", rows=SUMS[:3], hp={"n_epochs": 1})
    many = make_job("many", hp={"n_epochs": 1})
    assert (few.run(), many.run()) == (0, 0)
    assert (few.result["batch_size"], many.result["batch_size"]) == (3, 8)


def test_max_halves_the_batch_until_it_fits(make_job, monkeypatch):
    def small_memory(model, batch, dtype):
        if torch.is_grad_enabled() and len(batch.documents.lengths) > 2:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate")
        return score(model, batch, dtype)

    for module in (batch_size, train_module):
        monkeypatch.setattr(module, "score", small_memory)
    job = make_job(hp={"n_epochs": 1})
    assert job.run() == 0
    assert job.result["batch_size"] == 2
    fixed = make_job("fixed", hp={"n_epochs": 1, "batch_size": 4})
    assert fixed.run() == 4
    assert fixed.result["code"] == "out-of-memory"
    assert "batch_size" in fixed.result["hint"]


def test_early_stopping_ends_after_its_patience_and_keeps_the_last_step(make_job):
    job = make_job(
        validation=HELD_OUT["causal-lm"],
        hp={**FAST, "learning_rate": 1e-8, "n_epochs": 3, "n_evals": 12,
            "early_stopping_patience": 2},
    )  # fmt: skip

    def never_better(*arguments):
        found = evaluate(*arguments)
        return type(found)(10.0, found.accuracy)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(train_module, "evaluate", never_better)
        assert job.run() == 0
    assert job.result["steps"] == 2
    assert job.result["total_steps"] == 12
    assert [event["step"] for event in job.events("checkpoint")] == [2]
    assert "stopped early after step 2 of 12" in job.events("warning")[0]["message"]


def test_truncation_and_adjustments_are_warnings(make_job):
    rows = [{"text": "word " * 40}, {"text": "short text"}]
    job = make_job(rows=rows, hp={"n_epochs": 1, "n_checkpoints": 2, "max_seq_length": 16})
    assert job.run() == 0
    messages = [event["message"] for event in job.events("warning")]
    assert messages == [
        "n_checkpoints was lowered from 2 to 1, the number of epochs.",
        "train.jsonl: 1 of 2 rows were cut to 16 tokens.",
    ]


def break_config(job):
    (job.path / "job.json").write_text("{}")


def break_data(job):
    (job.path / "data/train.jsonl").write_text('{"question": "?"}\n')


def remove_weights(job):
    replace_model(job, lambda name: not name.endswith(".safetensors"))


def weights_of(job):
    replace_model(job, lambda name: True)
    return job.path / "model/model.safetensors"


def cut_weights(job):
    weights = weights_of(job)
    weights.write_bytes(weights.read_bytes()[:-1])


def cut_header(job):
    weights = weights_of(job)
    weights.write_bytes(weights.read_bytes()[:100])


def pickle_weights(job):
    weights_of(job).write_bytes(pickle.dumps({"weight": [1.0]}))


def lose_a_shard(job):
    weights_of(job)
    index = {"weight_map": {"a": "model.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (job.path / "model/model.safetensors.index.json").write_text(json.dumps(index))


def break_model_config(job):
    replace_model(job, lambda name: True)
    (job.path / "model/config.json").write_text("{")


@pytest.mark.parametrize(
    ("breakage", "message"),
    [
        (cut_weights, "instead of .*: it is cut off"),
        (cut_header, "model.safetensors is cut off or not a safetensors file"),
        (pickle_weights, "model.safetensors is cut off or not a safetensors file"),
        (lose_a_shard, "model-00002-of-00002.safetensors is missing"),
        (break_model_config, "config.json is not JSON"),
    ],
)
def test_a_broken_model_has_its_own_sentence_before_anything_is_loaded(make_job, breakage, message):
    job = make_job()
    breakage(job)
    assert job.run() == 2
    assert re.search(message, job.result["message"])
    assert not job.events("started")


def ask_for_code(job):
    replace_model(job, lambda name: True)
    config = json.loads((job.path / "model/config.json").read_text())
    config["auto_map"] = {"AutoModelForCausalLM": "evil.Model"}
    (job.path / "model/config.json").write_text(json.dumps(config))


def replace_model(job, keep):
    link = job.path / "model"
    source = link.resolve()
    link.unlink()
    link.mkdir()
    for path in source.iterdir():
        if keep(path.name):
            (link / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize(
    ("breakage", "hp", "exit_code", "code"),
    [
        (break_config, {}, 2, "bad-config"),
        (break_data, {}, 3, "bad-data"),
        (remove_weights, {}, 2, "bad-config"),
        (ask_for_code, {}, 2, "bad-config"),
        (lambda job: None, {"max_seq_length": 4096}, 2, "bad-config"),
    ],
)
def test_every_failure_leaves_the_same_sentence_in_event_and_result(
    make_job, capsys, breakage, hp, exit_code, code
):
    job = make_job(hp=hp)
    breakage(job)
    assert job.run() == exit_code
    (error,) = job.events("error")
    result = job.result
    assert (result["status"], result["exit_code"]) == ("failed", exit_code)
    for key in ("code", "message", "hint", "retryable"):
        assert error[key] == result[key]
    assert (error["code"], error["retryable"]) == (code, False)
    assert capsys.readouterr().err == f"{error['message']}\n{error['hint']}\n"
    assert not (job.work / "out").exists()


def test_half_a_character_in_a_key_is_bad_data_and_reported(make_job):
    job = make_job()
    (job.path / "data/train.jsonl").write_text('{"text": "a"}\n{"te\\ud83dxt": "a"}\n')
    assert job.run() == 3
    assert job.result["message"].startswith("train.jsonl:2: The key ")
    assert job.result["message"] == job.events("error")[0]["message"]


def test_a_classifier_is_not_trained_as_a_language_model(make_job, models):
    job = make_job()
    (job.path / "model").unlink()
    (job.path / "model").symlink_to(models / "tiny-distilbert")
    assert job.run() == 2


def test_the_unforeseen_is_retryable_and_never_silent(make_job, monkeypatch, capsys):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(train_module, "write_directory", full_disk)
    job = make_job(hp={"n_epochs": 1})
    assert job.run() == 1
    (error,) = job.events("error")
    assert error["retryable"] is True
    assert "No space left on device" in job.result["message"]
    assert "Traceback" in capsys.readouterr().err


def test_a_loss_that_is_no_number_ends_the_job(make_job, monkeypatch):
    def diverged(model, batch, dtype):
        result = score(model, batch, dtype)
        return type(result)(result.loss * math.nan, result.correct)

    monkeypatch.setattr(train_module, "score", diverged)
    job = make_job(hp={**FAST})
    assert job.run() == 2
    assert "not finite at step 1" in job.result["message"]
