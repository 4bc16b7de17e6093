"""The tokens that answers end with, found in the data."""

import json

import pyarrow
import pytest
from pyarrow import parquet
from test_data import causal, chat
from tokenizers import Tokenizer

from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.data.encode import TextEncoder

MARKED = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# Writes the start of each message, and nothing at its end, as GLM-4.5's does.
UNMARKED = (
    "{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
# Ends a call, the last answer and an earlier one differently, as gpt-oss's does.
HARMONY = (
    "{% for m in messages %}{% if m.tool_calls %}<|start|>assistant to={{ "
    "m.tool_calls[0].function.name }} {{ m.tool_calls[0].function.arguments | tojson }}<|call|>"
    "{% elif m.role == 'assistant' and loop.last %}<|start|>assistant {{ m.content }}<|return|>"
    "{% else %}<|start|>{{ m.role }} {{ m.content }}<|end|>{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|start|>assistant{% endif %}"
)
CALL = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
CALLING = [
    {"role": "user", "content": "1 + 1?"},
    {"role": "assistant", "content": "Let me add."},
    {"role": "user", "content": "Do."},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "content": "2"},
    {"role": "assistant", "content": "2."},
]
HELLO = chat(("user", "Hi!"), ("assistant", "Hello."), ("user", "Bye!"), ("assistant", "See you."))


@pytest.fixture
def encoder_of(tmp_path, models):
    def make(template, special=(), eos="<|endoftext|>"):
        tokenizer = Tokenizer.from_file(str(models / "tiny-qwen2/tokenizer.json"))
        tokenizer.add_special_tokens(list(special))
        tokenizer.save(str(tmp_path / "tokenizer.json"))
        settings = {"eos_token": eos, "chat_template": template}
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
        return TextEncoder(tmp_path)

    return make


def ends(encoder, dataset):
    return [encoder.token_text(id_) for id_ in dataset.end_ids]


@pytest.mark.parametrize("mask_inputs", [True, False])
def test_the_template_decides_what_ends_an_answer_not_the_tokenizer(
    tmp_path, encoder_of, mask_inputs
):
    encoder = encoder_of(MARKED)
    dataset = causal(tmp_path, encoder, [HELLO, HELLO], mask_inputs=mask_inputs)
    assert ends(encoder, dataset) == ["<|im_end|>"]
    assert dataset.warnings == ()


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "a", "completion": "b"},
        {"text": "a b"},
        {"instruction": "a", "output": "b"},
        {"prompt": "a", "chosen": "b", "rejected": "c"},
    ],
)
def test_rows_without_messages_end_with_the_tokenizers_own_token(tmp_path, encoder_of, row):
    encoder = encoder_of(MARKED)
    assert ends(encoder, causal(tmp_path, encoder, [row])) == ["<|endoftext|>"]


def test_a_preference_ends_like_its_better_answer(tmp_path, encoder_of):
    encoder = encoder_of(MARKED)
    ask = [{"role": "user", "content": "a"}]
    row = {
        "prompt": ask,
        "chosen": [{"role": "assistant", "content": "b"}],
        "rejected": [{"role": "assistant", "content": "c"}],
    }
    assert ends(encoder, causal(tmp_path, encoder, [row])) == ["<|im_end|>"]


def test_calls_and_last_answers_count_and_what_ends_an_earlier_answer_does_not(
    tmp_path, encoder_of
):
    encoder = encoder_of(HARMONY, ["<|start|>", "<|end|>", "<|call|>", "<|return|>"])
    # Calls are rare, but all of them end alike.
    rows = [*[HELLO] * 30, {"messages": CALLING}]
    dataset = causal(tmp_path, encoder, rows)
    assert ends(encoder, dataset) == ["<|return|>", "<|call|>"]
    assert dataset.warnings == ()


def test_an_end_that_was_cut_off_or_does_not_count_is_not_one(tmp_path, encoder_of):
    encoder = encoder_of(MARKED)
    long = chat(("user", "Hi!"), ("assistant", "word " * 60))
    dataset = causal(tmp_path, encoder, [long], max_length=32)
    assert dataset.end_ids == ()
    assert [warning for warning in dataset.warnings if "special token" in warning] == []
    unlearned = {"messages": [*HELLO["messages"][:3], {**HELLO["messages"][3], "weight": 0}]}
    assert causal(tmp_path, encoder, [unlearned]).end_ids == ()
    assert ends(encoder, causal(tmp_path, encoder, [unlearned, HELLO])) == ["<|im_end|>"]


def test_answers_that_end_with_no_special_token_are_a_warning(tmp_path, encoder_of):
    encoder = encoder_of(UNMARKED, ["<|user|>", "<|assistant|>"])
    dataset = causal(tmp_path, encoder, [HELLO, HELLO])
    assert dataset.end_ids == ()
    (warning,) = dataset.warnings
    assert warning.startswith(
        "train.jsonl: the chat template ends 2 of 2 answers with no special token"
    )


def test_a_control_token_that_people_wrote_ends_nothing(tmp_path, encoder_of):
    encoder = encoder_of(UNMARKED, ["<|user|>", "<|assistant|>"])
    row = chat(("user", "Hi!"), ("assistant", "It ends with <|im_end|>"))
    dataset = causal(tmp_path, encoder, [row])
    assert dataset.end_ids == ()
    assert len(dataset.warnings) == 1


def token_dataset(tmp_path, encoder, rows, labels=None):
    path = tmp_path / "train.parquet"
    columns = {"input_ids": rows, **({"labels": labels} if labels else {})}
    parquet.write_table(pyarrow.table(columns), path)
    return read_causal_dataset(path, encoder, 2048, mask_inputs=True)


def test_token_ids_end_with_the_last_special_token_that_counts(tmp_path, encoder_of):
    encoder = encoder_of(MARKED)
    ids = encoder.encode("<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n").ids
    assert ends(encoder, token_dataset(tmp_path, encoder, [ids])) == ["<|im_end|>"]
    masked = [*ids[:-2], -100, -100]
    assert token_dataset(tmp_path, encoder, [ids], [masked]).end_ids == ()


def test_text_that_was_cut_anywhere_has_no_end(tmp_path, encoder_of):
    encoder = encoder_of(MARKED)
    word, start = encoder.encode("word").ids, encoder.encode("word<|im_start|>").ids
    dataset = token_dataset(tmp_path, encoder, [*[word] * 19, start])
    assert dataset.end_ids == ()
    assert dataset.warnings == ()
