"""A shop whose tools fail in every way that the taxonomy knows; `# fails` marks the lines, by hand."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from artis_sdk.records import Risk
from artis_sdk.tools import Toolset, guarded_tool


class ShopError(Exception):
    """What the shop refuses."""


class SoldOut(ShopError):
    pass


class Order(BaseModel):
    item: str
    count: int = Field(gt=0)  # fails: note

    @field_validator("item")
    @classmethod
    def known(cls, item: str, info: ValidationInfo) -> str:
        if item.startswith("?"):
            raise ValueError(f"item {item!r} is a question")  # fails: note
        return item


def refused(reason: str) -> dict[str, str]:
    return {"error": reason}  # fails: reserve


def priced(prices: dict[str, int], item: str) -> int:
    if item not in prices:
        raise LookupError(f"{item} has no price")  # fails: buy
    return prices[item]


class Shop:
    """Everything that its tools change is in `stock`, `prices`, `orders` and `open`."""

    def __init__(self) -> None:
        self.stock: dict[str, int] = {"apple": 3, "pear": 0, "plum": 1}
        self.prices: dict[str, int] = {"apple": 2, "plum": 5}
        self.orders: list[dict[str, Any]] = []
        self.open = True
        self.cash = 10

    def _taken(self, item: str, count: int) -> None:
        if self.stock[item] < count:  # a KeyError here is no statement's
            raise SoldOut(f"only {self.stock[item]} of {item}")  # fails: buy, reserve
        self.stock[item] -= count

    @guarded_tool(risk=Risk.IRREVERSIBLE, failures=(ShopError, LookupError))
    def buy(
        self,
        item: str,
        count: Annotated[int, Field(ge=1, le=9)] = 1,  # fails: buy
    ) -> dict[str, Any]:
        """Buy things.

        Args:
            item: what, such as 'apple'.
            count: how many.
        """
        if not self.open:
            raise ShopError("the shop is closed")  # fails: buy
        total = priced(self.prices, item) * count
        if total > self.cash:
            return {"error": f"{total} is more than you have"}  # fails: buy
        self._taken(item, count)
        self.cash -= total
        self.orders.append({"item": item, "count": count})
        return {"paid": total}

    @guarded_tool(risk=Risk.REVERSIBLE)
    def reserve(self, item: str, count: int) -> dict[str, Any]:
        """Put things aside."""
        status: dict[str, Any] = {"status": False}
        if item == "":
            status["error"] = "an item needs a name"  # fails: reserve
            return status
        try:
            self._taken(item, count)
        except KeyError:
            return refused(f"there is no {item}")  # fails: reserve
        return {"status": True}

    @guarded_tool(risk=Risk.IRREVERSIBLE)
    def close(self, code: str) -> str:
        """Close the shop."""
        try:
            number = int(code)
        except ValueError as error:
            raise ShopError("the code is no number") from error  # fails: close
        assert number != 13, "unlucky"  # fails: close
        match number:
            case 0:
                return "Error: zero opens it"  # fails: close
            case _:
                self.open = False
        return "closed"

    @guarded_tool(risk=Risk.REVERSIBLE)
    def cancel(self, number: int) -> Any:
        """Cancel an order."""
        if number < len(self.orders):
            return self.orders.pop(number)
        low = number < 100
        return [{"error": f"no order {number}"}] if low else {"error": "far too high"}  # fails: cancel

    @guarded_tool(risk=Risk.READ_ONLY)
    def note(
        self,
        item: str,
        count: int,
        tone: Literal["kind", "stern"] = "kind",  # fails: note
    ) -> str:
        """Read an order aloud."""
        made = Order(item=item, count=count)
        return f"{made.count} of {made.item}, {tone}"

    @guarded_tool(risk=Risk.READ_ONLY)
    def safe(self, item: str) -> str:
        """Never fails: what its helper raises is caught."""
        try:
            return str(priced(self.prices, item))
        except LookupError:
            return "free"


tools = Toolset.from_object(Shop())
