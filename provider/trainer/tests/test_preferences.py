"""Preference pairs: their rows, their masks, their loss, and whole jobs."""

import json
import math

import pytest
import torch
from test_data import chat, learned

from anneal_trainer import __main__ as entry
from anneal_trainer.count import count
from anneal_trainer.data.batch import make_batch
from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.data.encoded_rows import encode_causal_rows
from anneal_trainer.errors import DataError
from anneal_trainer.loss.score import answer_likelihoods
from anneal_trainer.model.loading import load_model

CPU = torch.device("cpu")
PAIRS = [
    {"prompt": f"What is {a} + {b}?\n", "chosen": f"It is {a + b}.", "rejected": "I do not know."}
    for a in range(2, 5)
    for b in range(2, 5)
]
HP = {"n_epochs": 3, "learning_rate": 1e-3, "batch_size": 3}


def turns(*pairs):
    return chat(*pairs)["messages"]


CONVERSATION = {
    "input": {"messages": turns(("system", "Be brief."), ("user", "Hi!"), ("assistant", "Yes?"),
                                ("user", "2 + 2?"))},
    "preferred_output": turns(("assistant", "4")),
    "non_preferred_output": turns(("assistant", "Let me think about that.")),
}  # fmt: skip


def write(tmp_path, *rows):
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def examples(tmp_path, encoder, *rows, max_length=2048, mask_inputs=True):
    path = write(tmp_path, *rows)
    return read_causal_dataset(path, encoder, max_length, mask_inputs=mask_inputs)


def test_only_the_answers_count_and_the_prompt_is_paid_twice(tmp_path, qwen2, models):
    dataset = examples(tmp_path, qwen2, PAIRS[0])
    (example,) = dataset.examples
    assert learned(qwen2, example) == "It is 4.<|im_end|>"
    assert learned(qwen2, example.rejected) == "I do not know.<|im_end|>"
    lengths = [len(qwen2.encode(PAIRS[0][key]).ids) for key in ("prompt", "chosen", "rejected")]
    assert dataset.tokens == 2 * lengths[0] + lengths[1] + lengths[2] + 2
    assert count(models / "tiny-qwen2", "causal-lm", dataset.path) == (1, dataset.tokens)
    assert example.size == dataset.tokens


def test_only_the_answers_of_a_conversation_count_not_what_the_assistant_said_before(
    tmp_path, qwen2
):
    for mask_inputs in (True, False):
        dataset = examples(tmp_path, qwen2, CONVERSATION, mask_inputs=mask_inputs)
        (example,) = dataset.examples
        assert learned(qwen2, example) == "4<|im_end|>\n"
        assert learned(qwen2, example.rejected) == "Let me think about that.<|im_end|>\n"
        (row,) = encode_causal_rows(dataset.path, qwen2)
        assert dataset.tokens == row.tokens


def test_both_ways_to_write_a_conversation_are_the_same(tmp_path, qwen2):
    other = {
        "prompt": CONVERSATION["input"]["messages"],
        "chosen": CONVERSATION["preferred_output"],
        "rejected": CONVERSATION["non_preferred_output"],
    }
    one, two = (examples(tmp_path, qwen2, row).examples for row in (CONVERSATION, other))
    assert one == two


BROKEN = {
    "equal answers": ({**PAIRS[0], "rejected": PAIRS[0]["chosen"]}, "are the same"),
    "equal conversations": (
        {**CONVERSATION, "non_preferred_output": CONVERSATION["preferred_output"]},
        "are the same",
    ),
    "no rejected answer": (
        {"prompt": "a", "chosen": "b"},
        "The row has chosen but no rejected.",
    ),
    "an empty answer": ({**PAIRS[0], "rejected": ""}, "rejected is empty"),
    "a list where the prompt is a text": (
        {**PAIRS[0], "chosen": []},
        "chosen is a list, not a text.",
    ),
    "a text where the prompt is a list": (
        {"prompt": CONVERSATION["input"]["messages"], "chosen": "4", "rejected": "5"},
        "chosen is not a list",
    ),
    "tools": (
        {**CONVERSATION, "input": {**CONVERSATION["input"], "tool": []}},
        'input is not an object of the form {"messages": […]}.',
    ),
    "an answer of the user's": (
        {**CONVERSATION, "preferred_output": turns(("user", "4"))},
        "preferred_output has no message from the assistant.",
    ),
    "a text as an answer": ({**CONVERSATION, "preferred_output": "4"}, "is not a list"),
}


