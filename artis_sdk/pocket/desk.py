"""The payments desk: the bank's tools, guarded as a user would guard their own methods."""

from __future__ import annotations

from typing import Any, Final

from artis_sdk.pocket.bank import (
    CURRENCIES,
    EURO_VALUE,
    Account,
    Bank,
    BankError,
    Closed,
    Duplicate,
    Expired,
    Hold,
    InsufficientFunds,
    NotFound,
    OverLimit,
    Schedule,
    Transfer,
    WrongCurrency,
    positive,
)
from artis_sdk.records import Risk
from artis_sdk.tools import Toolset, guarded_tool

REFUND_DAYS = 30
READ = guarded_tool(risk=Risk.READ_ONLY, failures=BankError)
CHANGE = guarded_tool(risk=Risk.REVERSIBLE, failures=BankError)
FINAL = guarded_tool(risk=Risk.IRREVERSIBLE, failures=BankError)


class Desk:
    """The tools of one payments desk. Every answer is a receipt, as real payment services give."""

    def __init__(self, bank: Bank) -> None:
        self.bank = bank

    # --- looking ------------------------------------------------------------------------------

    @READ
    def list_accounts(self, owner: str) -> list[str]:
        """The identifiers of a person's accounts that are not closed.

        Args:
            owner: the person's name.
        """
        found = [a.id for a in self.bank.accounts.values() if a.owner == owner and a.status != "closed"]
        if not found:
            raise NotFound(f"{owner} has no account")
        return found

    @READ
    def get_account(self, account: str) -> dict[str, Any]:
        """Owner, currency, status and free balance of an account.

        Args:
            account: identifier, such as A417.
        """
        found = self.bank.account(account)
        return {
            "owner": found.owner,
            "currency": found.currency,
            "status": found.status,
            "free": self.bank.free_balance(found),
        }

    @READ
    def get_limit(self, account: str) -> dict[str, int]:
        """Daily limit of an account and how much of it is left today.

        Args:
            account: identifier, such as A417.
        """
        found = self.bank.account(account)
        return {"limit": found.limit, "left": found.limit - found.sent_today}

    @READ
    def get_transfer(self, transfer: str) -> dict[str, Any]:
        """A transfer's receipt.

        Args:
            transfer: identifier, such as T417.
        """
        found = self._transfer(transfer)
        return {
            "source": found.source,
            "target": found.target,
            "amount": found.amount,
            "day": found.day,
            "refunded": found.refunded,
        }

    @READ
    def get_statement(self, account: str) -> list[str]:
        """The identifiers of an account's transfers, oldest first.

        Args:
            account: identifier, such as A417.
        """
        self.bank.account(account)
        return [t.id for t in self.bank.transfers.values() if account in (t.source, t.target)]

    @READ
    def list_schedules(self, account: str) -> list[str]:
        """The identifiers of the transfers scheduled from an account.

        Args:
            account: identifier, such as A417.
        """
        self.bank.account(account)
        return [s.id for s in self.bank.schedules.values() if s.source == account]

    @READ
    def get_rate(self, source: str, target: str) -> int:
        """What 100 units of one currency are worth in another, rounded down.

        Args:
            source: currency, such as EUR.
            target: currency, such as USD.
        """
        for currency in (source, target):
            if currency not in CURRENCIES:
                raise WrongCurrency(f"{currency} is not traded here")
        return 100 * EURO_VALUE[source] // EURO_VALUE[target]

    # --- what can be undone -------------------------------------------------------------------

    @CHANGE
    def place_hold(self, account: str, amount: int) -> dict[str, str]:
        """Set money of an account aside.

        Args:
            account: identifier, such as A417.
            amount: whole units.
        """
        positive(amount)
        found = self.bank.usable(account)
        if amount > self.bank.free_balance(found):
            raise InsufficientFunds(f"account {account} does not cover {amount}")
        hold = Hold(self.bank.new_id("H"), account, amount)
        self.bank.holds[hold.id] = hold
        return {"hold": hold.id}

    @CHANGE
    def release_hold(self, hold: str) -> dict[str, str]:
        """Give held money back to its account.

        Args:
            hold: identifier, such as H417.
        """
        if hold not in self.bank.holds:
            raise NotFound(f"hold {hold} does not exist")
        self.bank.account(self.bank.holds[hold].account)
        del self.bank.holds[hold]
        return {"released": hold}

    @CHANGE
    def freeze_account(self, account: str) -> dict[str, str]:
        """Stop all money on an account.

        Args:
            account: identifier, such as A417.
        """
        self.bank.usable(account).status = "frozen"
        return {"frozen": account}

    @CHANGE
    def unfreeze_account(self, account: str) -> dict[str, str]:
        """Let money move on a frozen account again; managers only.

        Args:
            account: identifier, such as A417.
        """
        found = self.bank.account(account)
        self.bank.require_manager("unfreeze accounts")
        if found.status != "frozen":
            raise Duplicate(f"account {account} is not frozen")
        found.status = "active"
        return {"unfrozen": account}

    @CHANGE
    def set_limit(self, account: str, amount: int) -> dict[str, Any]:
        """Change an account's daily limit; raising it is for managers.

        Args:
            account: identifier, such as A417.
            amount: the new limit, whole units.
        """
        positive(amount)
        found = self.bank.account(account)
        if amount > found.limit:
            self.bank.require_manager("raise limits")
        found.limit = amount
        return {"limit": amount}

    @CHANGE
    def schedule_transfer(self, source: str, target: str, amount: int, day: int) -> dict[str, str]:
        """Plan a transfer for a later day.

        Args:
            source: account that pays.
            target: account that receives.
            amount: whole units.
            day: the day's number, after today's.
        """
        positive(amount)
        self._pair(source, target)
        if day <= self.bank.day:
            raise Expired(f"day {day} has passed; today is {self.bank.day}")
        schedule = Schedule(self.bank.new_id("S"), source, target, amount, day)
        self.bank.schedules[schedule.id] = schedule
        return {"schedule": schedule.id}

    @CHANGE
    def cancel_schedule(self, schedule: str) -> dict[str, str]:
        """Drop a scheduled transfer.

        Args:
            schedule: identifier, such as S417.
        """
        if self.bank.schedules.pop(schedule, None) is None:
            raise NotFound(f"schedule {schedule} does not exist")
        return {"cancelled": schedule}

    # --- what cannot be undone ----------------------------------------------------------------

    @FINAL
    def transfer(self, source: str, target: str, amount: int) -> dict[str, Any]:
        """Move money between two accounts of one currency, now.

        Args:
            source: account that pays.
            target: account that receives.
            amount: whole units.
        """
        positive(amount)
        paying, receiving = self._pair(source, target)
        if any(
            (t.source, t.target, t.amount, t.day) == (source, target, amount, self.bank.day)
            for t in self.bank.transfers.values()
        ):
            raise Duplicate(f"{amount} went from {source} to {target} today already")
        self.bank.debit(paying, amount)
        receiving.balance += amount
        made = Transfer(self.bank.new_id("T"), source, target, amount, self.bank.day)
        self.bank.transfers[made.id] = made
        return {"transfer": made.id}

    @FINAL
    def convert(self, source: str, target: str, amount: int) -> dict[str, Any]:
        """Move money between two accounts of one owner in different currencies.

        Args:
            source: account that pays.
            target: account that receives.
            amount: whole units of the paying account's currency.
        """
        positive(amount)
        paying, receiving = self.bank.usable(source), self.bank.usable(target)
        if paying.currency == receiving.currency:
            raise WrongCurrency(f"{source} and {target} are both in {paying.currency}; use transfer")
        if paying.owner != receiving.owner:
            raise WrongCurrency(f"{source} and {target} have different owners")
        self.bank.debit(paying, amount)
        receiving.balance += amount * EURO_VALUE[paying.currency] // EURO_VALUE[receiving.currency]
        return {"converted": amount}

    @FINAL
    def refund(self, transfer: str) -> dict[str, str]:
        """Send a transfer's money back, within 30 days.

        Args:
            transfer: identifier, such as T417.
        """
        found = self._transfer(transfer)
        if found.refunded:
            raise Duplicate(f"transfer {transfer} was refunded already")
        if self.bank.day - found.day > REFUND_DAYS:
            raise Expired(f"transfer {transfer} is older than {REFUND_DAYS} days")
        receiver, payer = self.bank.usable(found.target), self.bank.usable(found.source)
        if found.amount > self.bank.free_balance(receiver):
            raise InsufficientFunds(f"account {receiver.id} does not cover {found.amount}")
        receiver.balance -= found.amount
        payer.balance += found.amount
        found.refunded = True
        return {"refunded": transfer}

    @FINAL
    def withdraw(self, account: str, amount: int) -> dict[str, Any]:
        """Pay cash out of an account.

        Args:
            account: identifier, such as A417.
            amount: whole units.
        """
        positive(amount)
        self.bank.debit(self.bank.usable(account), amount)
        return {"paid_out": amount}

    @FINAL
    def close_account(self, account: str) -> dict[str, str]:
        """Close an empty account for good; managers only.

        Args:
            account: identifier, such as A417.
        """
        found = self.bank.account(account)
        self.bank.require_manager("close accounts")
        if found.balance > 0:
            raise OverLimit(f"account {account} is not empty")
        found.status = "closed"
        return {"closed": account}

    # --- not tools ----------------------------------------------------------------------------

    def _pair(self, source: str, target: str) -> tuple[Account, Account]:
        paying, receiving = self.bank.usable(source), self.bank.usable(target)
        if source == target:
            raise Duplicate(f"{source} cannot pay itself")
        if paying.currency != receiving.currency:
            raise WrongCurrency(f"{source} is in {paying.currency}, {target} in {receiving.currency}")
        return paying, receiving

    def _transfer(self, transfer: str) -> Transfer:
        found = self.bank.transfers.get(transfer)
        if found is None:
            raise NotFound(f"transfer {transfer} does not exist")
        if found.source not in self.bank.accounts or found.target not in self.bank.accounts:
            raise Closed(f"transfer {transfer} belongs to an account that is gone")
        return found


def pocket_tools(bank: Bank) -> Toolset:
    """The desk's 19 tools over a bank."""
    return Toolset.from_object(Desk(bank))


TOOL_NAMES: Final[dict[str, tuple[str, ...]]] = {
    tool.name: tuple(tool.spec.parameters["properties"]) for tool in pocket_tools(Bank())
}
"""The desk's tools, each with its parameters."""
