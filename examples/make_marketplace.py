"""Makes examples/marketplace.csv: sixty days of a small marketplace, every ending there is. Always the same file.

python examples/make_marketplace.py [ORDERS] [DAYS] > examples/marketplace.csv
"""

import csv
import random
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from holdfast.replay.reader import COLUMNS

START = datetime(2026, 3, 2, 8, tzinfo=UTC)
GOODS = {
    "clothing": (("linen shirt", "rain jacket", "wool socks"), 24),
    "electronics": (("headphones", "phone case", "usb lamp"), 60),
    "toys": (("wooden train", "puzzle", "kite"), 18),
    "home_garden": (("teapot", "plant pot", "desk mat"), 32),
}
CURRENCIES = {"EUR": (1.0, 2), "USD": (1.1, 2), "GBP": (0.85, 2), "CNY": (7.8, 2), "JPY": (160.0, 0), "KWD": (0.33, 3)}
BUYERS = {"DE": "EUR", "US": "USD", "GB": "GBP", "CN": "CNY", "JP": "JPY", "KW": "KWD", "BR": "USD", "ES": "EUR"}
SELLER_COUNTRIES = ("CN", "CN", "CN", "DE", "US", "JP")
CARDS = ("credit_card", "debit_card", "virtual_card", "alipay")
SLOW = ("bank_transfer", "western_union")
REASONS = ("not_received", "damaged", "incomplete", "wrong_item", "not_as_described", "counterfeit")

Row = dict[str, Any]
random_ = random.Random(20260302)


def between(low: float, high: float) -> timedelta:
    """A span of days."""
    return timedelta(seconds=round(random_.uniform(low, high) * 86_400))


def shipped(order: Row, after: timedelta | None = None) -> None:
    order["shipped_at"] = order["paid_at"] + (after or between(0.5, 4))
    order["carrier"] = random_.choice(("dhl", "cainiao", "royal_mail", "japan_post"))
    order["tracking_number"] = f"HF{random_.randrange(10**9, 10**10)}"


def delivered(order: Row) -> None:
    shipped(order)
    order["delivered_at"] = order["shipped_at"] + between(3, 12)


def on_every_line(order: Row, lines: list[Row], **what: Any) -> None:
    for line in lines:
        line.update(what)


def confirmed(order: Row, lines: list[Row]) -> None:
    delivered(order)
    on_every_line(order, lines, confirmed_at=order["delivered_at"] + between(0.2, 6))


def silent(order: Row, lines: list[Row]) -> None:
    delivered(order)


def never_shipped(order: Row, lines: list[Row]) -> None:
    pass


def never_delivered(order: Row, lines: list[Row]) -> None:
    shipped(order)


def never_paid(order: Row, lines: list[Row]) -> None:
    order["paid_at"] = None


def paid_slowly(order: Row, lines: list[Row]) -> None:
    """The parcel is handed over before the money is there, as real files show."""
    order["payment_method"] = random_.choice(SLOW)
    shipped(order, after=between(0.3, 1.5))
    order["delivered_at"] = order["shipped_at"] + between(4, 9)
    on_every_line(order, lines, confirmed_at=order["delivered_at"] + between(0.2, 3))


def cancelled_before_payment(order: Row, lines: list[Row]) -> None:
    order["paid_at"] = None
    order["cancelled_at"], order["cancelled_by"] = order["placed_at"] + between(0.1, 2), "buyer"


def cancelled_by(who: str) -> Callable[[Row, list[Row]], None]:
    def cancelled(order: Row, lines: list[Row]) -> None:
        order["cancelled_at"], order["cancelled_by"] = order["paid_at"] + between(0.2, 3), who

    return cancelled


def paid_after_cancelling(order: Row, lines: list[Row]) -> None:
    """A transfer that was on its way when the buyer cancelled."""
    order["payment_method"] = "bank_transfer"
    order["cancelled_at"], order["cancelled_by"] = order["paid_at"] + between(0.2, 1.2), "buyer"


def cancelled_too_late(order: Row, lines: list[Row]) -> None:
    confirmed(order, lines)
    order["cancelled_at"], order["cancelled_by"] = order["shipped_at"] + between(0.1, 1), "buyer"


def disputed(ruling: str, share: float = 1.0) -> Callable[[Row, list[Row]], None]:
    """A case about the first lines; the other ones go on."""

    def case(order: Row, lines: list[Row]) -> None:
        delivered(order)
        at = order["delivered_at"] + between(0.5, 4)
        about = lines[: max(1, round(len(lines) * share))]
        on_every_line(order, about, disputed_at=at, dispute_reason=random_.choice(REASONS))
        if ruling:
            on_every_line(order, about, ruling=ruling, ruled_at=at + between(1, 6))

    return case


