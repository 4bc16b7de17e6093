"""Datasets of token ids in parquet."""

import pyarrow
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from anneal_trainer.count import count
from anneal_trainer.data import token_rows
from anneal_trainer.data.causal import read_causal_dataset
from anneal_trainer.errors import DataError


def write(path, columns, **options):
    parquet.write_table(pyarrow.table(columns), path, **options)
    return path


def read(path, encoder, **options):
    return read_causal_dataset(path, encoder, **{"max_length": 64, "mask_inputs": True, **options})


def refused(path, encoder):
    with pytest.raises(DataError) as error:
        read(path, encoder)
    for sentence in (error.value.message, error.value.hint):
        assert sentence.endswith(".")
    return error.value.message


def test_padding_is_neither_learned_nor_counted(tmp_path, qwen2, models):
    path = write(
        tmp_path / "train.parquet",
        {
            "input_ids": [[5, 6, 7, 0, 0], [0, 0, 8, 9, 10], [1, 2, 3, 4, 5]],
            "attention_mask": [[1, 1, 1, 0, 0], [0, 0, 1, 1, 1], [1] * 5],
            "labels": [[-100, 6, 7, -100, -100], [-100, -100, -100, -100, 10], [1, 2, 3, 4, 5]],
        },
    )
    dataset = read(path, qwen2)
    assert [example.ids for example in dataset.examples] == [[5, 6, 7], [8, 9, 10], [1, 2, 3, 4, 5]]
    assert [example.counts for example in dataset.examples] == [
        [False, True, True],
        [False, False, True],
        [True] * 5,
    ]
    assert [example.prompt_length for example in dataset.examples] == [1, 2, 2]
    assert dataset.tokens == 11
    assert count(models / "tiny-qwen2", "causal-lm", path) == (3, 11)


@pytest.mark.parametrize("type_", ["int8", "uint16", "int32", "uint32", "int64", "uint64"])
@pytest.mark.parametrize("list_", [pyarrow.list_, pyarrow.large_list])
def test_every_type_of_integer_and_of_list_is_read(tmp_path, qwen2, type_, list_):
    column = pyarrow.array([[1, 2, 3]], list_(getattr(pyarrow, type_)()))
    dataset = read(write(tmp_path / "t.parquet", {"input_ids": column}), qwen2)
    assert dataset.examples[0].ids == [1, 2, 3]


@pytest.mark.parametrize("compression", ["none", "snappy", "gzip", "zstd", "brotli"])
def test_every_usual_compression_is_read(tmp_path, qwen2, compression):
    path = write(tmp_path / "t.parquet", {"input_ids": [[1, 2, 3]]}, compression=compression)
    assert read(path, qwen2).tokens == 3


BROKEN = {
    "no column of ids": ({"text": ["a"]}, "1: The columns fit no format"),
    "a column too many": ({"input_ids": [[1, 2]], "id": [7]}, "1: The columns fit no format"),
    "texts": ({"input_ids": ["a"]}, "1: input_ids is not a list of integers"),
    "one number": ({"input_ids": [7]}, "1: input_ids is not a list of integers"),
    "fractions": ({"input_ids": [[0.5]]}, "1: input_ids is not a list of integers"),
    "lists of lists": ({"input_ids": [[[1]]]}, "1: input_ids is not a list of integers"),
    "a null row": ({"input_ids": [[1, 2], None]}, "2: input_ids has a null"),
    "a null id": ({"input_ids": [[1, 2], [1, None]]}, "2: input_ids has a null"),
    "an empty row": ({"input_ids": [[1, 2], []]}, "2: The row has no tokens"),
    "an id beyond the vocabulary": (
        {"input_ids": [[1, 2], [3, 1536]]},
        "2: The token id 1536 is not in the model's vocabulary of 1536",
    ),
    "a negative id": ({"input_ids": [[1, 2], [-100, 2]]}, "2: The token id -100"),
    "a mask of another length": (
        {"input_ids": [[1, 2]], "attention_mask": [[1]]},
        "1: attention_mask has 1 values, input_ids 2",
    ),
    "a hole in the mask": (
        {"input_ids": [[1, 2, 3]], "attention_mask": [[1, 0, 1]]},
        "1: attention_mask is not ones with zeros around them",
    ),
    "a mask of other numbers": (
        {"input_ids": [[1, 2, 3]], "attention_mask": [[2, 1, 1]]},
        "1: attention_mask is not ones with zeros around them",
    ),
    "padding alone": (
        {"input_ids": [[1, 2], [0, 0]], "attention_mask": [[1, 1], [0, 0]]},
        "2: The row has no tokens",
    ),
    "shifted labels": (
        {"input_ids": [[1, 2, 3]], "labels": [[2, 3, -100]]},
        "1: A label is 2, but its token is 1.",
    ),
    "nothing to learn": (
        {"input_ids": [[1, 2], [1, 2]], "labels": [[-100, 2], [1, -100]]},
        "2: The row has nothing to learn from in its first 64 tokens.",
    ),
    "no rows": (
        {"input_ids": pyarrow.array([], pyarrow.list_(pyarrow.int64()))},
        "1: The dataset has no rows",
    ),
}


