# fmt: off
# ruff: noqa: I001 — imports are folded, so that the table is near the top
"""The life of a paid order's money, as one table.

Every line of an order is a tranche that walks this table by itself (E14): state × message → where to, what is done on
the way, how long it may wait there (`within`), who is reminded before (`remind`). What is not done is said as well:
ignored because it comes late or twice, postponed until the line has moved, or refused. `escrow.process` checks the
table when it is imported; `docs/saga.md` is drawn from it. `policy` has the numbers, `escrow.money` the postings.
"""

from contracts.deposits import DepositClaimed
from contracts.disputes import (DisputeOpened, DisputeResolved, DisputeWithdrawn, ReplacementShipped, ReturnReceived,
                                ReturnShipped, Verdict)
from contracts.escrow import Outcome, RecordOperationResult, RetryOperation, Why
from contracts.identity import AppealRejected, AppealVerified, OrderCleared, OrderStopped
from contracts.orders import (Fault, LatePaymentReceived, OrderCancelled, OrderDelivered, OrderPaid, OrderShipped,
                              OrderUndelivered, ReceiptConfirmed)
from contracts.payments import (ChargebackReceived, ChargebackReversed, OperationNotFound, PayoutFailed,
                                PayoutSucceeded, RefundFailed, RefundSucceeded)
from runtime.decision import TimeUp
from escrow import policy
from escrow.actions import (claim, cover_chargeback, end_case, give_up_hold, hold_funds, record_replacement,
                            record_return, record_shipment, record_why, refund, refund_cancelled, refund_recovered,
                            release, restore, split, suspend, undo_release)
from escrow.announcements import (announce_chargeback, announce_funds_held, announce_funds_secured, announce_review,
                                  ask_for_screening, ask_if_paid_already, ask_operator, close_case, decline, lapse,
                                  open_case, remember_stop, remind_buyer, remind_seller, rest)
from escrow.operations import (ask_what_became, claim_again, fresh_tries, pay_out, repeat_operation, send_again,
                               send_refund)
from escrow.policy import Undelivered
from escrow.process import (Act, Ask, Move, Process, ReminderDue, back, either, go, ignore, later, no, on, postpone,
                            refuse, skip, stay)
from escrow.questions import (Claimable, Ending, Errand, Fate, Overdue, Whereabouts, all_paid, claimable,
                              confirmed_despite_case, ending, errand, fate, its_parcel, no_delivery, overdue,
                              payout_bounced, queries_left, refunded_unshipped, return_under_way, tries_left, verdict,
                              was_stopped, whereabouts, whole_line)
from escrow.state import RESTING, State

(START, SCREENING, UNDER_REVIEW, FUNDED, SHIPPED, INSPECTION, DISPUTED, RETURNING, REPLACING, RELEASING, REFUNDING,
 SETTLING, AFTER_RELEASE, RECOVERING, CHARGEBACK, WITH_OPERATOR, RELEASED, REFUNDED, SETTLED, CHARGED_BACK) = State

KNOWN      = tuple(State)[1:]
BEFORE     = (SCREENING, UNDER_REVIEW)
SECURED    = (FUNDED, SHIPPED, INSPECTION)
RULED      = (RETURNING, REPLACING)
MOVING_OUT = (RELEASING, REFUNDING, SETTLING)
DECIDED    = (*MOVING_OUT, AFTER_RELEASE, RECOVERING, WITH_OPERATOR, *RESTING)

SCREENED    = (OrderCleared, OrderStopped, AppealVerified, AppealRejected)
CASE        = (DisputeWithdrawn, DisputeResolved, ReturnShipped, ReturnReceived, ReplacementShipped)
RESULTS     = (PayoutSucceeded, PayoutFailed, RefundSucceeded, RefundFailed, OperationNotFound)
BY_OPERATOR = (RetryOperation, RecordOperationResult)

HELD, OWED, PAID = Whereabouts.HELD, Whereabouts.OWED, Whereabouts.PAID
BUYER, SELLER, NOBODY = Fault.BUYER, Fault.SELLER, Fault.NOBODY