def disputed_after_release(ruling: str, days: float) -> Callable[[Row, list[Row]], None]:
    def case(order: Row, lines: list[Row]) -> None:
        confirmed(order, lines)
        at = lines[0]["confirmed_at"] + timedelta(days=days)
        on_every_line(order, lines, disputed_at=at, dispute_reason="counterfeit")
        if ruling:
            on_every_line(order, lines, ruling=ruling, ruled_at=at + between(1, 4))

    return case


refunded_after_release = disputed_after_release("buyer", 5)
disputed_too_late = disputed_after_release("", 25)


def large(then: Callable[[Row, list[Row]], None]) -> Callable[[Row, list[Row]], None]:
    """Ten thousand dollars or more: screening stops it."""

    def order_of_size(order: Row, lines: list[Row]) -> None:
        lines[0]["quantity"] = 600
        order["large"] = True
        then(order, lines)
        if order.get("shipped_at"):
            moved = timedelta(days=5)
            for row in (order, *lines):
                for column in ("shipped_at", "delivered_at", "confirmed_at"):
                    if row.get(column):
                        row[column] += moved

    return order_of_size


def rejected(order: Row, lines: list[Row]) -> None:
    order["cancelled_at"], order["cancelled_by"] = order["paid_at"] + timedelta(days=4), "reviewer"


ENDINGS: tuple[tuple[int, Callable[[Row, list[Row]], None]], ...] = (
    (66, confirmed),
    (30, silent),
    (10, paid_slowly),
    (12, never_shipped),
    (6, never_delivered),
    (9, never_paid),
    (5, cancelled_before_payment),
    (8, cancelled_by("buyer")),
    (5, cancelled_by("seller")),
    (5, cancelled_by("seller_asked")),
    (3, paid_after_cancelling),
    (3, cancelled_too_late),
    (7, disputed("buyer")),
    (6, disputed("seller")),
    (6, disputed("split:30 to buyer")),
    (4, disputed("split:62.5 to buyer", share=0.5)),
    (4, disputed("buyer", share=0.5)),
    (3, disputed("")),
    (3, refunded_after_release),
    (2, disputed_after_release("seller", 8)),
    (2, disputed_too_late),
    (3, large(confirmed)),
    (2, large(rejected)),
    (2, large(never_shipped)),
)


def main(orders: int, days: int) -> None:
    endings = [ending for times, ending in ENDINGS for _ in range(max(1, round(times * orders / 206)))]
    random_.shuffle(endings)
    numbers = count(0)
    sellers = [new_seller(next(numbers)) for _ in range(24)]
    writer = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    placed = sorted(START + timedelta(minutes=round(random_.uniform(0, days * 0.8 * 1440))) for _ in endings)
    for number, (placed_at, ending) in enumerate(zip(placed, endings, strict=True), 1):
        # Such a refund is taken from the deposit, and who has none left takes no orders.
        alone = ending is refunded_after_release
        write_order(writer, number, placed_at, ending, new_seller(next(numbers)) if alone else random_.choice(sellers))


def new_seller(number: int) -> tuple[str, str, str]:
    """Id, country and category."""
    return f"seller-{number:02d}", random_.choice(SELLER_COUNTRIES), random_.choice(list(GOODS))


def write_order(
    writer: "csv.DictWriter[str]",
    number: int,
    placed_at: datetime,
    ending: Callable[[Row, list[Row]], None],
    seller: tuple[str, str, str],
) -> None:
    buyer_country = random_.choice(list(BUYERS))
    order: Row = {
        "order_id": f"ord-{number:04d}",
        "buyer_id": f"buyer-{random_.randrange(90):02d}",
        "seller_id": seller[0],
        "currency": BUYERS[buyer_country],
        "seller_country": seller[1],
        "buyer_country": buyer_country,
        "payment_method": random_.choice(CARDS),
        "placed_at": placed_at,
        "paid_at": placed_at + between(0.001, 0.8),
    }
    titles, price = GOODS[seller[2]]
    rate, decimals = CURRENCIES[order["currency"]]
    lines: list[Row] = []
    for line_no in range(1, random_.choice((1, 1, 1, 2, 2, 3)) + 1):
        title = random_.choice(titles)
        amount = price * rate * random_.uniform(0.6, 1.8)
        lines.append({
            "line_no": line_no,
            "category": seller[2],
            "sku": f"{title.replace(' ', '-')}-{random_.randrange(100, 999)}",
            "title": title,
            "quantity": random_.choice((1, 1, 1, 2, 3)),
            "unit_price": f"{amount:.{decimals}f}",
        })  # fmt: skip
    ending(order, lines)
    if order.pop("large", False):
        lines[0]["unit_price"] = f"{40 * rate:.{decimals}f}"
    for line in lines:
        row = order | line
        writer.writerow({
            name: value.strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) else value
            for name, value in row.items()
            if value is not None
        })  # fmt: skip


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] or ("206", "60")))
