"""A bank's books, filled with all that a task needs, hidden obstacles included."""

from __future__ import annotations

import random

from artis_sdk.pocket.bank import CURRENCIES, Account, Bank, Hold, Schedule, Transfer
from artis_sdk.pocket.words import Part, amount, name

_LIMITS = (500, 700, 1000)


class Ledger:
    """Fills a bank.

    Args:
        rng: draws everything.
        part: of names and amounts; see `words`.
        bank: to be filled.
    """

    def __init__(self, rng: random.Random, part: Part, bank: Bank) -> None:
        self.rng = rng
        self.part = part
        self.bank = bank
        self._used: set[str] = set()
        bank.day = rng.randint(31, 79)
        bank.next_number = 10 * rng.randint(50, 98)

    def people(self, count: int) -> list[str]:
        """New people, not yet in the books."""
        found: list[str] = []
        while len(found) < count:
            one = name(self.rng, self.part)
            if one not in self._used:
                self._used.add(one)
                found.append(one)
        return found

    def amount(self, high: int = 490) -> int:
        return amount(self.rng, self.part, 20, high)

    def currency(self, *, but: str | None = None) -> str:
        return self.rng.choice([currency for currency in CURRENCIES if currency != but])

    def id(self, letter: str) -> str:
        """An unused identifier, below those that the bank assigns."""
        while True:
            found = f"{letter}{self.rng.randint(100, 499)}"
            if found not in self._used:
                self._used.add(found)
                return found

    def account(
        self,
        owner: str,
        needs: tuple[int, ...],
        currency: str | None = None,
        *,
        fits: bool = True,
        status: str = "active",
        empty: bool = False,
        limit: int | None = None,
    ) -> str:
        """An account for all these payments; with `fits=False` one that cannot make them.

        Args:
            needs: amounts of the payments; empty for an account that only receives.
            fits: False hides a reason: frozen, another currency, too little money, too low a limit.
            status, empty, limit: status, zero balance and daily limit of the account.
        """
        rng = self.rng
        total = sum(needs)
        whole = limit or rng.choice([one for one in _LIMITS if one >= total])
        left = 10 * rng.randint(-(-total // 10), whole // 10)
        free = total + 10 * rng.randint(0, 40)
        currency = currency or self.currency()
        if not fits:
            reasons = ["frozen", "currency"] if not needs else ["frozen", "funds", "funds", "limit", "limit"]
            match rng.choice(reasons if len(needs) != 1 else [*reasons, "currency"]):
                case "frozen":
                    status = "frozen"
                case "currency":
                    currency = self.currency(but=currency)
                case "funds":
                    free = self._short(needs)
                case "limit":
                    left = self._short(needs)
        made = Account(
            self.id("A"),
            owner,
            currency,
            0 if empty else free,
            limit=whole,
            sent_today=whole - left,
            status=status,
        )
        self.bank.accounts[made.id] = made
        return made.id

    def _short(self, needs: tuple[int, ...]) -> int:
        """Too little for all payments; with two, it usually suffices for the first."""
        lowest = needs[0] if len(needs) > 1 and self.rng.random() < 0.7 else 0
        return 10 * self.rng.randint(-(-lowest // 10), (sum(needs) - 1) // 10)

    def capped_account(self, owner: str, most: int, currency: str) -> str:
        """An account that can pay so much in all, and not ten more: by its money, or by today's limit."""
        more = most + 10 * self.rng.randint(3, 20)
        free, left = (most, more) if self.rng.random() < 0.4 else (more, most)
        made = Account(self.id("A"), owner, currency, free, limit=1000, sent_today=1000 - left)
        self.bank.accounts[made.id] = made
        return made.id

    def held_account(self, owner: str, needed: int, currency: str) -> tuple[str, str]:
        """An account that can pay an amount only when its hold is released."""
        source = self.account(owner, (needed,), currency)
        free = self.bank.accounts[source].balance
        return source, self.hold(source, free - needed + 10 * self.rng.randint(1, needed // 10))

    def hold(self, account: str, amount: int) -> str:
        made = Hold(self.id("H"), account, amount)
        self.bank.holds[made.id] = made
        return made.id

    def schedule(self, payer: str, payee: str) -> str:
        currency = self.currency()
        return self.schedule_between(self.account(payer, (), currency), self.account(payee, (), currency))

    def schedule_between(self, source: str, target: str) -> str:
        made = Schedule(self.id("S"), source, target, self.amount(), self.bank.day + self.rng.randint(1, 9))
        self.bank.schedules[made.id] = made
        return made.id

    def past_transfer(self, source: str, target: str, amount: int, *, old: bool) -> str:
        """A transfer of some days ago; an old one cannot be refunded."""
        day = self.bank.day - (self.rng.randint(31, 60) if old else self.rng.randint(1, 29))
        made = Transfer(self.id("T"), source, target, amount, day)
        self.bank.transfers[made.id] = made
        return made.id

    def shuffle(self) -> None:
        """Add unrelated accounts, and shuffle the books."""
        for _ in range(self.rng.randint(0, 2)):
            self.account(self.people(1)[0], ())
        accounts = list(self.bank.accounts.values())
        places = [self.rng.random() for _ in accounts]
        owners = {a.owner: [b for b in accounts if b.owner == a.owner] for a in accounts}
        mixed = [a for _, a in sorted(zip(places, accounts, strict=True), key=lambda pair: pair[0])]
        taken: dict[str, int] = {}
        self.bank.accounts = {}
        for account in mixed:  # a person's own accounts keep their order
            n = taken.get(account.owner, 0)
            taken[account.owner] = n + 1
            kept = owners[account.owner][n]
            self.bank.accounts[kept.id] = kept
