"""Example with several tools: a search, a calculator, and a shop whose final state is what counts."""

from __future__ import annotations

import ast
import random
from collections.abc import Mapping
from typing import Any, Final

from artis_sdk.records import Risk, ToolCall
from artis_sdk.simulators.interpreter.operators import ARITHMETIC
from artis_sdk.tools import Toolset, guarded_tool
from artis_sdk.trainers.agent.rollout import AgentTask

_KINDS: Final = ("lamp", "chair", "desk", "shelf", "clock", "kettle", "mirror", "rug")
_COLOURS: Final = ("red", "blue", "green", "white", "black")


@guarded_tool(risk=Risk.READ_ONLY)
def calculator(expression: str) -> float | int:
    """Work out a sum of numbers with + - * / // % and brackets.

    Args:
        expression: such as `3 * (4 + 5)`.
    """
    if len(expression) > 200:
        raise ValueError("an expression has at most 200 characters")
    return _value(ast.parse(expression.strip(), mode="eval").body)


def _value(node: ast.expr) -> float | int:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        number: float | int = node.value  # type: ignore[assignment]
        return number
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand)
    if isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
        found: float | int = ARITHMETIC[type(node.op)](_value(node.left), _value(node.right))
        return found
    raise ValueError("only numbers, + - * / // % and brackets")


class Shop:
    """Products with prices and stock, and what has been ordered."""

    def __init__(self, products: Mapping[str, tuple[str, int, int]]) -> None:
        self.stock = {id: stock for id, (_, _, stock) in products.items()}
        self.orders: dict[str, int] = {}
        self._names = {id: name for id, (name, _, _) in products.items()}
        self._prices = {id: price for id, (_, price, _) in products.items()}

    def search(self, words: str) -> list[dict[str, str]]:
        """Find products by words of their names.

        Args:
            words: all must occur.
        """
        wanted = words.casefold().split()
        return [
            {"product": id, "name": name}
            for id, name in self._names.items()
            if all(word in name.split() for word in wanted)
        ]

    def price(self, product: str) -> int:
        """The price of one piece.

        Args:
            product: its id.
        """
        return self._prices[self._known(product)]

    def order(self, product: str, pieces: int) -> str:
        """Order a product.

        Args:
            product: its id.
            pieces: how many.
        """
        if not 0 < pieces <= self.stock[self._known(product)]:
            raise ValueError(f"there are {self.stock[product]} pieces of {product}")
        self.stock[product] -= pieces
        self.orders[product] = self.orders.get(product, 0) + pieces
        return f"ordered {pieces} of {product}"

    def _known(self, product: str) -> str:
        if product not in self._names:
            raise KeyError(f"no product {product!r}")
        return product


def shop_tools(shop: Shop) -> Toolset:
    """Search, price and order of a shop, and a calculator."""
    risks = {"search": Risk.READ_ONLY, "price": Risk.READ_ONLY, "order": Risk.REVERSIBLE}
    return Toolset.from_object(shop, risks=risks) + Toolset(calculator)


def shop_tasks(number: int, *, seed: int = 0) -> list[AgentTask]:
    """Questions about prices, judged by their answer, and orders, judged by the shop's final state.

    Args:
        number: number of tasks.
        seed: seed of the tasks; two seeds share no draws.
    """
    rng = random.Random(f"shop {seed}")
    return [_task(f"shop-{seed}-{n}", rng) for n in range(number)]


def _task(id: str, rng: random.Random) -> AgentTask:
    names = rng.sample([f"{colour} {kind}" for colour in _COLOURS for kind in _KINDS], 6)
    ids = [f"P{number}" for number in rng.sample(range(100, 1000), len(names))]
    products = {
        product: (name, rng.randrange(5, 90), rng.randrange(5, 20))
        for product, name in zip(ids, names, strict=True)
    }
    shop = Shop(products)
    tools = shop_tools(shop)
    product, (name, price, stock) = rng.choice(list(products.items()))
    pieces = rng.randrange(2, 5)
    look = [_call("search", words=name), _call("price", product=product)]
    if rng.random() < 0.5:
        sum_ = _call("calculator", expression=f"{pieces} * {price}")
        query = f"What do {pieces} pieces of the {name} cost?"
        return AgentTask(id, query, tools, answer=str(pieces * price), calls=(*look, sum_))
    order = _call("order", product=product, pieces=pieces)
    goal = {"Shop": {"stock": {**shop.stock, product: stock - pieces}, "orders": {product: pieces}}}
    query = f"Order {pieces} pieces of the {name}, and answer with the word ordered."
    return AgentTask(id, query, tools, answer="ordered", goal=goal, calls=(look[0], order))


def _call(tool: str, **arguments: Any) -> ToolCall:
    return ToolCall(tool=tool, arguments=arguments)