@pytest.mark.parametrize("says", BROKEN)
def test_a_broken_rule_is_named_with_its_row(tmp_path, qwen2, says):
    columns, problem = BROKEN[says]
    path = write(tmp_path / "train.parquet", columns)
    assert refused(path, qwen2).startswith(f"train.parquet:{problem}")


def test_what_is_no_parquet_is_refused(tmp_path, qwen2):
    path = tmp_path / "train.parquet"
    whole = write(tmp_path / "whole.parquet", {"input_ids": [[1, 2, 3]] * 50}).read_bytes()
    for content in (
        b"",
        b"PAR1",
        b"nothing of the kind" * 9,
        whole[:-9],
        whole[:100] + whole[140:],
    ):
        path.write_bytes(content)
        assert "cannot be read as parquet" in refused(path, qwen2)


def test_what_the_client_could_not_read_is_refused(tmp_path, qwen2, monkeypatch):
    path = write(tmp_path / "t.parquet", {"input_ids": [[1, 2, 3]]}, compression="lz4")
    assert "unsupported compression (LZ4)" in refused(path, qwen2)
    monkeypatch.setattr(token_rows, "MAX_GROUP_IDS", 8)
    columns = {"input_ids": [[1, 2, 3]] * 4}
    assert "A row group has more than 8 values" in refused(write(path, columns), qwen2)
    assert read(write(path, columns, row_group_size=2), qwen2).tokens == 12


def test_a_file_that_unpacks_to_a_thousand_times_its_size_is_refused_unread(tmp_path, qwen2):
    """Runs of one id are tiny: 32 row groups of a million values have a few kilobytes."""
    path = tmp_path / "t.parquet"
    column = pyarrow.ListArray.from_arrays([0, 2**20], pyarrow.repeat(pyarrow.scalar(5), 2**20))
    table = pyarrow.table({"input_ids": column})
    with parquet.ParquetWriter(path, table.schema, compression="zstd") as writer:
        for _ in range(32):
            writer.write_table(table)
    assert path.stat().st_size < 100_000
    assert "more than 100 values for each of its bytes" in refused(path, qwen2)


ids = st.lists(st.integers(0, 1535), min_size=1, max_size=12)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(ids, st.integers(0, 3), st.integers(0, 3)), min_size=1),
       group=st.integers(1, 9))  # fmt: skip
def test_any_rows_lose_their_padding_and_nothing_else(tmp_path, rows, group):
    path = write(
        tmp_path / "t.parquet",
        {
            "input_ids": [[9] * left + row + [9] * right for row, left, right in rows],
            "attention_mask": [[0] * left + [1] * len(row) + [0] * right
                               for row, left, right in rows],
        },
        row_group_size=group,
    )  # fmt: skip
    found = [row.ids for row in token_rows.read_token_rows(path, 1536)]
    assert found == [row for row, _, _ in rows]


def test_a_job_of_token_ids_learns(make_job, tmp_path, qwen2):
    texts = [f"{a} + {b} = {a + b}" for a in range(2, 6) for b in range(2, 6)]
    path = write(
        tmp_path / "train.parquet",
        {"input_ids": [[*qwen2.encode(text).ids, qwen2.eos_id] for text in texts]},
    )
    job = make_job(rows=path, hp={"n_epochs": 2, "learning_rate": 5e-3, "batch_size": 4})
    assert job.run() == 0
    assert job.result["loss_after"] < job.result["loss_before"]
    (started,) = job.events("started")
    assert started["dataset"]["learned"] == started["dataset"]["tokens"] - len(texts)


def test_ids_that_the_model_has_no_row_for_are_a_bad_config(make_job, tmp_path, models):
    import json

    from test_train import replace_model

    path = write(tmp_path / "t.parquet", {"input_ids": [[1, 2, 1535]]})
    job = make_job(rows=path)
    replace_model(job, lambda name: True)
    config = json.loads((job.path / "model/config.json").read_text())
    config["vocab_size"] = 1500
    (job.path / "model/config.json").write_text(json.dumps(config))
    assert job.run() == 2
    assert (
        job.result["message"]
        == "The model has 1500 token embeddings, fewer than its tokenizer has tokens."
    )
