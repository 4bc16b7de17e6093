"""Token ids that counting leaves for the training."""

import json
import resource
import shutil
import subprocess
import sys
from dataclasses import replace

import pyarrow
import pytest
from conftest import EXAMPLES, REVIEWS, SUMS, TRAINER
from hypothesis import given
from hypothesis import strategies as st
from test_preferences import CONVERSATION, PAIRS

from anneal_trainer.count import count
from anneal_trainer.data import encoded_rows
from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.data.encode import TextEncoder
from anneal_trainer.data.encoded_rows import CAUSAL, LABELS
from anneal_trainer.data.loading import read_label_dataset
from anneal_trainer.data.token_cache import TokenCache

TEXT = {"text": "Once upon a time."}
WEIGHTED = {
    "messages": [
        {"role": "user", "content": "Hi!"},
        {"role": "assistant", "content": "Yes?", "weight": 0},
        {"role": "user", "content": "2 + 2?"},
        {"role": "assistant", "content": "4"},
    ]
}


class Counted:
    """A dataset that was counted, and the tokens that were left."""

    def __init__(self, directory, model, kind, rows):
        self.path = directory / "train.jsonl"
        self.path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        self.tokens = directory / "train.arrow"
        self.counts = count(model, kind, self.path, tokens=self.tokens)
        self.cache = TokenCache(self.tokens, self.path, TextEncoder(model))


@pytest.fixture
def forbid_encoding(monkeypatch):
    def refuse(*_):
        raise AssertionError("The dataset was tokenized again.")

    monkeypatch.setattr(encoded_rows.RowReader, "read", refuse)
    monkeypatch.setattr(TextEncoder, "encode_special", refuse)


@pytest.mark.parametrize("rows", [[TEXT], SUMS * 500, [WEIGHTED], PAIRS, [CONVERSATION]])
@pytest.mark.parametrize("mask_inputs", [True, False])
def test_training_sees_the_same_rows_without_tokenizing_them_again(
    rows, mask_inputs, tmp_path, models, qwen2, request
):
    counted = Counted(tmp_path, models / "tiny-qwen2", "causal-lm", rows)
    expected = read_causal_dataset(counted.path, qwen2, 128, mask_inputs=mask_inputs)
    assert counted.counts == (len(rows), expected.tokens)
    request.getfixturevalue("forbid_encoding")
    found = read_causal_dataset(counted.path, qwen2, 128, counted.cache, mask_inputs=mask_inputs)
    assert found == expected


def test_so_does_a_classifier(tmp_path, models, distilbert, request):
    counted = Counted(tmp_path, models / "tiny-distilbert", "text-classification", REVIEWS)
    expected = read_label_dataset(counted.path, distilbert, 4, None)
    assert counted.counts == (len(REVIEWS), expected[0].tokens)
    request.getfixturevalue("forbid_encoding")
    assert read_label_dataset(counted.path, distilbert, 4, None, counted.cache) == expected


def test_tokens_of_anything_else_are_not_used(tmp_path, models, qwen2):
    model = tmp_path / "model"
    shutil.copytree(models / "tiny-qwen2", model)
    counted = Counted(tmp_path, model, "causal-lm", SUMS)
    cache = counted.cache
    assert cache.read(CAUSAL) is not None
    assert cache.read(LABELS) is None
    content = counted.tokens.read_bytes()
    for damaged in (b"", b"ARROW1", content[:-9], content[: len(content) // 2]):
        counted.tokens.write_bytes(damaged)
        assert cache.read(CAUSAL) is None
    counted.tokens.unlink()
    assert cache.read(CAUSAL) is None
    counted.tokens.write_bytes(content)
    (model / "chat_template.jinja").write_text("{{ messages }}")
    assert replace(cache, encoder=TextEncoder(model)).read(CAUSAL) is None
    counted.path.write_text(json.dumps(SUMS[1]) + "\n")
    assert cache.read(CAUSAL) is None
    dataset = read_causal_dataset(counted.path, qwen2, 32, cache, mask_inputs=True)
    assert len(dataset.examples) == 1


def test_a_file_that_may_not_grow_ends_the_writing_and_not_the_counting(tmp_path, models):
    path, tokens = tmp_path / "train.jsonl", tmp_path / "train.arrow"
    path.write_text("".join(json.dumps(row) + "\n" for row in SUMS * 1_000))
    model = models / "tiny-qwen2"
    command = ["--model", model, "--kind", "causal-lm", "--tokens", tokens, path]
    counted = subprocess.run(
        [sys.executable, "-m", "anneal_trainer.count", *map(str, command)],
        env={"PYTHONPATH": str(TRAINER)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)),
        capture_output=True,
        check=True,
    )
    rows, total = count(model, "causal-lm", path)
    assert json.loads(counted.stdout) == {"rows": rows, "tokens": total}
    assert tokens.read_bytes() == b""


def test_a_job_with_them_is_the_same_job(make_job, models):
    alone, helped = make_job("alone"), make_job("helped")
    (helped.path / "tokens").mkdir()
    dataset, tokens = helped.path / "data/train.jsonl", helped.path / "tokens/train.arrow"
    count(models / "tiny-qwen2", "causal-lm", dataset, tokens=tokens)
    assert [job.run() for job in (alone, helped)] == [0, 0]
    assert alone.files("out") == helped.files("out")


@given(
    st.lists(
        st.tuples(
            st.lists(st.integers(-(2**31), 2**31 - 1), max_size=40_000),
            st.none() | st.lists(st.booleans()),
            st.none() | st.text(),
        )
    )
)
def test_records_are_read_as_they_were_written(tmp_path_factory, qwen2, records):
    directory = tmp_path_factory.mktemp("cache")
    schema = pyarrow.schema(
        [
            ("ids", pyarrow.list_(pyarrow.int32())),
            ("answers", pyarrow.list_(pyarrow.bool_())),
            ("text", pyarrow.string()),
        ]
    )
    cache = TokenCache(directory / "tokens.arrow", EXAMPLES / "text.jsonl", qwen2)
    assert list(cache.keep(schema, records)) == records
    assert list(cache.read(schema)) == records
