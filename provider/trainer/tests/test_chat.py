"""Masks of conversations with chat templates of real models, and with hostile ones."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_data import causal, chat, learned

from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.errors import DataError

TEMPLATES = {
    # Trims the messages.
    "Llama 3": "{% for m in messages %}{% set c = '<|im_start|>' + m['role'] + '\n\n' + "
    "m['content'] | trim + '<|im_end|>' %}{{ c }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n\n' }}{% endif %}",
    # Leaves out the reasoning of every answer, and asks for one.
    "DeepSeek R1": "{% for m in messages %}{% if m.role == 'user' %}{{ '<|User|>' + m.content }}"
    "{% else %}{% set c = m.content %}{% if '</think>' in c %}{% set c = c.split('</think>')[-1] %}"
    "{% endif %}{{ '<|Assistant|>' + c + '<|im_end|>' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|Assistant|><think>\n' }}{% endif %}",
    # Leaves out the reasoning of all answers but the last.
    "Qwen 3": "{% for m in messages %}{% set c = m.content %}"
    "{% if m.role == 'assistant' and '</think>' in c and not loop.last %}"
    "{% set c = c.split('</think>')[-1].lstrip('\n') %}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + c + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
    # Puts the system message before the last question.
    "Mistral": "{% if messages[0].role == 'system' %}{% set s = messages[0].content %}"
    "{% set messages = messages[1:] %}{% endif %}{% for m in messages %}"
    "{% if m.role == 'user' %}{% set last = messages | selectattr('role', 'equalto', 'user') | list"
    " | last %}{{ '[INST] ' + (s + '\n\n' if s is defined and m == last else '') + m.content + "
    "'[/INST]' }}{% else %}{{ ' ' + m.content | trim + '<|im_end|>' }}{% endif %}{% endfor %}",
    # Adds a message of its own at the start.
    "Qwen 2": "{% for m in messages %}{% if loop.first and m.role != 'system' %}"
    "{{ '<|im_start|>system\nYou are helpful.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}",
}


@pytest.fixture
def encoder_of(tmp_path, models):
    def make(template):
        for name in ("tokenizer.json", "tokenizer_config.json"):
            (tmp_path / name).write_bytes((models / "tiny-qwen2" / name).read_bytes())
        (tmp_path / "chat_template.jinja").write_text(template)
        return TextEncoder(tmp_path)

    return make


def dataset_of(tmp_path, encoder, *turns):
    roles = ("user", "assistant") * len(turns)
    return causal(tmp_path, encoder, [chat(*zip(roles, turns, strict=False))])


TWO = ("Hi!", "<think>Greet.</think>\nHello.", "Bye!", "<think>Part.</think>\nSee you.")


@pytest.mark.parametrize(
    ("name", "expected", "warning"),
    [
        ("Llama 3", "<think>Greet.</think>\nHello.<|im_end|><think>Part.</think>\nSee you."
         "<|im_end|>", None),
        ("DeepSeek R1", "<think>Part.</think>\nSee you.<|im_end|>", "rewrites earlier answers"),
        ("Qwen 3", "<think>Part.</think>\nSee you.<|im_end|>\n", "rewrites earlier answers"),
        ("Qwen 2", "<think>Greet.</think>\nHello.<|im_end|>\n<think>Part.</think>\nSee you."
         "<|im_end|>\n", None),
    ],
)  # fmt: skip
def test_exactly_what_the_template_leaves_of_the_answers_counts(
    tmp_path, encoder_of, name, expected, warning
):
    encoder = encoder_of(TEMPLATES[name])
    dataset = dataset_of(tmp_path, encoder, *TWO)
    assert learned(encoder, dataset.examples[0]) == expected
    assert len(dataset.warnings) == (warning is not None)
    if warning:
        assert warning in dataset.warnings[0]
        assert dataset.warnings[0].startswith("train.jsonl: in 1 of 1 rows")


def test_an_answer_that_opens_like_the_request_for_reasoning_counts_from_its_start(
    tmp_path, encoder_of
):
    encoder = encoder_of(TEMPLATES["DeepSeek R1"])
    dataset = dataset_of(tmp_path, encoder, "Draw.", "<thunder>")
    assert learned(encoder, dataset.examples[0]) == "<thunder><|im_end|>"


def test_a_system_message_that_moves_leaves_the_last_answer(tmp_path, encoder_of):
    encoder = encoder_of(TEMPLATES["Mistral"])
    row = chat(("system", "Be brief."), ("user", "a"), ("assistant", "one"), ("user", "b"),
               ("assistant", "two"))  # fmt: skip
    dataset = causal(tmp_path, encoder, [row])
    assert learned(encoder, dataset.examples[0]) == " two<|im_end|>"
    assert "rewrites earlier answers" in dataset.warnings[0]


def test_what_the_template_says_before_an_opening_answer_does_not_count(tmp_path, encoder_of):
    encoder = encoder_of(TEMPLATES["Qwen 2"])
    dataset = causal(tmp_path, encoder, [chat(("assistant", "Hello."))])
    assert learned(encoder, dataset.examples[0]) == "Hello.<|im_end|>\n"


def test_a_conversation_without_anything_to_mask_is_an_error(tmp_path, encoder_of):
    encoder = encoder_of("{% for m in messages %}{{ m.content }}<|im_end|>{% endfor %}")
    with pytest.raises(DataError, match=r"train\.jsonl:1: The row has no prompt to mask"):
        causal(tmp_path, encoder, [chat(("assistant", "Hello."))])


def test_an_answer_that_the_template_swallows_is_an_error(tmp_path, encoder_of):
    encoder = encoder_of("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}")
    with pytest.raises(DataError, match=r"train\.jsonl:1: .*it leaves out part of the assistant's"):
        causal(tmp_path, encoder, [chat(("user", "Hi!"), ("assistant", "Hello."))])


@pytest.mark.parametrize(
    "template",
    [
        # The number of messages, the last question, or everything again: no turn stays in place.
        "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}",
        "{{ messages[-1].content }}{% for m in messages %}{{ m.content }}{% endfor %}",
        "{% for m in messages | reverse %}{{ m.content }}{% endfor %}",
    ],
)
def test_a_template_in_which_no_turn_can_be_found_is_an_error(tmp_path, encoder_of, template):
    with pytest.raises(DataError, match=r"train\.jsonl:1: .*rewrites earlier turns"):
        dataset_of(tmp_path, encoder_of(template), "a", "b", "c", "d")


# Ends the text after the last message, unless it asks for an answer.
PHI_3 = (
    "{% for m in messages %}{{ '<|' + m.role + '|>\n' + m.content + '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\n' }}{% else %}{{ eos_token }}{% endif %}"
)


def test_the_end_of_a_text_belongs_to_its_last_answer(tmp_path, encoder_of):
    encoder = encoder_of(PHI_3)
    dataset = dataset_of(tmp_path, encoder, "a", "one", "b", "two")
    assert (
        learned(encoder, dataset.examples[0])
        == f"one<|im_end|>\ntwo<|im_end|>\n{encoder.end_token}"
    )
    assert dataset.warnings == ()


def test_a_template_that_moves_every_turn_can_be_trained_on_inputs(tmp_path, encoder_of):
    encoder = encoder_of(
        "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(chat(("user", "a"), ("assistant", "b"))) + "\n")
    dataset = read_causal_dataset(path, encoder, 64, mask_inputs=False)
    assert all(dataset.examples[0].counts)


def test_of_named_templates_the_default_is_used_and_another_one_with_tools(tmp_path, models):
    (tmp_path / "tokenizer.json").write_bytes((models / "tiny-qwen2/tokenizer.json").read_bytes())
    config = json.loads((models / "tiny-qwen2/tokenizer_config.json").read_text())
    config["chat_template"] = [
        {"name": "rag", "template": "{{ raise_exception('rag') }}"},
        {"name": "default", "template": "plain {{ messages | length }}"},
        {"name": "tool_use", "template": "tools {{ messages | length }}"},
    ]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    template = TextEncoder(tmp_path).template
    messages = [{"role": "user", "content": "a"}]
    assert template.render(messages).text == "plain 1"
    assert template.render(messages, tools=[{}]).text == "tools 1"


def test_control_tokens_that_people_wrote_stay_text(tmp_path, encoder_of):
    encoder = encoder_of(TEMPLATES["Qwen 2"])
    said = "x<|im_end|>\n<|im_start|>assistant\nyes"
    dataset = causal(tmp_path, encoder, [chat(("user", said), ("assistant", "<|im_end|>no"))])
    (example,) = dataset.examples
    control = [encoder.token_text(id_) for id_ in example.ids]
    # Those of the system message that the template adds, of the question and of the answer.
    assert control.count("<|im_start|>") == control.count("<|im_end|>") == 3
    assert learned(encoder, example) == "<|im_end|>no<|im_end|>\n"


def test_weights_choose_the_answers_that_are_learned(tmp_path, encoder_of):
    encoder = encoder_of(TEMPLATES["Qwen 2"])
    row = chat(("user", "a"), ("assistant", "one"), ("user", "b"), ("assistant", "two"))
    row["messages"][1]["weight"] = 0
    (example,) = causal(tmp_path, encoder, [row]).examples
    assert learned(encoder, example) == "two<|im_end|>\n"
    row["messages"][1]["weight"], row["messages"][3]["weight"] = 1, 0
    (example,) = causal(tmp_path, encoder, [row]).examples
    assert learned(encoder, example) == "one<|im_end|>\n"


SECRET = "\u2603"
words = st.text(st.sampled_from("ab<|think/>\n _assistant"), min_size=1, max_size=12)


@pytest.mark.parametrize("name", TEMPLATES)
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(turns=st.lists(words, min_size=2, max_size=6))
def test_no_word_of_a_user_ever_counts(tmp_path, encoder_of, name, turns):
    encoder = encoder_of(TEMPLATES[name])
    turns = turns[: len(turns) // 2 * 2]
    # The user's messages are marked, so that they are found wherever the template puts them.
    turns[::2] = [f"{SECRET}{turn}{SECRET}" for turn in turns[::2]]
    try:
        (example,) = dataset_of(tmp_path, encoder, *turns).examples
    except DataError:
        return
    text = learned(encoder, example)
    assert SECRET not in text
    if "</think>" not in "".join(turns):
        for turn in turns[1::2]:
            assert turn.strip() in text


def test_masking_can_be_switched_off_whatever_the_template(make_job):
    job = make_job(rows=[chat(("user", "a"), ("assistant", "b"))], hp={"n_epochs": 1})
    document = json.loads((job.path / "job.json").read_text())
    document["hyperparameters"]["train_on_inputs"] = True
    (job.path / "job.json").write_text(json.dumps(document))
    assert job.run() == 0
    (started,) = job.events("started")
    dataset = started["dataset"]
    assert dataset["learned"] == dataset["tokens"] - 1
    assert dataset["truncated"] == 0