# Steps that several rows take.

def refunding(why: Why, fault: Fault, *first: Act) -> Move[State]:
    return go(REFUNDING, do=[*first, refund(why, fault), send_refund], within=policy.answer)

def releasing(why: Why, *first: Act) -> Move[State]:
    return go(RELEASING, do=[*first, release(why), pay_out], within=policy.answer)

def resting(state: State) -> Move[State]:
    return go(state, do=[rest(Outcome(state.value))])

def bank_keeps_it(*first: Act) -> Move[State]:
    return go(CHARGED_BACK, do=[*first, close_case("charged_back"), record_why(Why.CHARGEBACK),
                                rest(Outcome.CHARGED_BACK)])

def to_buyer(why: Why, fault: Fault, *first: Act) -> Ask:
    """From wherever the money is: the hold, the seller's balance, then deposit and fund (P8)."""
    return either(whereabouts, {
        HELD: refunding(why, fault, *first),
        OWED: refunding(why, fault, *first, undo_release),
        PAID: go(RECOVERING, do=[*first, claim(why, fault)], within=policy.answer)})

def to_seller(why: Why) -> Ask:
    """Who may be owed it, or have it already."""
    return either(whereabouts, {
        HELD: releasing(why),
        OWED: go(RELEASING, do=[record_why(why), send_again], within=policy.answer),
        PAID: go(RELEASED, do=[record_why(why), rest(Outcome.RELEASED)])})

SECURE  = go(FUNDED, do=[announce_funds_secured], within=policy.ship_by, remind=policy.ship_reminder)
INSPECT = go(INSPECTION, within=policy.inspection, remind=policy.confirm_reminder)
STOP    = go(UNDER_REVIEW, do=[remember_stop, announce_review], within=policy.review)

CASE_AFTER_RELEASE = either(claimable, {
    Claimable.OPEN:         go(AFTER_RELEASE, do=[open_case], within=policy.dispute),
    Claimable.OVER:         stay(do=[decline("window_over")]),
    Claimable.RULED:        stay(do=[decline("already_ruled")]),
    Claimable.CHARGED_BACK: stay(do=[decline("charged_back")])})


