"""Rows for a causal language model: JSONL in, checked rows out; problems are reported as file:line.

The rules are the same as those of the client's dataset checker, and both are tested on the same
files (tests/examples), because the number of rows determines the price of a task.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anneal_trainer.data.lines import Place, json_lines, not_empty, text_field

ROLES = ("system", "user", "assistant")

# The keys of each format of a row: required ones, then optional ones.
FORMATS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "messages": (frozenset({"messages"}), frozenset()),
    "prompt and completion": (frozenset({"prompt", "completion"}), frozenset()),
    "text": (frozenset({"text"}), frozenset()),
    "instruction and output": (frozenset({"instruction", "output"}), frozenset({"input"})),
    "prompt, chosen and rejected": (frozenset({"prompt", "chosen", "rejected"}), frozenset()),
    "input, preferred_output and non_preferred_output": (
        frozenset({"input", "preferred_output", "non_preferred_output"}),
        frozenset(),
    ),
}
FORMAT_HINT = (
    "Give every row exactly the keys of one format: messages; prompt and completion; text; "
    "instruction, output and optionally input; prompt, chosen and rejected; input, "
    "preferred_output and non_preferred_output."
)
MESSAGES_HINT = 'Write messages as [{"role": "user", "content": "…"}, …].'


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
        format_ = _find_format(place, record)
        expected = expected or format_
        if format_ != expected:
            raise place.error(
                f"the row has {format_}, the rows before have {expected}", FORMAT_HINT
            )
        yield _row(place, record)


def _find_format(place: Place, record: dict[str, Any]) -> str:
    keys = record.keys()
    for name, (required, optional) in FORMATS.items():
        if required <= keys <= required | optional:
            return name
    found = ", ".join(sorted(keys)) or "none"
    raise place.error(f"the row's keys fit no format (found: {found})", FORMAT_HINT)


def _row(place: Place, record: dict[str, Any]) -> CausalRow:
    if "messages" in record:
        return ChatRow(place.line, _messages(place, record, "messages", answered=True))
    if "text" in record:
        return TextRow(place.line, text_field(place, record, "text"))
    if "chosen" in record:
        return _pair(place, record, "prompt", "chosen", "rejected")
    if "preferred_output" in record:
        return _pair(
            place, _opened(place, record), "input", "preferred_output", "non_preferred_output"
        )
    if "prompt" in record:
        prompt = text_field(place, record, "prompt")
        return PromptRow(place.line, prompt, text_field(place, record, "completion"))
    prompt = text_field(place, record, "instruction")
    extra = text_field(place, record, "input", empty=True) if "input" in record else ""
    prompt += ("\n" + extra if extra else "") + "\n"
    return PromptRow(place.line, prompt, text_field(place, record, "output"))


def _opened(place: Place, record: dict[str, Any]) -> dict[str, Any]:
    """Move the messages of `input` to where the other format of pairs has them."""
    value = record["input"]
    if not isinstance(value, dict) or value.keys() != {"messages"}:
        raise place.error(
            "input is not an object with only messages", 'Write input as {"messages": […]}.'
        )
    for key in ("preferred_output", "non_preferred_output"):
        if not isinstance(record[key], list):
            raise place.error(f"{key} is not a list of messages", MESSAGES_HINT)
    return {**record, "input": value["messages"]}


def _pair(place: Place, record: dict[str, Any], prompt: str, better: str, worse: str) -> PairRow:
    """Build a pair from three texts, or from three lists of messages."""
    answers: list[AnswerRow]
    if isinstance(record[prompt], str):
        asked = text_field(place, record, prompt)
        answers = [
            PromptRow(place.line, asked, text_field(place, record, key)) for key in (better, worse)
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
        raise place.error(
            f"{better} and {worse} are the same", "Give two different answers or remove the row."
        )
    return PairRow(place.line, *answers)


def _messages(
    place: Place, record: dict[str, Any], key: str, *, answered: bool
) -> tuple[dict[str, str], ...]:
    """Return checked messages; with `answered` at least one must be the assistant's."""
    value = record[key]
    if not isinstance(value, list) or not value:
        raise place.error(f"{key} is not a list with at least one message", MESSAGES_HINT)
    for message in value:
        if not isinstance(message, dict) or message.keys() != {"role", "content"}:
            raise place.error("a message is not an object with role and content", MESSAGES_HINT)
        if message["role"] not in ROLES:
            raise place.error(
                f"a message has the role {message['role']!r}", f"Use {', '.join(ROLES)}."
            )
        text_field(place, message, "content")
    if answered and all(message["role"] != "assistant" for message in value):
        raise place.error(
            f"no message of {key} is the assistant's", "Give at least one message to learn from."
        )
    return tuple(value)