@pytest.mark.parametrize("says", BROKEN)
def test_a_broken_pair_is_named_with_its_line(make_job, says):
    row, problem = BROKEN[says]
    sound = CONVERSATION if "input" in row else PAIRS[1]
    job = make_job(rows=[sound, row])
    assert job.run() == 3
    assert job.result["message"].startswith("train.jsonl:2: ")
    assert problem in job.result["message"]


def test_pairs_and_plain_rows_do_not_mix(make_job):
    plain = {"prompt": "a", "completion": "b"}
    job = make_job("file", rows=[PAIRS[0], plain])
    assert job.run() == 3
    assert "the first row has" in job.result["message"]
    job = make_job("validation", rows=PAIRS, validation=[plain])
    assert job.run() == 3
    assert job.result["message"] == (
        "validation.jsonl:1: The validation dataset has plain rows, the training dataset "
        "preference pairs."
    )


def test_answers_that_truncation_makes_equal_are_an_error(tmp_path, qwen2):
    row = {"prompt": "a", "chosen": "b " * 30 + "c", "rejected": "b " * 30 + "d"}
    assert examples(tmp_path, qwen2, row).truncated == 0
    with pytest.raises(DataError, match=r"pairs\.jsonl:1: The two answers are the same"):
        examples(tmp_path, qwen2, row, max_length=16)


def margins(job, directory):
    """The margin of every pair: how many nats the model prefers the better answer by."""
    loaded = entry.load_job(job.path)
    data = entry.load_data(loaded)
    model = load_model(directory, "causal-lm", [], loaded.hyperparameters).eval()
    with torch.no_grad():
        batch = make_batch(data.train.examples, 0, CPU, data.preference)
        found = answer_likelihoods(model, batch, batch.comparison, torch.float32)
    better, worse = found.answers.chunk(2)
    return better - worse


@pytest.mark.parametrize("lora", [False, True])
def test_every_margin_rises(make_job, lora):
    job = make_job(rows=PAIRS, hp={**HP, "n_epochs": 6, "learning_rate": 5e-3, "lora": lora})
    assert job.run() == 0
    result = job.result
    first = job.events("progress")[0]
    assert first["loss"] == pytest.approx(math.log(2), abs=1e-4)
    assert result["loss_before"] == pytest.approx(math.log(2), abs=1e-4)
    assert result["loss_after"] < 0.5
    assert (result["accuracy_before"], result["accuracy_after"]) == (0, 1)
    assert result["tokens"] == 6 * result["dataset_tokens"]
    assert not job.events("warning")
    assert result["samples"][0]["prompt"] == PAIRS[0]["prompt"]
    if not lora:
        assert (margins(job, job.work / "out") > margins(job, job.path / "model")).all()


def test_pairs_are_measured_on_validation_pairs(make_job):
    job = make_job(rows=PAIRS[:6], validation=PAIRS[6:], hp={**HP, "n_evals": 2})
    assert job.run() == 0
    assert job.result["loss_before"] == pytest.approx(math.log(2), abs=1e-4)
    assert job.result["loss_after"] < job.result["loss_before"]


def test_a_restart_compares_with_the_model_before_the_training(make_job):
    settings = {"rows": PAIRS, "hp": HP}
    whole, cut = make_job("whole", **settings), make_job("cut", **settings)
    assert whole.run() == 0
    assert cut.run(is_stopped=lambda: len(cut.events("progress")) == 4) == 75
    assert cut.run() == 0
    assert cut.files("out") == whole.files("out")
