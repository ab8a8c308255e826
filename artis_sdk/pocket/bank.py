"""The bank's books: plain Python, no I/O, everything deterministic.

Amounts are whole units of an account's currency. Identifiers are a letter and three digits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

CURRENCIES = ("EUR", "USD", "GBP")
# Units of EUR that 100 units of a currency are worth.
EURO_VALUE = {"EUR": 100, "USD": 90, "GBP": 120}


class BankError(Exception):
    """A refusal of the bank; the class is the failure type."""


class NotFound(BankError):
    """No account, transfer, hold or schedule has this identifier."""


class Frozen(BankError):
    """The account is frozen: money can neither leave nor reach it."""


class Closed(BankError):
    """The account is closed for good."""


class InsufficientFunds(BankError):
    """The free balance (balance less holds) does not cover the amount."""


class OverLimit(BankError):
    """The amount would pass the account's daily limit."""


class Duplicate(BankError):
    """The same transfer was made today already, or there is such a thing already."""


class Expired(BankError):
    """Too late: the transfer is too old to refund, or the day has passed."""


class BadAmount(BankError):
    """The amount is not a positive whole number."""


class WrongCurrency(BankError):
    """The accounts' currencies do not fit this operation."""


class NotPermitted(BankError):
    """The desk's operator may not do this."""


@dataclass
class Account:
    id: str
    owner: str
    currency: str
    balance: int
    limit: int = 1000
    """What may leave the account in one day."""
    sent_today: int = 0
    status: str = "active"
    """active, frozen or closed"""


@dataclass
class Transfer:
    id: str
    source: str
    target: str
    amount: int
    day: int
    refunded: bool = False


@dataclass
class Hold:
    id: str
    account: str
    amount: int


@dataclass
class Schedule:
    id: str
    source: str
    target: str
    amount: int
    day: int


@dataclass
class Bank:
    """All books of one bank. `day` counts from 0; refunds are possible for 30 days."""

    accounts: dict[str, Account] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    holds: dict[str, Hold] = field(default_factory=dict)
    schedules: dict[str, Schedule] = field(default_factory=dict)
    day: int = 40
    operator: str = "teller"
    """teller or manager; only a manager may unfreeze, close and raise limits"""
    next_number: int = 500

    def account(self, account: str) -> Account:
        """An account that is not closed.

        Raises:
            NotFound, Closed
        """
        found = self.accounts.get(account)
        if found is None:
            raise NotFound(f"account {account} does not exist")
        if found.status == "closed":
            raise Closed(f"account {account} is closed")
        return found

    def usable(self, account: str) -> Account:
        """An account that money can move on.

        Raises:
            NotFound, Closed, Frozen
        """
        found = self.account(account)
        if found.status == "frozen":
            raise Frozen(f"account {account} is frozen")
        return found

    def free_balance(self, account: Account) -> int:
        """Balance less holds, in whole units."""
        held = sum(hold.amount for hold in self.holds.values() if hold.account == account.id)
        return account.balance - held

    def debit(self, account: Account, amount: int) -> None:
        """Check that an amount may leave an account today, and book it.

        Raises:
            InsufficientFunds, OverLimit
        """
        if amount > self.free_balance(account):
            raise InsufficientFunds(f"account {account.id} does not cover {amount}")
        if account.sent_today + amount > account.limit:
            raise OverLimit(f"account {account.id} may send {account.limit - account.sent_today} more today")
        account.balance -= amount
        account.sent_today += amount

    def new_id(self, letter: str) -> str:
        """The next identifier, such as `T501`."""
        self.next_number += 1
        return f"{letter}{self.next_number}"

    def require_manager(self, what: str) -> None:
        """Raises NotPermitted unless the operator is a manager."""
        if self.operator != "manager":
            raise NotPermitted(f"a {self.operator} may not {what}")


def positive(amount: int) -> int:
    """Raises BadAmount unless the amount is positive."""
    if amount <= 0:
        raise BadAmount(f"amount {amount} is not positive")
    return amount
