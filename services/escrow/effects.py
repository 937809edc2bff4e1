"""What an action of the table returns, and how a function becomes one."""

from collections.abc import Callable, Sequence

from msgspec import Struct

from contracts.message import Message
from escrow.process import Act, words
from escrow.state import Escrow
from ledger.postings import Posting


class Effects(Struct, frozen=True, gc=False):
    """The order after the action, and what it publishes and books, in this order."""

    order: Escrow
    messages: Sequence[Message] = ()
    postings: Sequence[Posting] = ()


def act(run: Callable[..., Effects]) -> Act:
    """A function `(order, group, message, now) -> Effects` as an action; its docstring's first line are its words."""
    return Act(run, words(run))
