"""What each code of a problem means and what to do, in words: the content of `docs/errors.md`."""

from collections.abc import Mapping
from typing import NamedTuple


class Words(NamedTuple):
    """What happened, and what whoever meets it does."""

    means: str
    do: str


_READ = "Read the object again and look at its `next`."
_ONCE = "Nothing: what was asked for is done already. Read the object."

WORDS: Mapping[str, Words] = {
    # who asks
    "no_token": Words("The request says nothing of who asks.", "Send `Authorization: Bearer TOKEN`."),
    "invalid_token": Words(
        "The token is not one of the issuer's, or not for this audience.",
        "Get a token of the issuer that the service is set up with.",
    ),
    "expired_token": Words("The token is past its `exp`.", "Get a new one."),
    "forbidden": Words(
        "The caller is known and may not do this in this role.",
        "Ask as somebody who may; with several roles, name the right one in `Holdfast-Role`.",
    ),
    "not_found": Words(
        "There is no such thing, or not for this caller.",
        "Check the id. Strangers to an object are told the same, whether it exists or not.",
    ),
    # how it was asked
    "no_such_route": Words("Nothing is offered at this path.", "Look the path up in `/openapi.json`."),
    "method_not_allowed": Words(
        "The path is there, and does not take this method.", "Use a method of the header `Allow`."
    ),
    "bad_request": Words("The request cannot be read as HTTP should be.", "Correct it; the detail says where."),
    "too_large": Words(
        "The body, or a message in it, is larger than the limit.", "Send less; the limit is in the detail."
    ),
    "invalid_content_type": Words(
        "The body is not of a type that is taken here.",
        "Send `application/json` (webhooks: CloudEvents in structured mode).",
    ),
    "invalid_json": Words("The body is not a JSON object.", "Correct the body. The same Idempotency-Key may be used."),
    "invalid_data": Words(
        "A field is missing, unknown, or not what the schema says.",
        "Correct the fields that the detail names. The same Idempotency-Key may be used.",
    ),
    "invalid_parameter": Words(
        "A parameter of path or query is not what the route declares.", "Correct it; the schema is in `/openapi.json`."
    ),
    "invalid_value": Words(
        "A value can neither be stored nor looked up: a NUL character, a number beyond 64 bits.", "Correct it."
    ),
    "invalid_limit": Words(
        "The limit of a list is out of its bounds.", "Send one within the bounds that the detail names."
    ),
    "invalid_cursor": Words(
        "`after` is not a `next` of a page before.", "Begin without it, and go on with what `next` says."
    ),
    "invalid_idempotency_key": Words(
        "The Idempotency-Key is empty or too long.", "Send 1 to 255 characters, new ones for each new request."
    ),
    "idempotency_key_reused": Words(
        "The key was used by this caller, on this path, for another body, whose answer is kept.",
        "Give the new request a key of its own, also when it corrects one that was refused.",
    ),
    "request_in_flight": Words(
        "The first request under this key is still being handled.",
        "Ask again under the same key after `Retry-After` seconds.",
    ),
    "invalid_if_match": Words(
        "`If-Match` is not one ETag of a read, or differs from `expected_version`.",
        "Send the ETag as it was read, quotes included.",
    ),
    "stale_version": Words(
        "The object changed since the caller read it: it has `version`, not the one that was expected.",
        "Read it again and decide anew.",
    ),
    "rate_limited": Words(
        "The caller asks too often of this replica.", "Come again after `Retry-After` seconds, and more slowly."
    ),
    "overloaded": Words(
        "Too many commands wait already. Nothing was begun.", "Come again after `Retry-After` seconds."
    ),
    "unavailable": Words(
        "No answer in time: the service starts, stops, or waits for its database. It may still happen.",
        "Repeat the same request under the same Idempotency-Key.",
    ),
    "key_parked": Words(
        "An earlier message of this object failed and waits for an operator; so does all that comes after it.",
        "Try again later under the same key; operators see `holdfast dlq list`.",
    ),
    "decision_failed": Words(
        "This command met a fault of ours. It had no effect.", "Report it; repeating helps only after it is mended."
    ),
    "internal_error": Words(
        "This request met a fault of ours.", "Report it; a command may be repeated under its Idempotency-Key."
    ),
    "unknown_command": Words(
        "The topic of commands has no command of this type.", "See docs/events.md for those that there are."
    ),
    "key_mismatch": Words(
        "The command by Kafka is about another object than its record key names.", "Key a message by what it is about."
    ),
    "wrong_topic": Words("The command belongs to another service.", "Send it to the topic that docs/events.md names."),
    # operators and dead letters
    "invalid_reason": Words(
        "A reason is missing or is not one that may be given.", "Give one; it is kept with who gave it."
    ),
    "invalid_seq": Words("A letter is named by its `seq`, a whole number.", "Send the `seq` of the list."),
    "not_first": Words("Letters of a key are taken in order, and this is not the first.", "Take the first one first."),
    # webhooks
    "webhooks_not_configured": Words("The service knows no sender's secret.", "Set `HOLDFAST_WEBHOOK_SECRETS`."),
    "webhook_unsigned": Words("The headers of Standard Webhooks are missing.", "Sign it."),
    "webhook_forged": Words(
        "No signature is that of a sender known here.", "Check the secret, and that the body is sent as it was signed."
    ),
    "webhook_out_of_time": Words(
        "The signature is too old, or from the future.", "Sign each try anew; check the clock."
    ),
    "webhook_id_reused": Words("Another body came under this `webhook-id`.", "Give each webhook an id of its own."),
    "webhook_sender_forbidden": Words(
        "The sender signed an event of somebody else's.", "Send only events of your own."
    ),
    "invalid_type": Words("The type is not an event that can come by webhook.", "See docs/events.md."),
    # orders
    "already_exists": Words("The id is in use.", "Read what it names, or choose a new id."),
    "invalid_order_id": Words("The order id is too long for the ids that are made of it.", "Choose a shorter one."),
    "invalid_parties": Words("Buyer and seller are the same.", "Name two persons."),
    "invalid_address": Words(
        "A shipping address lacks something or belongs elsewhere.", "Correct it as the detail says."
    ),
    "unknown_account": Words("The buyer has no account.", "Open one at identity first."),
    "no_active_deposit": Words(
        "The seller has no active deposit and takes no orders.", "The seller pays or completes the deposit."
    ),
    "duplicate_line": Words("A line is named twice.", "Name each line once."),
    "unknown_line": Words("There is no such line.", "Name lines that the object has."),
    "mixed_currencies": Words("The lines are priced in several currencies.", "Place one order for each."),
    "invalid_quote": Words(
        "The quote does not fit the order.", "Ask for one that does, or leave it out within one currency."
    ),
    "quote_expired": Words("The quote is no longer valid.", "Ask for a new one."),
    "no_rate": Words(
        "No rate between these currencies is known now.", "Try later, or pay in the currency of the price."
    ),
    "amount_too_large": Words("The order is worth more than can be counted.", "Split it."),
    "payment_pending": Words("A payment is under way.", "Wait for its answer before paying again."),
    "already_paid": Words("Nothing more is due.", _ONCE),
    "payment_deadline_passed": Words("The time to pay is over.", "Place a new order."),
    "too_many_attempts": Words("Too many payments were declined.", "Place a new order."),
    "not_stopped": Words("The payment is on its way back, or was returned.", _ONCE),
    "not_paid": Words("Escrow spoke of an order that was never paid.", "For operators: compare both services."),
    "funds_not_secured": Words("The buyer's money is not secured yet.", "Ship after `FundsSecured`."),
    "not_shipped": Words("Nothing was shipped that could be received.", "Confirm once the goods are here."),
    "already_shipped": Words("The parcel was handed over.", "After that only a dispute changes the order."),
    "already_confirmed": Words("The line is confirmed.", _ONCE),
    "line_closed": Words("The line is refunded, being refunded, or at rest.", _READ),
    "order_cancelled": Words("The order was cancelled.", "Place a new one."),
    "order_closed": Words("The money of the order is at rest, or on its way there.", _READ),
    # escrow
    "unknown_order": Words(
        "Escrow holds no money of this order.", "Check the id; an order comes here when it is paid."
    ),
    "unknown_operation": Words("No operation of this id waits for anything.", "Read the order's operations."),
    "operation_unanswered": Words("The operation was sent and is not answered.", "Wait for its answer, or record it."),
    "already_answered": Words("The operation has its answer, or was sent again.", _READ),
    "claim_needs_answer": Words("Only the deposits service answers a claim.", "Retry it instead."),
    "no_chargeback": Words("Only a failed refund, while a chargeback stands, is the bank's.", _READ),
    "not_with_operator": Words("Nothing of this waits for an operator.", "Look at the operators' queue."),
    "chargeback_open": Words("A chargeback stands against the order.", "Wait for its end."),
    "unexpected_result": Words(
        "A result came for what nobody asked.", "For operators: look the operation up at the provider."
    ),
    # deposits
    "already_open": Words("It is open already.", _ONCE),
    "nothing_due": Words("The deposit is paid in full.", _ONCE),
    "already_suspended": Words("The seller is suspended.", _ONCE),
    "not_suspended": Words("The deposit is active.", _ONCE),
    "money_missing": Words("Part of the deposit is missing.", "It must be paid first."),
    "amount_mismatch": Words(
        "The provider took another amount than was asked.", "For operators: correct it at the provider."
    ),
    # disputes
    "invalid_dispute_id": Words("The dispute id is too long for the ids that are made of it.", "Choose a shorter one."),
    "case_closed": Words("The case is over.", "Open a new one while the order is protected."),
    "already_ruled": Words("A mediator has ruled.", "The ruling stands."),
    "not_ruled": Words("No mediator has ruled yet.", "Wait for the ruling."),
    "incomplete_ruling": Words("A line of the case is not ruled.", "Rule every line."),
    "no_return_ruled": Words("The ruling asks for no return.", _READ),
    "no_replacement_ruled": Words("The ruling asks for no replacement.", _READ),
    "already_received": Words("The goods came back already.", _ONCE),
    "return_not_shipped": Words("The buyer has not sent the goods back yet.", "Wait for them."),
    "deadline_passed": Words("The time for this step is over.", _READ),
    # identity
    "already_submitted": Words("The appeal waits for a reviewer.", _ONCE),
    "already_decided": Words("The appeal is decided, once.", _READ),
    "appeal_id_taken": Words("The appeal id belongs to another order.", "Choose a new one."),
    "document_repeated": Words("One file was sent as two documents.", "Send each document once."),
    "document_in_future": Words("A document is dated after today.", "Correct its date."),
    "documents_missing": Words("The set of documents is not complete.", "Send it again with what the detail names."),
    "statement_too_old": Words(
        "The statement is older than is accepted.", "Send one of the day that the detail names, or later."
    ),
    # simulators
    "operation_differs": Words("The operation id was used for something else.", "Use a new one."),
    "invalid_provider_key": Words("The provider does not know this key.", "Send the key that it was set up with."),
    "day_not_closed": Words("The statement's day is not over (UTC).", "Ask on the day after."),
    "already_reversed": Words("The bank gave this amount back.", _ONCE),
    "already_delivered": Words("The parcel was delivered.", _ONCE),
    "already_over": Words("The parcel was lost, or went back to its sender.", "Nothing follows from it any more."),
    "other_parcel": Words("Another parcel is followed under this reference.", "Name that one."),
}
"""By code. Those of envelopes (`invalid_…` at webhooks) are in `holdfast.problems`."""
