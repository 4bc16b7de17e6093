"""Rows in arrays."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from anneal_trainer.data.example import Answer, Example, Examples

TOKENS = st.lists(st.tuples(st.integers(0, 2**31 - 1), st.booleans()), min_size=1, max_size=5)
ANSWERS = TOKENS.map(
    lambda tokens: Answer([id_ for id_, _ in tokens], [count for _, count in tokens])
)
LINES = st.integers(1, 2**40)
PLAIN = st.builds(
    lambda line, answer, prompt: Example(line, answer.ids, answer.counts, prompt, -1, ""),
    *(LINES, ANSWERS, st.integers(0, 9)),
)
PAIRS = st.builds(
    lambda row, rejected, *references: replace(row, rejected=rejected, references=references),
    *(PLAIN, ANSWERS, st.floats(allow_nan=False), st.floats(allow_nan=False)),
)
UNPAIRED = st.builds(lambda row, label: replace(row, desirable=label), PLAIN, st.booleans())
LABELLED = st.builds(
    lambda row, label, text: replace(row, counts=[], label=label, text=text),
    *(PLAIN, st.integers(0, 9), st.text()),
)


ROWS = (PLAIN, PAIRS, UNPAIRED, LABELLED)


@given(st.one_of(*(st.lists(rows, min_size=1, max_size=9) for rows in ROWS)))
def test_rows_are_what_was_added_however_they_are_asked_for(rows):
    examples = Examples(rows)
    assert list(examples) == rows
    assert examples[1:] == rows[1:]
    assert examples[-1] == rows[-1]
    assert list(examples.sizes) == [row.size for row in rows]
    answers = [answer for row in rows for answer in (row, row.rejected) if answer]
    assert examples.largest_id == max(id_ for answer in answers for id_ in answer.ids)
    learned = [sum(answer.counts[1:]) if answer.counts else 1 for answer in answers]
    assert examples.learned == sum(learned)
    references = [(float(number), -1.0) for number in range(len(rows))]
    changed = examples.with_references(references)
    assert [row.references for row in changed] == references
    assert list(examples) == rows
