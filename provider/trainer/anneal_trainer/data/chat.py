"""The assistant's turns in a rendered conversation: the part that counts in the loss.

A chat template may trim, rewrite or drop its input, and models differ in how it does so. So
nothing is guessed from the text: a turn is what the template appends when the turn is added,
checked against the whole conversation. A turn that cannot be located in this way is not learned.
The client's dataset checker follows the same rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anneal_trainer.data.encode import TextEncoder, Tokens
from anneal_trainer.data.rows import ChatRow

Message = dict[str, str]

PROBES = ("A", "B")
"""Two answers without a common prefix: any answer differs from one of them at its start."""


@dataclass(frozen=True)
class Conversation:
    """A rendered conversation and the turns in it that can be learned."""

    tokens: Tokens
    """Its tokens, with their positions in the rendered text."""
    turns: list[tuple[int, int]]
    """Character ranges of the assistant's turns with their end markers, in order; not empty."""
    hidden: int
    """Turns of the assistant that cannot be located, because the template rewrites them."""
    altered: bool
    """Whether the template changes or leaves out part of the assistant's messages in `turns`."""

    @property
    def counts(self) -> list[bool]:
        """Whether each token belongs to the assistant.

        A token that begins before a turn and reaches into it counts: the model has to predict it.
        """
        return [
            any(begin < end and start < until for begin, until in self.turns)
            for start, end in self.tokens.spans
        ]

    @property
    def prompt_length(self) -> int:
        """Tokens before the first of `turns`."""
        return sum(end <= self.turns[0][0] for _, end in self.tokens.spans)


def read_conversation(encoder: TextEncoder, row: ChatRow) -> Conversation:
    """Render a conversation and find the assistant's turns in it.

    Raises ValueError if the template refuses the messages, or rewrites them so that not even the
    assistant's last turn can be located.
    """
    rendered = encoder.render(row.messages)
    speaking = [
        number
        for number, message in enumerate(row.messages)
        if message["role"] == "assistant" and number >= row.given
    ]
    found = {number: _locate(encoder, row.messages, number, rendered) for number in speaking}
    turns = {number: turn for number, turn in found.items() if turn is not None}
    if speaking[-1] not in turns:
        raise ValueError(
            f"it rewrites earlier turns, so the assistant's message {speaking[-1] + 1} "
            "cannot be located"
        )
    altered = any(
        row.messages[number]["content"].strip() not in rendered[begin:until]
        for number, (begin, until) in turns.items()
    )
    hidden = len(speaking) - len(turns)
    return Conversation(encoder.encode(rendered), list(turns.values()), hidden, altered)


def _locate(
    encoder: TextEncoder, messages: Sequence[Message], number: int, rendered: str
) -> tuple[int, int] | None:
    """Find the character range of one turn, None if the text cannot be split there.

    The text before the turn and the text up to its end must both be prefixes of the whole. The
    turn begins where it differs from a generation prompt. If the generation prompt has more text
    than the turn opens with, as with reasoning models, the turn begins at the answer at the latest.
    """
    before = encoder.render(messages[:number]) if number else ""
    until = encoder.render(messages[: number + 1])
    others = [
        encoder.render([*messages[:number], {"role": "assistant", "content": probe}])
        for probe in PROBES
    ]
    if number:
        others.append(encoder.render(messages[:number], ask=True))
    if not rendered.startswith(until) or not all(
        text.startswith(before) for text in (until, *others)
    ):
        return None
    turn = until[len(before) :]
    begin = min(_departure(other[len(before) :], turn) for other in others)
    return len(before) + begin, len(until)


def _departure(first: str, second: str) -> int:
    """Return the index of the first character in which two texts differ."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(second)))
