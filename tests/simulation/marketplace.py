"""What is true of the whole marketplace: while it runs, of every state that was touched; at the end, of all together.

I3 a line's hold holds what its state says, and the provider never pays out more than came in · I4 every order comes to
rest or stands in the operators' queue · I8 lines move along the saga's table only · A1 orders and escrow agree on every
line · A2 the provider's money and the ledger's clearing agree · A3 every case is closed or ruled · A4 escrow's claims
and the deposits' answers agree.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from contracts.disputes import Verdict
from contracts.escrow import Why
from deposits.domain import ANSWER_OVERDUE, Deposit
from disputes.case import Case, LegState
from disputes.case import Status as CaseStatus
from disputes.domain import REPLACEMENT, RETURN
from escrow.invariants import held, invariants
from escrow.money import hold_of
from escrow.process import Move
from escrow.saga import ESCROW
from escrow.service import DEADLINE, REMINDER
from escrow.state import Escrow, OperationKind, Standing, State, Tranche, at_rest, with_operator
from ledger.postings import Account, Kind
from orders.checkout import PAY_BY, payment_timer
from orders.order import FINAL, UNPAID, Order, Status
from orders.payment import ASK_AGAIN
from simulators.payments.operations import ANSWER, Operation
from simulators.payments.operations import Kind as OperationAtProvider
from simulators.payments.operations import Status as OperationStatus
from tests.simulation.database import Change
from tests.simulation.invariants import Money, Timers
from tests.simulation.node import Node
from tests.simulation.violation import Violation
from tests.simulation.world import World


def _escrow_timers(order: Escrow) -> Mapping[str, datetime | None]:
    deadlines = [each.deadline_at for each in order.tranches if each.deadline_at]
    reminders = [each.remind_at for each in order.tranches if each.remind_at]
    return {name: min(due) for name, due in ((DEADLINE, deadlines), (REMINDER, reminders)) if due}


def _order_timers(order: Order) -> Mapping[str, datetime | None]:
    if order.unanswered:
        return {ASK_AGAIN: None}
    return {PAY_BY: payment_timer(order)} if order.status in UNPAID else {}


def _case_timers(case: Case) -> Mapping[str, datetime | None]:
    legs = {RETURN: case.return_leg, REPLACEMENT: case.replacement_leg}
    return {name: leg.due_at for name, leg in legs.items() if leg and leg.due_at}


def _deposit_timers(deposit: Deposit) -> Mapping[str, datetime | None]:
    return {ANSWER_OVERDUE: None} if deposit.pending else {}


def _operation_timers(operation: Operation) -> Mapping[str, datetime | None]:
    return {ANSWER: None} if operation.status is OperationStatus.IN_PROGRESS else {}


TIMERS: Mapping[str, Timers] = {
    "escrow": _escrow_timers,
    "orders": _order_timers,
    "disputes": _case_timers,
    "deposits": _deposit_timers,
    "operations": _operation_timers,
}


def _reachable() -> Mapping[State, frozenset[State]]:
    """Where a line may be after any number of messages, by where it was."""
    edges: dict[State, set[State]] = defaultdict(set)
    for state, _, move in ESCROW.moves():
        if isinstance(move, Move):
            edges[state].add(move.to if move.to is not None else state)
            if move.pauses and move.to is not None:
                edges[move.to].add(state)
    reachable: dict[State, frozenset[State]] = {}
    for start in State:
        found, frontier = {start}, [start]
        while frontier:
            new = edges[frontier.pop()] - found
            found |= new
            frontier.extend(new)
        reachable[start] = frozenset(found)
    return reachable


REACHABLE = _reachable()
UNDER_WAY = ("held", "payable", "refund_in_transit", "payout_in_transit")


class Marketplace:
    """Watches the five services and the two simulators."""

    def __init__(self, world: World, money: Money) -> None:
        self._world = world
        self._money = money
        self._at_provider: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))

    def committed(self, node: Node, change: Change) -> None:
        for ref, after in change.states.items():
            if ref.aggregate == "escrow":
                before = change.before.get(ref)
                self._escrow_is_sound(node, before.state if before else None, after.state)
            elif ref.aggregate == "deposits":
                self._deposit_is_sound(node, after.state)
            elif ref.aggregate == "operations":
                before = change.before.get(ref)
                self._provider_moves(before.state if before else None, after.state)

    def quiet(self) -> None:
        pass

    def over(self) -> None:
        for order in self._states("orders", "orders"):
            self._order_is_settled(order)
        for case in self._states("disputes", "disputes"):
            self._case_is_over(case)
        self._currencies_agree()

    def _escrow_is_sound(self, node: Node, before: Escrow | None, order: Escrow) -> None:
        for broken in invariants(order):
            raise Violation("I8 legal states", broken, order.order_id)
        was = {tranche.line_no: tranche.state for tranche in before.tranches} if before else {}
        assert node.database.book is not None
        for tranche in order.tranches:
            start = was.get(tranche.line_no, State.START)
            if tranche.state not in REACHABLE[start]:
                text = f"line {tranche.line_no} went from {start} to {tranche.state}"
                raise Violation("I8 legal states", text, order.order_id)
            holds, should = node.database.book.balance(hold_of(order, tranche)), held(tranche)
            if holds != should:
                text = f"line {tranche.line_no} in {tranche.state} holds {holds}, its state says {should}"
                raise Violation("I3 order's money", text, order.order_id)

    def _deposit_is_sound(self, node: Node, deposit: Deposit) -> None:
        if deposit.terms is None or node.database.book is None:
            return
        account = Account(Kind.DEPOSIT, deposit.seller_id, deposit.terms.currency)
        booked = node.database.book.balance(account)
        if booked != deposit.balance:
            text = f"the deposit says {deposit.balance} {deposit.terms.currency}, its account {booked}"
            raise Violation("I2 balance", text, deposit.seller_id)

    def _provider_moves(self, before: Operation | None, operation: Operation) -> None:
        if operation.status is not OperationStatus.SUCCEEDED or (before and before.status is operation.status):
            return
        moved = self._at_provider[operation.reference]
        moved[f"{operation.kind} {operation.currency}"] += operation.amount
        refunded, paid = (moved.get(f"{kind} {operation.currency}", 0) for kind in ("refund", "payment"))
        if refunded > paid:
            text = f"the provider refunded {refunded} {operation.currency} of {paid}"
            raise Violation("I3 order's money", text, operation.reference)
        if operation.kind is OperationAtProvider.PAYOUT:
            order = self._state("orders", "orders", operation.reference)
            owed, out = sum(line.price for line in order.lines), moved[f"payout {operation.currency}"]
            if out > owed or operation.currency != order.currency:
                text = f"the provider paid out {out} {operation.currency} of {owed} {order.currency}"
                raise Violation("I3 order's money", text, operation.reference)

    def _order_is_settled(self, order: Order) -> None:
        escrow: Escrow | None = self._state("escrow", "escrow", order.order_id)
        if (escrow is None) != (order.paid_operation == ""):
            text = f"paid by {order.paid_operation!r}, and escrow {'knows' if escrow else 'does not know'} it"
            raise Violation("A1 orders and escrow", text, order.order_id)
        if escrow is None:
            if order.status is not Status.CANCELLED:
                raise Violation("I4 rest", f"the order was never paid and stays {order.status}", order.order_id)
            self._provider_agrees(order, None)
            return
        if not at_rest(escrow) and not with_operator(escrow):
            lines = [f"{tranche.line_no}: {tranche.state}" for tranche in escrow.tranches]
            raise Violation("I4 rest", f"the order rests nowhere: {lines}", order.order_id)
        for difference in _differences(order, escrow):
            raise Violation("A1 orders and escrow", difference, order.order_id)
        self._provider_agrees(order, escrow)
        self._nothing_is_left(escrow)
        self._claims_agree(escrow)

    def _provider_agrees(self, order: Order, escrow: Escrow | None) -> None:
        """The order's entries on clearing are the provider's movements; only what an operator still has to find out
        may differ."""
        if escrow and any(each.standing is Standing.SENT for each in escrow.operations) and with_operator(escrow):
            return
        moved: dict[str, int] = defaultdict(int)
        for operation in self._operations(order.order_id):
            if operation.operation_id not in order.surplus_operations:
                sign = 1 if operation.kind is OperationAtProvider.PAYMENT else -1
                moved[operation.currency] += sign * operation.amount
        for currency, amount in self._chargebacks(order.order_id):
            moved[currency] += amount
        for currency in moved.keys() | self._money.currencies("escrow", order.order_id):
            lies = self._money.lies("escrow", order.order_id, currency)
            gone = sum(lies.get(where, 0) for where in ("paid_out", "refunded", "charged_back", "spent"))
            booked = lies.get("funded", 0) - gone
            if booked != moved[currency]:
                text = f"the provider holds {moved[currency]} {currency} of it, the ledger says {booked}: {dict(lies)}"
                raise Violation("A2 provider and ledger", text, order.order_id)

    def _nothing_is_left(self, escrow: Escrow) -> None:
        if with_operator(escrow) or not at_rest(escrow):
            return
        for currency in self._money.currencies("escrow", escrow.order_id):
            lies = self._money.lies("escrow", escrow.order_id, currency)
            left = {where: lies[where] for where in UNDER_WAY if lies.get(where)}
            if left:
                raise Violation("I3 order's money", f"the order rests with {left} {currency}", escrow.order_id)
        given = sum(tranche.to_buyer for tranche in escrow.tranches)
        taken = -sum(amount for _, amount in self._chargebacks(escrow.order_id))
        paid = sum(tranche.presented for tranche in escrow.tranches)
        told = any(each.code.startswith("chargeback") for each in escrow.concerns)
        if given + taken > paid and not told:
            text = f"the buyer got {given} back and their bank {taken}, of {paid}, and no operator was told"
            raise Violation("I3 order's money", text, escrow.order_id)

    def _claims_agree(self, escrow: Escrow) -> None:
        deposit: Deposit | None = self._state("deposits", "deposits", escrow.seller_id)
        answers = {claim.claim_id: claim for claim in deposit.claims} if deposit else {}
        book = self._world.nodes["escrow"].database.book
        assert book is not None
        booked = {
            written.transfer.id: written.transfer.amount
            for written in book.transfers(escrow.order_id)
            if written.transfer.debit.kind is Kind.CLAIMS
        }
        for operation in escrow.operations:
            if operation.kind is OperationKind.CLAIM and operation.standing is Standing.SUCCEEDED:
                answer = answers.get(operation.id)
                recovered = booked.get(f"{escrow.order_id}/{operation.id}/deposit", 0)
                if answer is None or answer.paid != recovered or answer.asked != operation.amount:
                    text = f"{operation.id} of {operation.amount}: escrow booked {recovered}, deposits say {answer}"
                    raise Violation("A4 claims", text, escrow.order_id)

    def _case_is_over(self, case: Case) -> None:
        escrow: Escrow = self._state("escrow", "escrow", case.order_id)
        if case.status is CaseStatus.OPEN and at_rest(escrow):
            raise Violation("A3 cases", f"{case.dispute_id} stays open, though its order rests", case.order_id)
        if case.status is CaseStatus.OPEN and not any(t.state is State.WITH_OPERATOR for t in escrow.tranches):
            raise Violation("A3 cases", f"{case.dispute_id} stays open", case.order_id)
        self._ruling_is_carried_out(case, escrow)

    def _ruling_is_carried_out(self, case: Case, escrow: Escrow) -> None:
        """What was ruled of a line that escrow left in the case is what became of its money, but for the bank. A return
        that escrow hears of after its deadline, having been away, finds the money gone to the seller."""
        tranches = {tranche.line_no: tranche for tranche in escrow.tranches}
        received = case.return_leg is not None and case.return_leg.state is LegState.RECEIVED
        for line in case.lines:
            tranche = tranches[line.line_no]
            ends = _ENDS_OF.get(line.verdict) if line.verdict else None
            if line.verdict is Verdict.RETURN and received and tranche.why is not Why.NOT_RETURNED:
                ends = {State.REFUNDED}
            if ends and not line.dropped and tranche.state not in {*ends, *_BEYOND_A_RULING}:
                text = f"{case.dispute_id} ruled {line.verdict} of line {line.line_no}: {tranche.state}"
                raise Violation("A3 cases", text, case.order_id)

    def _currencies_agree(self) -> None:
        """All that the provider holds is on the clearing accounts of the two books. Where an operator still has to find
        out, or the provider collected twice, the difference is that order's."""
        moved: dict[str, int] = defaultdict(int)
        for order in self._states("orders", "orders"):
            escrow = self._state("escrow", "escrow", order.order_id)
            if order.surplus_operations or (escrow and with_operator(escrow)):
                return
        for operation in self._states("payments", "operations"):
            if operation.status is OperationStatus.SUCCEEDED:
                sign = 1 if operation.kind is OperationAtProvider.PAYMENT else -1
                moved[operation.currency] += sign * operation.amount
        for each in self._states("payments", "chargebacks"):
            for currency, amount in self._chargebacks(each.reference):
                moved[currency] += amount
        booked: dict[str, int] = defaultdict(int)
        for name in ("escrow", "deposits"):
            book = self._world.nodes[name].database.book
            assert book is not None
            for finding in book.check():
                raise Violation("I2 balance", f"{name}: {finding}", finding.subject)
            for row, counters in book.rows().items():
                if row.startswith(f"{Kind.CLEARING}:"):
                    booked[row.rsplit(":", 1)[1]] -= counters.balance
        if any(moved[currency] != booked[currency] for currency in moved.keys() | booked.keys()):
            raise Violation("A2 provider and ledger", f"the provider holds {dict(moved)}, the books say {dict(booked)}")

    def _operations(self, reference: str) -> Iterator[Operation]:
        for operation in self._states("payments", "operations"):
            if operation.reference == reference and operation.status is OperationStatus.SUCCEEDED:
                yield operation

    def _chargebacks(self, reference: str) -> Iterator[tuple[str, int]]:
        """Currency and amount of what banks took (negative) and gave back."""
        taken = self._state("payments", "chargebacks", reference)
        for each in taken.chargebacks if taken else ():
            yield each.currency, -each.amount
            if each.reversed_at:
                yield each.currency, each.amount

    def _states(self, node: str, aggregate: str) -> Any:
        return self._world.nodes[node].database.states(aggregate)

    def _state(self, node: str, aggregate: str, id: str) -> Any:
        return self._world.nodes[node].database.state(aggregate, id)


