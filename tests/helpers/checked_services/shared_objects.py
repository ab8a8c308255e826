"""Objects that are reached in several ways, and classes that annotations do not tell."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar


@dataclass
class Account:
    owner: str
    balance: int
    note: str = field(default="-", compare=False)
    limit: ClassVar[int] = 5

    def allowed(self, amount: int) -> bool:
        return amount <= self.balance


@dataclass
class Credit(Account):
    def allowed(self, amount: int) -> bool:
        return amount <= self.balance + 100


class Policy:
    cap: int | None = 1000

    def check(self, amount: int) -> None:
        if self.cap is not None and amount > self.cap:
            raise ValueError(f"over {self.cap}")


class Strict(Policy):
    cap = 20


class Free(Policy):
    cap = None


class Node:
    def __init__(self, name: str, parent: Node | None = None) -> None:
        self.name = name
        self.parent = parent
        self.kids: list[Node] = []


class Cart:
    def __init__(self) -> None:
        self.items: list[int] = []

    def __len__(self) -> int:
        return len(self.items)


class Hidden:
    def __init__(self, number: int) -> None:
        self.number = number
        self.__check(number)

    def __check(self, number: int) -> None:
        if number < 0:
            raise ValueError("negative")


class Positive:
    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"_{name}"

    def __get__(self, on: Any, owner: type) -> Any:
        return getattr(on, self.name)

    def __set__(self, on: Any, value: int) -> None:
        if value < 0:
            raise ValueError("must be positive")
        setattr(on, self.name, value)


class Stock:
    def __init__(self) -> None:
        self.left = {"tea": 3}


class Desk:
    size = Positive()

    def __init__(self, stock: Stock) -> None:
        self.accounts = {"a": Account("a", 10), "c": Credit("c", 10)}
        self.current = self.accounts["a"]
        self.strict: Policy = Strict()
        self.free: Policy = Free()
        self.stock = stock
        self.cart = Cart()
        self.root = Node("root")
        self.root.kids.append(Node("kid", self.root))
        self.size = 3

    def draw(self, name: str, amount: int) -> Any:
        account = self.accounts[name]
        if not account.allowed(amount):
            raise ValueError(f"{type(account).__name__} of {account.owner} has {account.balance}")
        account.balance -= amount
        return [self.current.balance, account is self.current]

    def close(self, name: str) -> Any:
        if self.accounts[name] is self.current:
            raise RuntimeError("is current")
        del self.accounts[name]
        return len(self.accounts)

    def policed(self, amount: int) -> Any:
        self.free.check(amount)
        self.strict.check(amount)
        return "fine"

    def sell(self, name: str, count: int) -> Any:
        if self.stock.left.get(name, 0) < count:
            raise ValueError("out of stock")
        self.stock.left[name] -= count
        return self.stock.left

    def renamed(self, name: str) -> Any:
        kid = self.root.kids[0]
        assert kid.parent is not None
        kid.parent.name = name
        return self.root.name

    def empty(self) -> Any:
        return [bool(self.cart), not self.cart, any([self.cart]), len([self.cart])]

    def hidden(self, number: int) -> Any:
        return Hidden(number).number

    def made(self, name: str) -> Any:
        return [Account(name, 1), Account(name, 1, "x") == Account(name, 1, "y")]

    def resized(self, size: int) -> Any:
        self.size = size
        return "resized"


class Store:
    def __init__(self, stock: Stock) -> None:
        self.stock = stock

    def add(self, name: str, count: int) -> Any:
        self.stock.left[name] = self.stock.left.get(name, 0) + count
        return self.stock.left[name]


def make() -> list[object]:
    stock = Stock()
    return [Desk(stock), Store(stock)]


CALLS: list[tuple[str, dict[str, Any]]] = [
    ("draw", {"name": "c", "amount": 50}),
    ("draw", {"name": "a", "amount": 4}),
    ("draw", {"name": "a", "amount": 50}),
    ("draw", {"name": "q", "amount": 1}),
    ("close", {"name": "a"}),
    ("close", {"name": "c"}),
    ("policed", {"amount": 50}),
    ("policed", {"amount": 5}),
    ("sell", {"name": "tea", "count": 2}),
    ("add", {"name": "tea", "count": 1}),
    ("renamed", {"name": "new"}),
    ("empty", {}),
    ("hidden", {"number": 1}),
    ("hidden", {"number": -1}),
    ("made", {"name": "a"}),
    ("resized", {"size": -1}),
    ("resized", {"size": 1}),
]
