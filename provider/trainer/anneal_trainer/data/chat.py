"""Where the assistant speaks in a rendered conversation: what of it counts in the loss.

A chat template may trim, rewrite or drop what it is given, and how it does so differs from model
to model. So nothing is guessed from the text: a turn is what the template adds when the turn is
added, checked against the conversation as a whole, and a turn that cannot be told apart in this
way is not learned. The client's dataset checker follows the same rules.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from anneal_trainer.data.encode import TextEncoder, Tokens
from anneal_trainer.data.rows import ChatRow

Message = dict[str, str]

PROBES = ("A", "B")
"""Two answers without a common beginning: one of them differs from any other at its start."""


@dataclass(frozen=True)
class Conversation:
    """A rendered conversation and the turns in it that can be learned."""

    tokens: Tokens
    """Its tokens, with their places in the rendered text."""
    turns: list[tuple[int, int]]
    """Character ranges of the assistant's turns with their end markers, in order; not empty."""
    hidden: int
    """Turns of the assistant that cannot be told apart, because the template rewrites them."""
    altered: bool
    """Whether the template changes or leaves out part of what the assistant says in `turns`."""

    @property
    def counts(self) -> list[bool]:
        """For each token whether it is the assistant's.

        A token that begins before a turn and reaches into it is what the model has to say first.
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

    Raises ValueError when the template refuses the messages, or rewrites them so that not even
    the assistant's last turn can be told apart.
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
            "cannot be told apart"
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
    """Find the character range of one turn, None where the text cannot be cut there.

    The text up to the turn and the text up to its end must both be beginnings of the whole. The
    turn begins where it departs from a request to speak; where that request holds more than the
    turn opens with, as with reasoning models, it begins no later than the answer itself.
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
    """Return the place of the first character in which two texts differ."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (a, b) in pairs if a != b), min(len(first), len(second)))
