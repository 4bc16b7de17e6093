"""Rows as OpenAI, Together, Fireworks and TRL document them, and malformed ones.

The client's tests read the same files, examples/rows.
"""

import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import pytest
from tokenizers import Tokenizer, processors
from transformers import AutoTokenizer
from transformers.utils import chat_template_utils

from anneal_trainer.data.chat import ConversationReader
from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.encoded_rows import RowReader
from anneal_trainer.data.rows import ChatRow, PairRow, read_causal_rows
from anneal_trainer.data.rules import HINTS
from anneal_trainer.data.template import ChatTemplate
from anneal_trainer.errors import DataError

ROWS = Path(__file__).parent / "examples/rows"
WHEELS = Path(__file__).parents[3] / "scripts/rivals/wheels"
TOKENS = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>"}


def lines(name):
    return [json.loads(line) for line in (ROWS / name).read_text().splitlines()]


def documented():
    """Yield source and row of each documented row with each set of texts."""
    for texts in json.loads((ROWS / "texts.json").read_text()):
        for entry in lines("documented.jsonl"):
            text = json.dumps(entry["row"])
            for number, value in enumerate(texts, 1):
                inner = json.dumps(value)[1:-1]
                # Arguments are JSON within JSON.
                text = text.replace(f'\\"${number}\\"', json.dumps(json.dumps(value))[1:-1])
                text = text.replace(f"${number}", inner)
            yield entry["source"], json.loads(text)


def read(tmp_path, row):
    path = tmp_path / "train.jsonl"
    path.write_text(json.dumps(row) + "\n")
    (found,) = read_causal_rows(path)
    return found


def test_documented_rows_are_accepted_and_learned(tmp_path, qwen2):
    reader = RowReader(qwen2)
    accepted = 0
    for source, row in documented():
        found = read(tmp_path, row)
        if _mentions_what_the_tiny_model_lacks(row):
            continue
        for encoded in reader.read(found):
            assert encoded.unlocated is None, source
            assert encoded.answers is None or any(encoded.answers), source
        accepted += 1
    assert accepted >= 100


def _mentions_what_the_tiny_model_lacks(row):
    text = json.dumps(row)
    return any(f'"{key}"' in text for key in ("tools", "functions", "reasoning", "thinking",
                                             "reasoning_content"))  # fmt: skip


@pytest.mark.parametrize("case", lines("malformed.jsonl"), ids=lambda case: case["line"][:60])
def test_a_malformed_row_is_refused_by_its_rule(tmp_path, case):
    path = tmp_path / "train.jsonl"
    path.write_text(case["line"] + "\n")
    with pytest.raises(DataError) as refused:
        list(read_causal_rows(path))
    assert refused.value.message == f"train.jsonl:1: {case['message']}"
    assert refused.value.hint == HINTS[case["rule"]]


def trl_pairs():
    """Yield name, template, and TRL's variant of it that marks the assistant's text."""
    wheels = list(WHEELS.glob("trl-*.whl"))
    if not wheels:
        return
    with ZipFile(wheels[0]) as wheel:
        sources = {
            Path(name).stem: wheel.read(name).decode()
            for name in wheel.namelist()
            if name.endswith(".jinja")
        }
    for name, source in sorted(sources.items()):
        if f"{name}_training" in sources:
            yield name, source, sources[f"{name}_training"]


def test_masks_are_those_of_trl(tmp_path):
    pairs = list(trl_pairs())
    if not pairs:
        pytest.skip("there are no wheels with chat templates; setup --rivals fetches them")
    rows = [(source, row, read(tmp_path, row)) for source, row in documented()]
    chats = [(source, row, found) for source, row, found in rows if isinstance(found, ChatRow)]
    assert not any(isinstance(found, PairRow) for _, _, found in chats)
    compared, hidden = 0, 0
    for name, source, training in pairs:
        template = ChatTemplate(source, TOKENS)
        reader = ConversationReader(template, "</s>", [])
        for origin, row, found in chats:
            theirs = _marked_by_transformers(training, row)
            ours = _located(reader, found)
            if theirs is None or ours is None or theirs[0] != ours.text:
                continue
            hidden += ours.hidden > 0
            _assert_same_mask(f"{name}, {origin}", row, ours, theirs[1], _request(template))
            compared += 1
    # Most rows with most templates: others have a text of their own in TRL.
    assert compared >= 1_500
    assert hidden <= 0.03 * compared


