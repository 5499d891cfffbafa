"""The order desk of the shipped `support` agent: a fixed table of orders for trying out an agent."""

import hashlib
from datetime import date
from typing import Annotated, Literal

from pydantic import Field
from temporalio import activity
from temporalio.exceptions import ApplicationError

from perdure.workflows.vocabulary.parts import Frozen

ORDER_NOT_FOUND = "order_not_found"
NOT_REFUNDABLE = "not_refundable"
REFUND_TOO_HIGH = "refund_too_high"


class OrderLine(Frozen):
    product: str
    quantity: int
    #: Of one piece, in the order's currency.
    price: str


class Order(Frozen):
    order_id: str
    customer: str
    status: Literal["processing", "shipped", "delivered", "cancelled", "returned"]
    ordered_on: date
    shipped_on: date | None = None
    expected_on: date | None = None
    delivered_on: date | None = None
    carrier: str | None = None
    tracking: str | None = None
    lines: tuple[OrderLine, ...]
    #: Including shipping.
    total: str
    currency: Literal["EUR"] = "EUR"
    note: str | None = None


_ORDERS = (
    Order(
        order_id="A-1001",
        customer="Mara Lindqvist",
        status="delivered",
        ordered_on=date(2026, 3, 2),
        shipped_on=date(2026, 3, 3),
        expected_on=date(2026, 3, 6),
        delivered_on=date(2026, 3, 5),
        carrier="DHL",
        tracking="JD014600003SE",
        lines=(OrderLine(product="Desk lamp, brass", quantity=1, price="79.00"),),
        total="83.90",
    ),
    Order(
        order_id="A-1002",
        customer="Jonas Weber",
        status="shipped",
        ordered_on=date(2026, 3, 9),
        shipped_on=date(2026, 3, 11),
        expected_on=date(2026, 3, 16),
        carrier="UPS",
        tracking="1Z999AA10123456784",
        lines=(
            OrderLine(product="Office chair, grey", quantity=1, price="249.00"),
            OrderLine(product="Floor mat", quantity=1, price="39.50"),
        ),
        total="288.50",
    ),
    Order(
        order_id="A-1003",
        customer="Aiko Tanaka",
        status="processing",
        ordered_on=date(2026, 3, 12),
        expected_on=date(2026, 3, 20),
        lines=(OrderLine(product="Standing desk, oak, 160 cm", quantity=1, price="599.00"),),
        total="599.00",
        note="The desk top is being cut; it leaves the workshop on 17 March.",
    ),
    Order(
        order_id="A-1004",
        customer="Priya Raman",
        status="shipped",
        ordered_on=date(2026, 2, 20),
        shipped_on=date(2026, 2, 23),
        expected_on=date(2026, 2, 27),
        carrier="DPD",
        tracking="01205001234567",
        lines=(OrderLine(product="Monitor arm", quantity=2, price="64.00"),),
        total="132.90",
        note="Late: no scan by the carrier since 25 February.",
    ),
    Order(
        order_id="A-1005",
        customer="Tomás Ferreira",
        status="cancelled",
        ordered_on=date(2026, 3, 1),
        lines=(OrderLine(product="Bookshelf, walnut", quantity=1, price="320.00"),),
        total="320.00",
        note="Cancelled by the customer on 2 March; refunded on 4 March.",
    ),
    Order(
        order_id="A-1006",
        customer="Ines Moreau",
        status="returned",
        ordered_on=date(2026, 2, 10),
        shipped_on=date(2026, 2, 11),
        delivered_on=date(2026, 2, 13),
        carrier="DHL",
        tracking="JD014600771FR",
        lines=(OrderLine(product="Keyboard, French layout", quantity=1, price="118.00"),),
        total="122.90",
        note="Came back on 24 February with a broken key; a replacement was offered, the customer has not answered.",
    ),
)


@activity.defn
async def find_order(
    order_id: Annotated[str, Field(min_length=1, max_length=40, examples=["A-1002"])],
) -> Order:
    """Look up an order by its number: its status, dates, carrier and tracking number, products and total.

    Args:
        order_id: The number on the order confirmation: A, a dash and four digits.
    """
    return _order(order_id)


class Refund(Frozen):
    #: The same for every retry of a call, so that a payment system can recognise a repeat.
    refund_id: str
    order_id: str
    amount: float
    currency: Literal["EUR"] = "EUR"


@activity.defn
async def issue_refund(
    order_id: Annotated[str, Field(min_length=1, max_length=40, examples=["A-1002"])],
    amount: Annotated[float, Field(gt=0, le=100_000, allow_inf_nan=False)],
    reason: Annotated[str, Field(max_length=500)] = "",
) -> Refund:
    """Refund an order by its original payment method.

    Args:
        order_id: The number on the order confirmation: A, a dash and four digits.
        amount: Euros; at most the order's total.
            reason: The reason, in a few words, for the records.
    """
    order = _order(order_id)
    if order.status in ("processing", "cancelled"):
        message = f"order {order.order_id} is {order.status}, so there is nothing to refund"
        raise ApplicationError(message, type=NOT_REFUNDABLE, non_retryable=True)
    if amount > float(order.total):
        message = f"order {order.order_id} came to {order.total} {order.currency}; a refund cannot be higher"
        raise ApplicationError(message, type=REFUND_TOO_HIGH, non_retryable=True)
    info = activity.info()
    key = hashlib.sha256(f"{info.workflow_id} {info.activity_id}".encode()).hexdigest()[:8].upper()
    return Refund(refund_id=f"R-{key}", order_id=order.order_id, amount=amount)


def _order(order_id: str) -> Order:
    wanted = order_id.strip().upper()
    for order in _ORDERS:
        if order.order_id == wanted:
            return order
    raise ApplicationError(f"there is no order {order_id!r}", type=ORDER_NOT_FOUND, non_retryable=True)
