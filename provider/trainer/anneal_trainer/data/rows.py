"""Rows for a causal language model: JSONL in, checked rows out; problems are reported as file:line.

The rules are the same as those of the client's dataset checker, and both are tested on the same
files (tests/examples), because the number of rows determines the price of a task.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from anneal_trainer.data.lines import Place, json_lines, not_empty, text_field
from anneal_trainer.data.messages import (
    Message,
    check_answers,
    check_call_ids,
    read_conversation_field,
    read_messages,
    read_tools,
)
from anneal_trainer.data.rules import quote

Formats = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""The keys of each format of a row: required ones, then optional ones."""

FORMATS: Formats = {
    "messages": (("messages",), ("tools", "functions", "parallel_tool_calls")),
    "prompt": (("prompt", "completion"), ("tools",)),
    "unpaired": (("prompt", "completion", "label"), ("tools",)),
    "text": (("text",), ()),
    "instruction": (("instruction", "output"), ("input",)),
    "preference": (("chosen", "rejected"), ("prompt", "tools")),
    "preferred_output": (("input", "preferred_output", "non_preferred_output"), ()),
}


@dataclass(frozen=True)
class TextRow:
    """Plain text, trained on as a whole."""

    line: int
    """First line of the row in its file, from 1."""
    text: str
    """The text, not empty."""


@dataclass(frozen=True)
class PromptRow:
    """A prompt and the expected answer."""

    line: int
    """First line of the row in its file, from 1."""
    prompt: str
    """The prompt, not empty."""
    completion: str
    """The expected answer, not empty."""


@dataclass(frozen=True)
class ChatRow:
    """A conversation."""

    line: int
    """First line of the row in its file, from 1."""
    messages: tuple[Message, ...]
    """Messages, at least one of them the assistant's with a weight."""
    tools: list[dict[str, Any]] | None = None
    """The functions that the assistant may call, as {"type": "function", "function": {…}}."""
    given: int = 0
    """Number of messages at the start that are never learned, whatever their role."""

    @property
    def weighted(self) -> bool:
        """Whether the row says itself which answers are learned."""
        return any(message.weight == 0 for message in self.messages)


AnswerRow = PromptRow | ChatRow


@dataclass(frozen=True)
class PairRow:
    """A prompt with a better and a worse answer."""

    line: int
    """First line of the row in its file, from 1."""
    chosen: AnswerRow
    """The prompt with the better answer."""
    rejected: AnswerRow
    """The same prompt with the worse one."""


@dataclass(frozen=True)
class UnpairedRow:
    """A prompt with an answer that is desirable, or not."""

    line: int
    """First line of the row in its file, from 1."""
    answer: AnswerRow
    """The prompt with the answer."""
    desirable: bool
    """Whether the answer is to become more likely."""


CausalRow = TextRow | PromptRow | ChatRow | PairRow | UnpairedRow


def read_causal_rows(path: Path) -> Iterator[CausalRow]:
    """Read a JSONL file in one of the FORMATS. Raises DataError at the first problem."""
    return not_empty(path, _causal_rows(path))


def _causal_rows(path: Path) -> Iterator[CausalRow]:
    expected: str | None = None
    for place, record in json_lines(path):
        format_ = find_format(place, record, FORMATS)
        expected = expected or format_
        if format_ != expected:
            raise place.error(
                "mixed-formats",
                f"The row has the format {format_}, but the first row has {expected}.",
            )
        yield _row(place, record)


def find_format(place: Place, record: dict[str, Any], formats: Formats) -> str:
    """Return the format whose keys a row has; the error is about the closest one."""

    def present(name: str) -> tuple[float, int]:
        required, optional = formats[name]
        share = sum(key in record for key in required) / len(required)
        return share, sum(key in record for key in (*required, *optional))

    nearest = max(formats, key=present)
    if not present(nearest)[0]:
        found = ", ".join(quote(key) for key in sorted(record)) or "none"
        raise place.error("unknown-format", f"The keys of the row fit no format (found: {found}).")
    required, optional = formats[nearest]
    missing = next((key for key in required if key not in record), None)
    if missing is not None:
        given = ", ".join(key for key in required if key in record)
        rule = "missing-label" if missing == "label" else "missing-field"
        raise place.error(rule, f"The row has {given} but no {missing}.")
    for key in record:
        if key not in (*required, *optional):
            raise place.error(
                "unknown-field",
                f"The row has the key {quote(key)}, which is not part of its format.",
            )
    return nearest