ESCROW = Process(START, resting=RESTING, by_hand=(WITH_OPERATOR,), rows=[

    # The payment comes in, and identity looks at the order.
    on(OrderPaid,           START,     to=SCREENING, do=[hold_funds, announce_funds_held, ask_for_screening],
                                       within=policy.screening),
    on(LatePaymentReceived, START,     then=refunding(Why.LATE_PAYMENT, NOBODY, hold_funds)),
    on(OrderCleared,        SCREENING, then=SECURE),
    on(OrderStopped,        SCREENING, then=STOP),
    on(TimeUp,              SCREENING, to=UNDER_REVIEW, do=[announce_review], within=policy.review),
    on(OrderCleared,        UNDER_REVIEW, then=either(was_stopped, {
        False: SECURE,
        True:  skip("a stopped order goes on by an appeal only")})),
    on(OrderStopped,        UNDER_REVIEW, then=either(was_stopped, {
        False: STOP,
        True:  skip("it is stopped already")})),
    on(AppealVerified,      *BEFORE,      then=SECURE),
    on(AppealRejected,      *BEFORE,      then=refunding(Why.REVIEW_REJECTED, BUYER)),
    on(TimeUp,              UNDER_REVIEW, then=refunding(Why.REVIEW_EXPIRED, NOBODY)),
    ignore(SCREENED, *SECURED, DISPUTED, *RULED, *DECIDED, because="screening is over for this order"),
    on((OrderPaid, LatePaymentReceived), *KNOWN, do=[ask_operator("second_payment")]),

    # The seller ships, the carrier delivers, the buyer inspects; who is silent has decided.
    on(OrderShipped,        FUNDED,              to=SHIPPED, do=[record_shipment], within=policy.delivery),
    on(OrderDelivered,      FUNDED,              then=INSPECT),
    on(OrderDelivered,      SHIPPED,             then=either(its_parcel, {
        True:  INSPECT,
        False: skip("another parcel, replaced by this one or replacing it")})),
    on(OrderUndelivered,    FUNDED, SHIPPED,     then=either(fate, {
        Fate.BACK:    refunding(Why.NOT_DELIVERED, NOBODY),
        Fate.LOST:    skip("a lost parcel may turn up until the delivery deadline"),
        Fate.ANOTHER: skip("another parcel, replaced by this one")})),
    on(OrderUndelivered,    INSPECTION,          then=either(its_parcel, {
        True:  refunding(Why.NOT_DELIVERED, NOBODY),
        False: skip("another parcel, replaced by this one")})),
    on(ReceiptConfirmed,    SHIPPED, INSPECTION, then=releasing(Why.CONFIRMED)),
    on(OrderCancelled,      *BEFORE, FUNDED,     to=REFUNDING, do=[refund_cancelled, send_refund],
                                                 within=policy.answer),
    on(ReminderDue,         FUNDED,              do=[remind_seller]),
    on(TimeUp,              FUNDED,              then=refunding(Why.NOT_SHIPPED, SELLER)),
    on(TimeUp,              SHIPPED,             then=either(no_delivery, {
        Undelivered.LOST:    refunding(Why.NOT_DELIVERED, NOBODY),
        Undelivered.UNKNOWN: INSPECT})),
    on(ReminderDue,         INSPECTION,          do=[remind_buyer]),
    on(TimeUp,              INSPECTION,          then=releasing(Why.BUYER_SILENT)),
    on(OrderShipped,        REFUNDING, REFUNDED, then=either(refunded_unshipped, {
        True:  stay(do=[ask_operator("shipped_after_refund")]),
        False: skip("it was refunded for another reason")})),
    refuse((OrderShipped, OrderDelivered, OrderUndelivered, ReceiptConfirmed), *BEFORE,
           code="funds_not_secured", because="nothing may be shipped before the funds are secured"),
    refuse(ReceiptConfirmed, FUNDED, code="not_shipped", because="nothing was shipped that could be received"),
    refuse(ReceiptConfirmed, *RULED, code="already_ruled", because="the case was ruled, and the ruling stands"),
    refuse(OrderCancelled,   SHIPPED, INSPECTION, *RULED, RELEASING, SETTLING, AFTER_RELEASE, RECOVERING,
           WITH_OPERATOR, RELEASED, SETTLED, CHARGED_BACK,
           code="already_shipped", because="only an order that was not shipped can be cancelled"),
    ignore(OrderShipped,     SHIPPED, INSPECTION, *RULED, RELEASING, SETTLING, AFTER_RELEASE, RECOVERING,
           WITH_OPERATOR, RELEASED, SETTLED, CHARGED_BACK, because="the shipment is known"),
    ignore(OrderDelivered,   INSPECTION, RETURNING, *DECIDED, because="the delivery changes nothing any more"),
    ignore(OrderUndelivered, *RULED, *DECIDED, because="it is decided whose the money is"),
    ignore(ReceiptConfirmed, *DECIDED, because="it is decided whose the money is"),
    ignore(OrderCancelled,   REFUNDING, REFUNDED, because="it is refunded already"),

    # A case is opened and ruled. Meanwhile the line's own clock stands still (D7), the other lines go on (E14).
    on(DisputeOpened,       *SECURED,      to=DISPUTED, do=[open_case], within=policy.dispute, pauses=True),
    on(DisputeWithdrawn,    DISPUTED,      then=back(at_least=policy.minimum_remainder, do=[end_case])),
    on(DisputeResolved,     DISPUTED,      then=either(verdict, {
        Verdict.REFUND:  refunding(Why.RULING, NOBODY),
        Verdict.RELEASE: releasing(Why.RULING),
        Verdict.SPLIT:   go(SETTLING, do=[split, pay_out, send_refund], within=policy.answer),
        Verdict.RETURN:  go(RETURNING, within=policy.returning),
        Verdict.REPLACE: go(REPLACING, within=policy.replacing)})),
    on(TimeUp,              DISPUTED,      then=refunding(Why.DISPUTE_EXPIRED, NOBODY, lapse)),
    on(ReceiptConfirmed,    DISPUTED,      then=either(confirmed_despite_case, {
        True:  releasing(Why.CONFIRMED, close_case("receipt_confirmed")),
        False: later("the buyer confirmed before opening the case")})),
    on(OrderCancelled,      DISPUTED,      to=REFUNDING, within=policy.answer,
                                           do=[close_case("order_cancelled"), refund_cancelled, send_refund]),
    on(ReturnShipped,       RETURNING,     then=either(return_under_way, {
        False: stay(do=[record_return], within=policy.return_receipt),
        True:  skip("the return is known")})),
    on(ReturnReceived,      RETURNING,     then=to_buyer(Why.RETURNED, NOBODY)),
    on(TimeUp,              RETURNING,     then=either(return_under_way, {
        False: to_seller(Why.NOT_RETURNED),
        True:  to_buyer(Why.RETURNED, NOBODY)})),
    on(ReplacementShipped,  REPLACING,     then=either(whereabouts, {
        HELD: go(SHIPPED, do=[record_replacement], within=policy.delivery),
        OWED: go(RELEASING, do=[record_why(Why.RULING), send_again], within=policy.answer),
        PAID: go(RELEASED, do=[record_why(Why.RULING), rest(Outcome.RELEASED)])})),
    on(OrderDelivered,      REPLACING,     then=either(its_parcel, {
        True:  skip("the case was about this parcel"),
        False: later("it may be the replacement, heard of before it was sent")})),
    on(TimeUp,              REPLACING,     then=to_buyer(Why.NOT_REPLACED, SELLER)),

    # A case after the release: from what the seller is still owed, else from deposit and fund (P8).
    on(DisputeOpened,       RELEASED,      then=CASE_AFTER_RELEASE),
    on(DisputeOpened,       RELEASING,     then=either(payout_bounced, {
        True:  CASE_AFTER_RELEASE,
        False: later("it is not known yet whether the seller has the money")})),
    on(DisputeWithdrawn,    AFTER_RELEASE, then=to_seller(Why.CONFIRMED)),
    on(DisputeResolved,     AFTER_RELEASE, then=either(verdict, {
        Verdict.REFUND:  to_buyer(Why.RULING, NOBODY),
        Verdict.RELEASE: to_seller(Why.RULING),
        Verdict.SPLIT:   either(payout_bounced, {
            True:  go(SETTLING, do=[undo_release, split, pay_out, send_refund], within=policy.answer),
            False: go(RECOVERING, do=[claim(Why.RULING, NOBODY)], within=policy.answer)}),
        Verdict.RETURN:  go(RETURNING, within=policy.returning),
        Verdict.REPLACE: go(REPLACING, within=policy.replacing)})),
    on(TimeUp,              AFTER_RELEASE, then=to_buyer(Why.DISPUTE_EXPIRED, NOBODY, lapse)),
    on(DisputeOpened,       *BEFORE,                                      do=[decline("funds_not_secured")]),
    on(DisputeOpened,       DISPUTED, *RULED, AFTER_RELEASE, RECOVERING,  do=[decline("already_disputed")]),
    on(DisputeOpened,       REFUNDING, REFUNDED,                          do=[decline("refunded")]),
    on(DisputeOpened,       SETTLING, SETTLED,                            do=[decline("settled")]),
    on(DisputeOpened,       CHARGED_BACK,                                 do=[decline("charged_back")]),
    postpone((OrderShipped, OrderDelivered, OrderUndelivered), DISPUTED,
             because="withdrawn, it goes on from where the parcel is then"),
    postpone(CASE, RELEASING, WITH_OPERATOR, because="its case cannot be opened before the payout is answered"),
    postpone(DisputeOpened,   WITH_OPERATOR, because="an operator finds out first where the money is"),
    ignore((DisputeWithdrawn, DisputeResolved), *BEFORE, *SECURED, *RULED, REFUNDING, SETTLING, RECOVERING, *RESTING,
           because="no case waits for it"),
    ignore((ReturnShipped, ReturnReceived), *BEFORE, *SECURED, DISPUTED, REPLACING, REFUNDING, SETTLING,
           AFTER_RELEASE, RECOVERING, *RESTING, because="no return is waited for"),
    ignore(ReplacementShipped, *BEFORE, *SECURED, DISPUTED, RETURNING, REFUNDING, SETTLING,
           AFTER_RELEASE, RECOVERING, *RESTING, because="no replacement is waited for"),

    # Money moves out. No answer is not a failure: it is asked for, and in the end an operator finds out.
    on(PayoutSucceeded,     RELEASING,   then=resting(RELEASED)),
    on(RefundSucceeded,     REFUNDING,   then=resting(REFUNDED)),
    on((PayoutSucceeded, RefundSucceeded), SETTLING, then=either(all_paid, {
        True:  resting(SETTLED),
        False: stay()})),
    on((PayoutFailed, RefundFailed), *MOVING_OUT, then=either(tries_left, {
        True:  stay(within=policy.back_off),
        False: go(WITH_OPERATOR, do=[ask_operator("operation_failed")])})),
    on(TimeUp,              *MOVING_OUT, then=either(overdue, {
        Overdue.SEND_AGAIN: stay(do=[send_again], within=policy.answer),
        Overdue.ASK:        stay(do=[ask_what_became], within=policy.answer),
        Overdue.GIVE_UP:    go(WITH_OPERATOR, do=[ask_operator("operation_unanswered")]),
        Overdue.BANK_HAS_IT: go(WITH_OPERATOR, do=[ask_operator("refund_beside_chargeback")])})),
    on(OperationNotFound,   *MOVING_OUT, do=[repeat_operation], within=policy.answer),
    on(DepositClaimed,      RECOVERING, WITH_OPERATOR, then=either(whole_line, {
        True:  go(REFUNDING, do=[refund_recovered, send_refund], within=policy.answer),
        False: go(SETTLING, do=[refund_recovered, send_refund], within=policy.answer)})),
    on(TimeUp,              RECOVERING,  then=either(queries_left, {
        True:  stay(do=[claim_again], within=policy.answer),
        False: go(WITH_OPERATOR, do=[ask_operator("deposit_unanswered")])})),
    on((PayoutSucceeded, RefundSucceeded, RecordOperationResult), WITH_OPERATOR, then=either(ending, {
        Ending.RELEASED:  resting(RELEASED),
        Ending.REFUNDED:  resting(REFUNDED),
        Ending.SETTLED:   resting(SETTLED),
        Ending.OTHER_LEG: go(SETTLING, do=[fresh_tries], within=policy.answer),
        Ending.FAILED:    stay()})),
    on(RetryOperation,      WITH_OPERATOR, then=either(errand, {
        Errand.PAYOUT:     go(RELEASING, do=[fresh_tries, send_again], within=policy.answer),
        Errand.REFUND:     go(REFUNDING, do=[fresh_tries, send_again], within=policy.answer),
        Errand.BOTH:       go(SETTLING, do=[fresh_tries, send_again], within=policy.answer),
        Errand.CLAIM:      go(RECOVERING, do=[fresh_tries, claim_again], within=policy.answer),
        Errand.UNANSWERED: no("operation_unanswered", "money may have moved: record first what became of it"),
        Errand.BANK_HAS_IT: no("chargeback_open", "the buyer has it from the bank: wait for a reversal, or record"
                                                  " by_bank")})),
    on((PayoutFailed, RefundFailed), WITH_OPERATOR, then=stay()),
    on(PayoutSucceeded,     AFTER_RELEASE, *RULED, CHARGEBACK, CHARGED_BACK, then=stay()),
    ignore(OperationNotFound, WITH_OPERATOR, because="the operator decides what is sent"),
    refuse(PayoutSucceeded, *BEFORE, *SECURED, DISPUTED, REFUNDING, RECOVERING, RELEASED, REFUNDED, SETTLED,
           code="unexpected_result", because="no payout is under way"),
    refuse(RefundSucceeded, *BEFORE, *SECURED, DISPUTED, *RULED, RELEASING, AFTER_RELEASE, RECOVERING, CHARGEBACK,
           *RESTING, code="unexpected_result", because="no refund is under way"),
    refuse((PayoutFailed, RefundFailed, OperationNotFound), *BEFORE, *SECURED, DISPUTED, *RULED, AFTER_RELEASE,
           RECOVERING, CHARGEBACK, *RESTING, code="unexpected_result", because="no operation is under way"),
    refuse(DepositClaimed,  *BEFORE, *SECURED, DISPUTED, *RULED, *MOVING_OUT, AFTER_RELEASE, RELEASED, REFUNDED,
           SETTLED, code="unexpected_result", because="no claim is under way"),
    refuse(BY_OPERATOR,     *BEFORE, *SECURED, DISPUTED, *RULED, *MOVING_OUT, AFTER_RELEASE, RECOVERING, CHARGEBACK,
           *RESTING, code="not_with_operator", because="the operation is not in an operator's hands"),

    # The buyer's bank takes the money back: the case is suspended, and nothing is refunded twice (E13).
    on(ChargebackReceived,  *BEFORE, *SECURED, DISPUTED, *RULED, AFTER_RELEASE, RECOVERING,
                                         to=CHARGEBACK, do=[suspend, announce_chargeback, ask_if_paid_already],
                                         within=policy.chargeback, pauses=True),
    on(ChargebackReversed,  CHARGEBACK,  then=back(at_least=policy.minimum_remainder, do=[restore])),
    on(TimeUp,              CHARGEBACK,  then=either(payout_bounced, {
        True:  bank_keeps_it(undo_release, give_up_hold),
        False: bank_keeps_it()})),
    on(DepositClaimed,      CHARGED_BACK,                            do=[cover_chargeback]),
    on(ChargebackReceived,  REFUNDING, REFUNDED,                     do=[ask_operator("chargeback_after_refund")]),
    on(ChargebackReceived,  RELEASING, RELEASED, SETTLING, SETTLED,  do=[ask_operator("chargeback_after_release")]),
    on(ChargebackReceived,  WITH_OPERATOR,                           do=[ask_operator("chargeback_with_operator")]),
    on(ChargebackReceived,  CHARGEBACK, CHARGED_BACK,                do=[ask_operator("chargeback_repeated")]),
    on(ChargebackReversed,  CHARGED_BACK,                            do=[ask_operator("chargeback_reversed_late")]),
    postpone((*SCREENED, OrderCancelled, OrderShipped, OrderDelivered, OrderUndelivered, ReceiptConfirmed,
              DisputeOpened, *CASE, DepositClaimed), CHARGEBACK, because="the bank decides first"),
    ignore(ChargebackReversed, *BEFORE, *SECURED, DISPUTED, *RULED, *MOVING_OUT, AFTER_RELEASE, RECOVERING,
           WITH_OPERATOR, RELEASED, REFUNDED, SETTLED, because="no line was suspended by it"),

    # Nothing was paid yet.
    ignore(OrderCancelled, START, because="nothing was paid"),
    ignore(RESULTS, START, because="it is about a deposit, not an order"),
    ignore((ChargebackReceived, ChargebackReversed), START, because="it is remembered until the payment is heard of"),
    refuse((*SCREENED, OrderShipped, OrderDelivered, OrderUndelivered, ReceiptConfirmed, DisputeOpened, *CASE,
            DepositClaimed), START, code="unknown_order", because="no payment of this order is known"),
    refuse(BY_OPERATOR, START, code="not_found", because="there is no such order"),
])
