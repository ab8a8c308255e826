"""Names of secrets: `api_key`, `clientSecret`, `X-Auth-Token`; not `max_tokens`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

from artis_sdk.logs.text_search import TextSearch, texts_at

SECRET_NAMES = frozenset(
    {
        *("password", "pass_word", "passwd", "passphrase", "pass_phrase", "passcode", "pass_code", "pwd"),
        *("pass", "pw", "psw"),
        *("secret", "credential", "mnemonic", "seed_phrase", "connection_string"),
        *("api_key", "access_key", "secret_key", "private_key", "signing_key", "encryption_key"),
        *("master_key", "session_key", "shared_key", "ssh_key", "account_key"),
        *("token", "access_tokens", "refresh_tokens", "auth_tokens", "api_tokens", "bearer_tokens"),
        *("authorization", "auth", "bearer", "jwt", "cookie"),
        *("pin", "cvv", "cvc", "otp", "totp", "security_code", "verification_code", "auth_code"),
        *("mfa_code", "recovery_code", "backup_code"),
        *("card_number", "ssn", "social_security_number"),
    }
)
"""Names of secrets, words joined by `_`. A word also counts inside a longer name (`old_password`)."""

# `token_count` and `password_expires_at` describe a secret but do not hold one.
_ABOUT = frozenset(
    {
        *("count", "counts", "limit", "limits", "budget", "usage", "length", "len", "size", "type", "ids"),
        *("ttl", "expiry", "expires", "expiration", "policy", "required", "enabled", "strength"),
    }
)
# These are everyday words too (`pin_message_id`, `auth_method`): they must end the name, or be followed by
# one of the second set.
_EVERYDAY = frozenset({"pin", "auth"})
_ENDS = frozenset({"code", "number", "value", "hash", "digits", "header", "key", "string"})
# `pass` is a password on its own and behind one of these (`DB_PASS`); not in `boarding_pass`, `pass_rate`.
_ACCOUNTS = frozenset(
    {
        *("db", "database", "sql", "mysql", "mariadb", "postgres", "pg", "redis", "mongo", "rabbitmq", "mq"),
        *("user", "admin", "root", "login", "account", "client", "service", "smtp", "imap", "mail", "email"),
        *("become", "vault", "keystore", "truststore", "oracle", "mssql", "zip", "key", "cert"),
        *("ftp", "sftp", "ssh", "ldap", "proxy", "http", "wifi", "api", "auth", "sudo", "master", "my"),
    }
)
# A longer word that ends so is a name run together: `clientsecret`, `userpassword`.
_TAILS = ("password", "passwd", "passphrase", "secret", "token", "apikey")

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")


def split_words(name: str) -> list[str]:
    """`XApi-keyV2` as `["x", "api", "key", "v", "2"]`."""
    return [word.lower() for word in _WORD.findall(name)]


class SecretNames:
    """Decides by name.

    Args:
        names: names of secrets, words joined by `_`; each also counts without the `_`, in the plural
            (`token` excepted) and as part of a longer name.
        allow: names that are not secret, whatever they contain; each counts for the whole name only.
    """

    def __init__(self, names: Iterable[str], allow: Iterable[str] = ()) -> None:
        self._names = {tuple(split_words(name)) for name in names} - {()}
        self._names |= {("".join(words),) for words in self._names}
        self._names |= {(*words[:-1], f"{words[-1]}s") for words in self._names if words[-1] != "token"}
        self.any = bool(self._names)
        self._longest = max(map(len, self._names), default=0)
        self._tails = tuple(tail for tail in _TAILS if (tail,) in self._names)
        self._allowed = {tuple(split_words(name)) for name in allow}
        self.is_secret = lru_cache(maxsize=8192)(self._is_secret)
        """Whether a parameter, key or header of this name holds a secret."""
        starts = {words[0] for words in self._names}
        self.starts = sorted(word for word in starts if not any(other in word for other in starts - {word}))
        """Words of which one is in every name of a secret, in lower case."""
        self.spaced = [" ".join(words) for words in self._names if len(words) > 1]
        """Names of several words as a sentence has them: `api key`."""
        self._search = TextSearch(self.starts, ignore_case=True)

    def suspects(self, names: Sequence[str]) -> set[str]:
        """Those of many names that could be the name of a secret."""
        return {name for name, _ in texts_at(names, self._search.starts("\n".join(names)))}

    def _is_secret(self, name: str) -> bool:
        words = split_words(name)
        if tuple(words) in self._allowed:
            return False
        return any(self._holds(words, start) for start in range(len(words)))

    def _holds(self, words: list[str], start: int) -> bool:
        for length in range(1, min(self._longest, len(words) - start) + 1):
            found, after = tuple(words[start : start + length]), words[start + length :]
            if found not in self._names and not (length == 1 and found[0].endswith(self._tails)):
                continue
            if found[0] in _EVERYDAY and length == 1 and after and not _is_ending(after[0]):
                continue
            if found == ("pass",) and (after or (start > 0 and words[start - 1] not in _ACCOUNTS)):
                continue
            if not _ABOUT.intersection(after):
                return True
        return False


def _is_ending(word: str) -> bool:
    return word in _ENDS or word.isdigit()
