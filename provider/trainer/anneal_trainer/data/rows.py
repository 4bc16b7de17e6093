"""Rows for a causal language model: JSONL in, checked rows out; problems are reported as file:line.

The rules are the same as those of the client's dataset checker, and both are tested on the same
files (tests/examples), because the number of rows determines the price of a task.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anneal_trainer.data.lines import Place, json_lines, not_empty, text_field
from anneal_trainer.data.rules import quote

ROLES = ("system", "user", "assistant")

Formats = dict[str, tuple[tuple[str, ...], tuple[str, ...]]]
"""The keys of each format of a row: required ones, then optional ones."""

FORMATS: Formats = {
    "messages": (("messages",), ()),
    "prompt": (("prompt", "completion"), ()),
    "text": (("text",), ()),
    "instruction": (("instruction", "output"), ("input",)),
    "preference": (("prompt", "chosen", "rejected"), ()),
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
    messages: tuple[dict[str, str], ...]
    """Turns as {"role", "content"}, at least one of them the assistant's."""
    given: int = 0
    """Number of turns at the start that are never learned, whatever their role."""


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


CausalRow = TextRow | PromptRow | ChatRow | PairRow


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

    def present(name: str) -> float:
        required, _ = formats[name]
        return sum(key in record for key in required) / len(required)

    nearest = max(formats, key=present)
    if not present(nearest):
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
        return ChatRow(place.line, _messages(place, record, "messages", answered=True))
    if "text" in record:
        return TextRow(place.line, text_field(place, record, "text"))
    if "chosen" in record:
        return _pair(place, record, "prompt", "chosen", "rejected")
    if "preferred_output" in record:
        return _pair(
            place,
            _opened(place, record),
            "input.messages",
            "preferred_output",
            "non_preferred_output",
        )
    if "prompt" in record:
        prompt = text_field(place, record, "prompt")
        return PromptRow(
            place.line, prompt, text_field(place, record, "completion", "empty-answer")
        )
    prompt = text_field(place, record, "instruction")
    extra = text_field(place, record, "input", None) if "input" in record else ""
    prompt += ("\n" + extra if extra else "") + "\n"
    return PromptRow(place.line, prompt, text_field(place, record, "output", "empty-answer"))


def _opened(place: Place, record: dict[str, Any]) -> dict[str, Any]:
    """Add the messages of `input` under a key, as in the other format of pairs."""
    value = record["input"]
    if not isinstance(value, dict) or value.keys() != {"messages"}:
        raise place.error("bad-messages", 'input is not an object of the form {"messages": […]}.')
    return {**record, "input.messages": value["messages"]}


def _pair(place: Place, record: dict[str, Any], prompt: str, better: str, worse: str) -> PairRow:
    """Build a pair from three texts, or from three lists of messages."""
    answers: list[AnswerRow]
    if prompt == "prompt" and isinstance(record[prompt], str):
        asked = text_field(place, record, prompt)
        answers = [
            PromptRow(place.line, asked, text_field(place, record, key, "empty-answer"))
            for key in (better, worse)
        ]
    else:
        opening = _messages(place, record, prompt, answered=False)
        answers = [
            ChatRow(
                place.line, opening + _messages(place, record, key, answered=True), len(opening)
            )
            for key in (better, worse)
        ]
    if answers[0] == answers[1]:
        raise place.error("same-answers", f"{better} and {worse} are the same.")
    return PairRow(place.line, *answers)


def _messages(
    place: Place, record: dict[str, Any], key: str, *, answered: bool
) -> tuple[dict[str, str], ...]:
    """Return checked messages; with `answered` at least one must be the assistant's."""
    value = record[key]
    if not isinstance(value, list) or not value:
        raise place.error("bad-messages", f"{key} is not a list with at least one message.")
    for number, message in enumerate(value):
        name = f"{key}[{number}]"
        if not isinstance(message, dict) or message.keys() != {"role", "content"}:
            raise place.error("bad-message", f"{name} is not an object with only role and content.")
        if message["role"] not in ROLES:
            raise place.error("unknown-role", f"{name} has the role {quote(message['role'])}.")
        text_field(place, message, "content", name=f"{name}.content")
    if answered and all(message["role"] != "assistant" for message in value):
        raise place.error("no-assistant", f"{key} has no message from the assistant.")
    return tuple(value)
