"""Rows, masks, truncation and counting."""

import json
import re
import subprocess
import sys
import unicodedata

import pytest
from conftest import EXAMPLES, HANGS_AFTER, TRAINER
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from anneal_trainer.count import count
from anneal_trainer.data.archive import read_archive
from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.images import count_images, image_labels
from anneal_trainer.data.label_rows import label_set, read_label_rows
from anneal_trainer.data.loading import read_label_dataset
from anneal_trainer.data.rows import read_causal_rows
from anneal_trainer.errors import ConfigError, DataError

EXPECTED = json.loads((EXAMPLES / "expected.json").read_text())
INVALID = json.loads((EXAMPLES / "invalid" / "expected.json").read_text())


@pytest.mark.parametrize("name", EXPECTED)
def test_examples_count_as_written_down_for_both_languages(models, name):
    expected = EXPECTED[name]
    path = EXAMPLES / name
    rows, tokens = count(models / expected["model"], expected["kind"], path)
    assert (rows, tokens) == (expected["rows"], expected["tokens"])
    assert path.stat().st_size == expected["bytes"]
    if expected["kind"] == "text-classification":
        assert label_set(path, list(read_label_rows(path))) == expected["labels"]
    if expected["kind"] == "image-classification":
        assert image_labels(path, (file.label for file in read_archive(path))) == expected["labels"]


def test_no_example_is_forgotten():
    names = {path.name for path in EXAMPLES.iterdir() if path.is_file()}
    assert names == {*EXPECTED, "expected.json"}
    invalid = {path.name for path in (EXAMPLES / "invalid").iterdir()}
    assert invalid == {*INVALID, "expected.json"}


@pytest.mark.parametrize("name", INVALID)
def test_a_broken_rule_is_named_with_file_and_line(qwen2, distilbert, name):
    path = EXAMPLES / "invalid" / name
    with pytest.raises(DataError) as refused:
        if INVALID[name]["kind"] == "causal-lm":
            read_causal_dataset(path, qwen2, 2048, mask_inputs=True)
        elif INVALID[name]["kind"] == "text-classification":
            read_label_dataset(path, distilbert, 256, None)
        else:
            count_images(path)
    place = INVALID[name].get("entry") or INVALID[name]["line"]
    # The reason that a library gives differs from the one that the client's gives.
    found = re.sub(r"\((?!found: ).*\)", "(…)", refused.value.message)
    assert found == f"{name}:{place}: {INVALID[name]['message']}"
    assert refused.value.hint == INVALID[name]["hint"]


def learned(encoder, example):
    """The text that counts in the loss."""
    return encoder._tokenizer.decode(
        [id_ for id_, counts in zip(example.ids, example.counts, strict=True) if counts],
        skip_special_tokens=False,
    )


def causal(tmp_path, encoder, rows, max_length=2048, mask_inputs=True):
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read_causal_dataset(path, encoder, max_length, mask_inputs=mask_inputs)


def chat(*turns):
    return {"messages": [{"role": role, "content": content} for role, content in turns]}


def test_prompts_are_masked_and_completions_with_their_end_learned(tmp_path, qwen2):
    row = {"prompt": "What is 2 + 2?\n", "completion": "It is 4."}
    (example,) = causal(tmp_path, qwen2, [row]).examples
    assert learned(qwen2, example) == "It is 4.<|im_end|>"
    (example,) = causal(tmp_path, qwen2, [row], mask_inputs=False).examples
    assert learned(qwen2, example) == "What is 2 + 2?\nIt is 4.<|im_end|>"


def test_an_instruction_is_a_prompt_with_its_input_on_the_next_line(tmp_path, qwen2):
    rows = [
        {"instruction": "Add.", "input": "1, 2", "output": "3"},
        {"instruction": "Add.", "input": "", "output": "0"},
    ]
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert [(row.prompt, row.completion) for row in read_causal_rows(path)] == [
        ("Add.\n1, 2\n", "3"),
        ("Add.\n", "0"),
    ]


def test_text_is_never_masked(tmp_path, qwen2):
    (example,) = causal(tmp_path, qwen2, [{"text": "All of it."}]).examples
    assert learned(qwen2, example) == "All of it.<|im_end|>"