def _differences(order: Order, escrow: Escrow) -> Iterator[str]:
    """Where the order's own view is not what escrow came to."""
    tranches: dict[int, Tranche] = {tranche.line_no: tranche for tranche in escrow.tranches}
    for line in order.lines:
        tranche = tranches[line.line_no]
        resting = tranche.state.value if tranche.state in (State.RELEASED, *_ENDS) else None
        outcome = line.outcome.value if line.outcome else None
        if resting is not None and (outcome != resting or line.refunding):
            yield f"line {line.line_no} is {tranche.state} in escrow, {outcome} (refunding: {line.refunding}) in orders"
        if (tranche.presented, tranche.price) != (line.presented, line.price):
            yield f"line {line.line_no} is {tranche.presented} for {tranche.price}, in orders {line}"
    if at_rest(escrow):
        ends = {tranche.state.value for tranche in escrow.tranches}
        end = Status(ends.pop()) if len(ends) == 1 else Status.MIXED
        if order.status is not end and not (order.status is Status.CANCELLED and end is Status.REFUNDED):
            yield f"escrow is at rest with {end}, the order is {order.status}"
    elif order.status in FINAL - {Status.CANCELLED, Status.RELEASED}:
        yield f"the order is {order.status}, escrow is not at rest"


_ENDS = (State.REFUNDED, State.SETTLED, State.CHARGED_BACK)
_ENDS_OF = {
    Verdict.REFUND: {State.REFUNDED},
    Verdict.RELEASE: {State.RELEASED},
    Verdict.SPLIT: {State.SETTLED, State.RELEASED},
}
_BEYOND_A_RULING = {State.CHARGED_BACK, State.WITH_OPERATOR}
