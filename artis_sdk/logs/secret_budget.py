"""A limit of secrets distinguished in one value: a value full of them takes no longer than another."""

from __future__ import annotations

from artis_sdk.logs.secrets import Secrets

PLACES = 2_000
"""Places of secrets in a value of up to a megabyte that are replaced one by one."""
DIFFERENT = 300
"""Different secrets in such a value that are remembered in all their forms."""
_MEGABYTE = 1_000_000


class SecretBudget:
    """The secrets of one value, remembered while they are few.

    Beyond `PLACES` in each megabyte, a whole text in which one stands, and a value under a secret's name, is
    replaced by a placeholder that stands for no secret in particular. Beyond `DIFFERENT`, a secret is
    remembered as a word, not in its encoded forms.

    Args:
        known: receives the secrets.
        size: characters of the value.
    """

    def __init__(self, known: Secrets, size: int) -> None:
        megabytes = max(1.0, size / _MEGABYTE)
        self.known = known
        self._one_of_many = known.one_of_many
        self._places = int(PLACES * megabytes)
        self._different = int(DIFFERENT * megabytes)

    @property
    def spent(self) -> bool:
        """Whether the value has more secrets than are distinguished."""
        return self._places <= 0

    def add(self, secret: str | int | float) -> str:
        """Remember a secret of the value, and return what takes its place."""
        if self._places <= 0:
            return self._one_of_many
        self._places -= 1
        stand_in = self.known.stand_in(str(secret))
        if self.known.knows(stand_in):
            return stand_in
        if self._different <= 0:
            return self.known.add_word(str(secret))
        self._different -= 1
        return self.known.add(secret)

    def pass_by(self, word: str) -> str:
        """What takes the place of a word that is secret here and may be any word elsewhere."""
        self._places -= 1
        return self.known.stand_in(word) if self._places >= 0 else self.known.one_of_many