def test_only_the_assistants_turns_are_learned_each_with_its_end(tmp_path, qwen2):
    row = chat(
        ("system", "Be brief."),
        ("user", "Hi!"),
        ("assistant", "Hello."),
        ("user", "Bye!"),
        ("assistant", "See you."),
    )
    (example,) = causal(tmp_path, qwen2, [row]).examples
    assert learned(qwen2, example) == "Hello.<|im_end|>\nSee you.<|im_end|>\n"
    assert qwen2.decode(example.ids[: example.prompt_length]).endswith("assistant\n")


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    turns=st.lists(
        st.tuples(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20),
                  st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)),
        min_size=1, max_size=3,
    )
)  # fmt: skip
def test_no_users_turn_ever_counts(tmp_path, qwen2, turns):
    row = chat(*(turn for ask, answer in turns for turn in (("user", ask), ("assistant", answer))))
    (example,) = causal(tmp_path, qwen2, [row], max_length=10_000).examples
    expected = "".join(f"{answer}<|im_end|>\n" for _, answer in turns)
    assert learned(qwen2, example) == unicodedata.normalize("NFC", expected)


def test_a_row_that_loses_all_it_could_teach_is_an_error(tmp_path, qwen2):
    rows = [{"prompt": "short", "completion": "b"}, {"prompt": "long " * 40, "completion": "b"}]
    with pytest.raises(
        DataError, match=r"train\.jsonl:2: The row has nothing to learn from in its first"
    ):
        causal(tmp_path, qwen2, rows, max_length=16)


def test_truncation_keeps_the_start_is_counted_and_not_billed_less(tmp_path, qwen2):
    rows = [{"prompt": "Count.\n", "completion": "1 " * 60}, {"prompt": "a", "completion": "b"}]
    whole, cut = causal(tmp_path, qwen2, rows), causal(tmp_path, qwen2, rows, max_length=24)
    assert (whole.truncated, cut.truncated) == (0, 1)
    assert cut.tokens == whole.tokens == sum(len(example.ids) for example in whole.examples)
    assert cut.examples[0].ids == whole.examples[0].ids[:24]


def test_a_truncated_classification_row_keeps_its_last_special_token(tmp_path, distilbert):
    path = tmp_path / "train.csv"
    path.write_text("text,label\n" + "good " * 50 + ",yes\nbad,no\n")
    dataset, labels = read_label_dataset(path, distilbert, 16, None)
    long, short = dataset.examples
    assert labels == ["no", "yes"]
    assert len(long.ids) == 16
    assert long.ids[0] == short.ids[0]
    assert long.ids[-1] == short.ids[-1]
    assert (dataset.truncated, dataset.tokens) == (1, 52 + 3)


def test_integer_labels_sort_by_value_and_words_by_code_point(tmp_path):
    for labels, expected in (
        (range(12), [str(n) for n in range(12)]),
        (["b", "a", "B", "é", "10"], ["10", "B", "a", "b", "é"]),
    ):
        path = tmp_path / "labels.jsonl"
        path.write_text("".join(json.dumps({"text": "x", "label": n}) + "\n" for n in labels))
        assert label_set(path, list(read_label_rows(path))) == expected


def test_a_validation_label_that_is_not_trained_is_an_error(tmp_path, distilbert):
    path = tmp_path / "validation.tsv"
    path.write_text("label\ttext\nmaybe\tx\n")
    with pytest.raises(DataError, match=r'validation\.tsv:2: The label "maybe"'):
        read_label_dataset(path, distilbert, 64, ["no", "yes"])


def test_messages_need_a_chat_template(tmp_path, models, qwen2):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((models / "tiny-qwen2" / name).read_bytes())
    settings_ = json.loads((tmp_path / "tokenizer_config.json").read_text())
    template = settings_.pop("chat_template")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings_))
    row = chat(("user", "a"), ("assistant", "b"))
    with pytest.raises(ConfigError, match="no chat_template"):
        causal(tmp_path, TextEncoder(tmp_path), [row])
    (tmp_path / "chat_template.jinja").write_text(template)
    assert (
        causal(tmp_path, TextEncoder(tmp_path), [row]).tokens
        == causal(tmp_path, qwen2, [row]).tokens
    )


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ raise_exception('alternate, please') }}", "alternate, please"),
        ("{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}", "rewrites"),
    ],
)
def test_a_template_that_refuses_or_rewrites_is_a_clear_data_error(
    tmp_path, models, template, problem
):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((models / "tiny-qwen2" / name).read_bytes())
    (tmp_path / "chat_template.jinja").write_text(template)
    row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    with pytest.raises(DataError, match=rf"train\.jsonl:1: .*{problem}"):
        causal(tmp_path, TextEncoder(tmp_path), [row])