def _row(place: Place, record: dict[str, Any]) -> CausalRow:
    if "messages" in record:
        return _messages_row(place, record)
    if "text" in record:
        return TextRow(place.line, text_field(place, record, "text"))
    if "chosen" in record:
        return _pair(place, record, "chosen", "rejected")
    if "preferred_output" in record:
        opened = _opened(place, record)
        return _pair(place, opened, "preferred_output", "non_preferred_output", "input.")
    if "label" in record:
        return _unpaired_row(place, record)
    if "prompt" in record:
        return _prompt_row(place, record)
    prompt = text_field(place, record, "instruction")
    extra = text_field(place, record, "input", None) if "input" in record else ""
    prompt += ("\n" + extra if extra else "") + "\n"
    return PromptRow(place.line, prompt, text_field(place, record, "output", "empty-answer"))


def _messages_row(place: Place, record: dict[str, Any]) -> ChatRow:
    messages = read_conversation_field(place, record, "messages")
    tools = read_tools(place, record)
    if not isinstance(record.get("parallel_tool_calls", False), bool | None):
        raise place.error("bad-tools", "parallel_tool_calls is not true or false.")
    check_call_ids(place, messages, "messages")
    return ChatRow(place.line, tuple(messages), tools)


def _prompt_row(place: Place, record: dict[str, Any]) -> AnswerRow:
    """Build a row from two texts, or from two lists of messages."""
    tools = read_tools(place, record)
    if isinstance(record["prompt"], list):
        prompt = read_messages(place, record["prompt"], "prompt")
        messages = prompt + read_conversation_field(place, record, "completion")
        check_call_ids(place, messages, "completion")
        return ChatRow(place.line, tuple(messages), tools, len(prompt))
    if tools:
        raise place.error("bad-tools", "tools are only used with messages.")
    return PromptRow(
        place.line,
        text_field(place, record, "prompt"),
        text_field(place, record, "completion", "empty-answer"),
    )


def _unpaired_row(place: Place, record: dict[str, Any]) -> UnpairedRow:
    """Build a row from a prompt, an answer, and whether the answer is desirable."""
    answer = _prompt_row(place, record)
    if not isinstance(record["label"], bool):
        rule = "missing-label" if record["label"] is None else "bad-label"
        raise place.error(rule, "label is neither true nor false.")
    return UnpairedRow(place.line, answer, record["label"])


def _opened(place: Place, record: dict[str, Any]) -> dict[str, Any]:
    """Add the keys of `input` to those of the row, its messages as the prompt."""
    value = record["input"]
    known = {"messages", "tools", "functions", "parallel_tool_calls"}
    if not isinstance(value, dict) or "messages" not in value or not value.keys() <= known:
        raise place.error("bad-messages", 'input is not an object of the form {"messages": […]}.')
    return {**record, **value, "prompt": value["messages"]}


def _pair(
    place: Place, record: dict[str, Any], better: str, worse: str, prefix: str = ""
) -> PairRow:
    """Build a pair from three texts, or from three lists of messages."""
    answers: list[AnswerRow]
    if not prefix and isinstance(record.get("prompt"), str):
        asked = text_field(place, record, "prompt")
        answers = [
            PromptRow(place.line, asked, text_field(place, record, key, "empty-answer"))
            for key in (better, worse)
        ]
        read_tools(place, record, prefix)
    else:
        if "prompt" in record:
            name = f"{prefix}messages" if prefix else "prompt"
            opening = read_messages(place, record["prompt"], name)
            found = [read_conversation_field(place, record, key) for key in (better, worse)]
        else:
            opening, found = _shared_prompt(place, record, better, worse)
        tools = read_tools(place, record, prefix)
        for key, answer in zip((better, worse), found, strict=True):
            check_call_ids(place, [*opening, *answer], key)
        answers = [
            ChatRow(place.line, (*opening, *answer), tools, len(opening)) for answer in found
        ]
    if answers[0] == answers[1]:
        raise place.error("same-answers", f"{better} and {worse} are the same.")
    return PairRow(place.line, *answers)


def _shared_prompt(
    place: Place, record: dict[str, Any], better: str, worse: str
) -> tuple[list[Message], list[list[Message]]]:
    """Split two whole conversations into the messages that both begin with, and the answers."""
    one, other = (read_messages(place, record[key], key) for key in (better, worse))
    pairs = zip(one[:-1], other[:-1], strict=False)
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    if not shared:
        message = f"The row has no prompt, and {better} and {worse} begin with different messages."
        raise place.error("missing-field", message)
    answers = [one[shared:], other[shared:]]
    for key, answer in zip((better, worse), answers, strict=True):
        check_answers(place, answer, key)
    return one[:shared], answers