def _marked_by_transformers(training, row):
    messages = row.get("messages") or [*row["prompt"], *row["completion"]]
    try:
        texts, marks = chat_template_utils.render_jinja_template(
            [messages],
            tools=row.get("tools"),
            chat_template=training,
            return_assistant_tokens_mask=True,
            **TOKENS,
        )
    except Exception:
        return None
    return texts[0], marks[0]


def _located(reader, found):
    try:
        return reader.read(found.messages, found.tools, found.given)
    except ValueError:
        return None


def _request(template):
    """Return the generation prompt."""
    user = {"role": "user", "content": "Q"}
    texts = [template.render([user], ask=ask).text for ask in (False, True)]
    return texts[1].removeprefix(texts[0].removesuffix("</s>"))


def _assert_same_mask(name, row, ours, marks, request):
    """Compare with TRL, which knows no weights, and also counts part of the generation prompt."""
    learned = {place for turn in ours.turns for place in range(turn.begin, turn.end)}
    marked = {place for begin, end in marks for place in range(begin, end)}
    assert learned <= marked, name
    starts = {turn.begin for turn in ours.turns}
    weighted = any(message.get("weight") == 0 for message in row.get("messages", []))
    # What a template rewrites, TRL's variant of it does not.
    rest = [] if weighted or ours.hidden else sorted(marked - learned)
    while rest:
        end = next(place for place in range(rest[0], len(ours.text) + 1) if place not in rest)
        missing = ours.text[rest[0] : end]
        assert end in starts, f"{name}: {missing!r} is not learned"
        assert missing in request, f"{name}: {missing!r}"
        rest = [place for place in rest if place >= end]


@pytest.fixture
def with_bos(tmp_path, models):
    """Return a model whose tokenizer puts a token before every text, as Llama's and Gemma's do."""
    folder = tmp_path / "with-bos"
    shutil.copytree(models / "tiny-qwen2", folder)
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_special_tokens(["<bos>"])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A",
        pair="<bos> $A <bos> $B",
        special_tokens=[("<bos>", tokenizer.token_to_id("<bos>"))],
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"text": "Hello there"}, "Hello there"),
        ({"text": "<bos>Hello there"}, "<bos>Hello there"),
        ({"prompt": "Hello", "completion": " there"}, "Hello there"),
        ({"instruction": "Hello", "output": "there"}, "Hello\nthere"),
    ],
)
def test_rows_begin_as_at_inference(tmp_path, with_bos, row, text):
    tokenizer = AutoTokenizer.from_pretrained(with_bos)
    encoder = TextEncoder(with_bos)
    (encoded,) = RowReader(encoder).read(read(tmp_path, row))
    plain = text.removeprefix("<bos>")
    assert encoded.ids == [*tokenizer(plain)["input_ids"], encoder.eos_id]
    assert encoded.ids.count(tokenizer.convert_tokens_to_ids("<bos>")) == 1


def test_preference_rows_begin_as_at_inference(tmp_path, with_bos):
    tokenizer = AutoTokenizer.from_pretrained(with_bos)
    encoder = TextEncoder(with_bos)
    pair = read(tmp_path, {"prompt": "Hello", "chosen": " you", "rejected": " them"})
    for encoded, answer in zip(RowReader(encoder).read(pair), (" you", " them"), strict=True):
        assert encoded.ids == [*tokenizer(f"Hello{answer}")["input_ids"], encoder.eos_id]
        given = len(tokenizer("Hello")["input_ids"])
        assert encoded.answers == [place >= given for place in range(len(encoded.ids))]


def test_a_prompt_has_the_tokens_that_it_has_alone(tmp_path, qwen2):
    for prompt, completion in (("Hel", "lo"), ("a ", " b"), ("1", "2"), ("x", "x" * 40)):
        row = read(tmp_path, {"prompt": prompt, "completion": completion})
        (encoded,) = RowReader(qwen2).read(row)
        asked = qwen2.encode(prompt).ids
        assert encoded.ids[: len(asked)] == asked
        assert encoded.answers == [place >= len(asked) for place in range(len(encoded.ids))]
        assert qwen2.decode(encoded.ids) == prompt + completion