def test_a_request_to_speak_may_hold_more_than_the_turn_it_opens(tmp_path, models):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((models / "tiny-qwen2" / name).read_bytes())
    # Reasoning models open their answer with a mark that completed turns no longer have.
    (tmp_path / "chat_template.jinja").write_text(
        "{% for m in messages %}{% if m.role == 'user' %}Q: {{ m.content }}{% else %}"
        "A: {{ m.content }}<|im_end|>{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}A: <think>{% endif %}"
    )
    encoder = TextEncoder(tmp_path)
    row = chat(("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"))
    (example,) = causal(tmp_path, encoder, [row]).examples
    assert learned(encoder, example) == " b<|im_end|> d<|im_end|>"


def test_a_template_cannot_reach_the_machine(tmp_path, models):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((models / "tiny-qwen2" / name).read_bytes())
    evil = "{{ messages.__class__.__mro__[1].__subclasses__() }}"
    (tmp_path / "chat_template.jinja").write_text(evil)
    with pytest.raises(DataError, match="unsafe"):
        causal(tmp_path, TextEncoder(tmp_path), [chat(("assistant", "b"))])


def test_the_encoder_equals_transformers(models, qwen2, distilbert):
    from transformers import AutoTokenizer

    messages = [{"role": "user", "content": "3 + 4?"}, {"role": "assistant", "content": "7 é🙂"}]
    theirs = AutoTokenizer.from_pretrained(models / "tiny-qwen2")
    rendered = qwen2.template.render(messages).text
    assert rendered == theirs.apply_chat_template(messages, tokenize=False)
    assert qwen2.encode(rendered).ids == theirs(rendered, add_special_tokens=False)["input_ids"]
    assert (qwen2.eos_id, qwen2.pad_id) == (theirs.eos_token_id, theirs.pad_token_id)
    theirs = AutoTokenizer.from_pretrained(models / "tiny-distilbert")
    text = "An UNUSUAL film — 100% naïve, isn't it?"
    assert distilbert.encode_special(text)[0] == theirs(text)["input_ids"]


def test_the_count_command_prints_json_and_never_loads_torch(models):
    script = (
        "import sys; from anneal_trainer.count import main; code = main(sys.argv[1:]); "
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules; sys.exit(code)"
    )
    arguments = ["--model", str(models / "tiny-qwen2"), "--kind", "causal-lm"]

    def run(file):
        command = [sys.executable, "-c", script, *arguments, str(EXAMPLES / file)]
        return subprocess.run(
            command, cwd=TRAINER, capture_output=True, text=True, timeout=HANGS_AFTER
        )

    good = run("text.jsonl")
    expected = EXPECTED["text.jsonl"]
    assert json.loads(good.stdout) == {key: expected[key] for key in ("rows", "tokens")}
    bad = run("invalid/not-json.jsonl")
    assert bad.returncode == 3
    assert bad.stderr.startswith("not-json.jsonl:2: The line is not JSON (")


@pytest.mark.parametrize(
    ("name", "start", "read"),
    [
        ("a.jsonl", b'{"text": "', read_causal_rows),
        ("a.tsv", b"text\tlabel\n", read_label_rows),
        ("a.csv", b"text,label\n", read_label_rows),
        ("a.csv", b'text,label\n"', read_label_rows),
    ],
)
def test_a_row_without_an_end_is_refused_before_it_is_in_memory(tmp_path, name, start, read):
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(start)
        file.truncate(2**36)  # a hole: 64 GiB that take no disk
    with pytest.raises(DataError) as error:
        list(read(path))
    assert "The row is longer than 16 MiB" in error.value.message


def test_a_quoted_field_of_many_lines_is_bounded_too(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"' + "word\n" * (4 * 2**20))
    with pytest.raises(DataError) as error:
        list(read_label_rows(path))
    assert error.value.message == "a.csv:2: The row is longer than 16 MiB."


def test_rows_are_read_one_by_one(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "first"}\n{"no": 1}\n')
    rows = read_causal_rows(path)
    assert next(rows).text == "first"


def test_nesting_without_end_is_no_json(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text":' + "[" * 10_000_000)
    with pytest.raises(DataError) as error:
        list(read_causal_rows(path))
    assert error.value.message.startswith("a.jsonl:1: The line is not JSON (maximum recursion")
