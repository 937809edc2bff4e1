"""What the book refuses, by stable code, whether `Book` found it or a constraint of the database did."""

WHAT_TO_DO = {
    "insufficient_funds": "the account would pay more than it has; find the posting that should have funded it",
    "duplicate_transfer": "this movement is in the book already; make the id of a new one from other business keys",
    "duplicate_hold": "this hold is in the book already; make the id of a new one from other business keys",
    "unknown_hold": "no such hold was written; post or void holds under the id they were made with",
    "hold_resolved": "the hold was posted or voided before; that happens once, correct it by a new transfer",
    "over_post": "more was posted than the hold holds; post at most its amount",
    "non_positive_amount": "amounts are one minor unit or more; leave a posting of nothing out, turn a negative one",
    "same_account": "debit and credit are one account; leave the posting out",
    "currency_mismatch": "debit and credit differ in currency; convert by two transfers through the FX accounts",
    "unknown_correction": "the transfer to be corrected is not in the book; name one that is",
    "invalid_account": "an account is a known kind, an owner without '#', and a currency of three capital letters",
    "invalid_text": "an id, order, purpose or cause is empty or holds a control character; make it from business keys",
    "amount_too_large": "an amount or an account's total leaves the range of 64 bits",
    "append_only": "the book is never edited; write a new transfer that names the wrong one in `corrects`",
}

CODE_OF_CONSTRAINT = {
    "hold_pays_at_most_what_was_funded": "insufficient_funds",
    "account_never_negative": "insufficient_funds",
    "account_counters_never_negative": "over_post",
    "account_named_by_form": "invalid_account",
    "transfer_written_once": "duplicate_transfer",
    "transfer_amount_positive": "non_positive_amount",
    "transfer_between_two_accounts": "same_account",
    "transfer_of_one_currency": "currency_mismatch",
    "transfer_corrects_a_known_one": "unknown_correction",
    "hold_written_once": "duplicate_hold",
    "hold_amount_positive": "non_positive_amount",
    "hold_between_two_accounts": "same_account",
    "hold_of_one_currency": "currency_mismatch",
    "hold_resolved_once": "hold_resolved",
    "resolution_of_a_known_hold": "unknown_hold",
    "resolution_amount_positive": "non_positive_amount",
    "resolution_within_the_hold": "over_post",
    "accounts_stay": "append_only",
    "transfers_are_immutable": "append_only",
    "holds_are_immutable": "append_only",
    "resolutions_are_immutable": "append_only",
}
"""Constraints and triggers of the migrations, each with the code that `Book` has for the same offence."""


class LedgerError(Exception):
    """A posting that the book refuses; nothing of its batch was written. `code` is a key of `WHAT_TO_DO`."""

    def __init__(self, code: str, subject: str) -> None:
        super().__init__(f"{code}: {subject}: {WHAT_TO_DO[code]}")
        self.code = code
        self.subject = subject
