"""Places in a text at which a secret may stand: behind its name, after `Bearer`, in a URL, behind a prefix.

One pass finds which words of this kind a text has. For each of them a pattern that begins with the word goes
over the text and reports the places where what surrounds it allows a secret, so a text full of such words
costs little more than another. Where there are many such words, a second pass finds the rare ones, and their
patterns look there only.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from operator import itemgetter

from artis_sdk.logs.secret_names import SecretNames
from artis_sdk.logs.secret_tokens import BLOCK, PREFIXES, at_word
from artis_sdk.logs.text_search import Occurring, blocks, folded
from artis_sdk.records.redacted import PLACEHOLDER

LONGEST_NAME = 64
"""Characters of a name before and after the word that tells."""
_REST = rf"[a-z0-9_\w-]{{0,{LONGEST_NAME}}}+"  # of a name; `\w` alone takes half as long again
# The end of a quoted name, and the mark before its value: plain, in HTML, or in a URL.
_QUOTE = r"(?=[\\\"'&%\s=:])(?:&(?:amp;)*+(?:quot|apos|#0*+3[49]|#x0*+2[27]);|%2[27]|\\*+[\"']?)\s*+"
_SIGN = r"=>|:=|[:=]|%3[ad]|&#(?:58|61|x3[ad]);"
GAP = r"\s*+(?:(?:\\++\r?+\n|\\{3}(?:r\\)?+n)\s*+)*+"
"""White space, also that of a line that goes on behind a backslash, in a text or in a JSON string."""
_BLOCK_SCALAR = r"(?:[|>][+-]?+[0-9]?+[ \t]*+(?:\r?+\n|\\++n)\s*+)?+"  # YAML's
AFTER_NAME = re.compile(rf"(?i:{_QUOTE}(?:{_SIGN})){GAP}{_BLOCK_SCALAR}")
AUTHORITY = re.compile(rf"(?P<user>(?:[^/\s:@\[?#\"'<>\\]++|{PLACEHOLDER})*+)(?::(?P<value>[^/\s@]++))?@")
USER = re.compile(
    r"[ =]?+[ \t]*+(?:\\++\r?+\n[ \t]*+)*+\\?+[\"']?+(?!-)"
    r"(?P<user>[^\s:\"'\\/]{1,128}+):(?P<value>[^\s\"'\\]++)"
)
_VERB = r"(?:is|was):?+\s++"
_RANDOM = r"[\"'`]?+(?=[^\s\"'`,;]{6})(?=[^\s\"'`,;0-9]*+[0-9])"
# Each behind a check that passes over most words of a sentence at once. The usual marks come first: the rest
# finds them too, in twice the time.
_ASSIGNED = (
    r"(?! (?:[a-hj-vx-z]|(?:is|was) [a-z]++[\s,;]))"
    rf"(?=[\"']?+[:=]|{_QUOTE}(?:{_SIGN}|(?<=\s){_VERB}{_RANDOM}))"
)
# `login ann password x` has no mark between; said of passwords alone.
_ASSIGNED_OR_SPOKEN = (
    r"(?! (?:(?!is|was)|(?:is|was) )[a-z]++[\s,;\"'`])"
    rf"(?=[\"']?+[:=]|{_QUOTE}(?:{_SIGN}|(?<=\s)(?:{_VERB})?+{_RANDOM}))"
)
_KEY = r"[a-z0-9_.~+/=-]"
_BEARER = rf"\s++(?={_KEY}{{8}})(?=[^\s0-9]*+[0-9]|{_KEY}{{24}})"
_BASIC = (  # with a capital or a digit, as no word of a sentence has
    r"(?=(?:\\?[\"'])?+[a-z+/]{0,40}+[A-Z0-9])(?=(?:\\?[\"'])?+"
    r"[A-Za-z0-9+/]{4}(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?+(?![^\s\"'\\<>]))"
)
_COMMANDS = {
    **dict.fromkeys(("docker login", "podman login", "registry login"), r"\s++-p[ =]"),
    **dict.fromkeys(("mysql", "mysqldump", "mysqladmin", "mariadb", "mariadb-dump"), r"\s++-p(?=\S)"),
    "redis-cli": r"\s++-a\s",
    "vault login": r"(?=\s++[^\s-])",
}
"""Command lines with a password in a flag of one letter, and that flag."""
_STDIN = r"sudo\s[^\n|;]{0,40}?-s\b|--\w{0,20}+-?+stdin|chpasswd|--passphrase-fd"
_PIPED = rf"[^\n|;]{{0,80}}+\|(?=[^\n|;]{{0,80}}?(?:{_STDIN}))"
"""A text that a command reads as a password: `echo x | sudo -S ls`."""
_QUERY = {"sig=": 6, "signature=": 6, "x-amz-signature=": 6, "key=": 16, "code=": 16}
"""Parameters of a URL that sign it, and the least length of their value."""


_WITH_CASE = frozenset({"token", "block", "basic"})
"""Kinds that are spelled with capitals or without."""
_FEW_WORDS = 4  # in a text; for each a pattern goes over it in less time than one search for all takes
_SHORT = 20_000  # characters of a text in which no word is worth the search
_OFTEN = 500  # characters for each of them; a pattern that goes over a text finds more than that in less time
_AT_ONCE = 256  # places, more than a budget reads on for nothing

Place = tuple[int, int, str, str]
"""Start and end of a place at which a secret may stand, its kind, and the word that tells."""


class SecretPlaces:
    """Finds the places.

    Args:
        names: the names of secrets; without any nothing is found.
    """

    def __init__(self, names: SecretNames) -> None:
        self._patterns: dict[str, list[tuple[str, str, re.Pattern[str]]]] = {}
        self._add("name", {word: _name_pattern(word) for word in names.starts})
        if names.any:
            self._add("token", PREFIXES)
            self._add("block", {"-----begin ": BLOCK})
            self._add("spaced", {name: _before(name, AFTER_NAME) for name in names.spaced})
            self._add("url", {"://": re.compile(rf"://(?!:/)(?={AUTHORITY.pattern})")})
            self._add("bearer", {"bearer": at_word("bearer", _BEARER)})
            self._add("basic", {word: at_word(word, _BASIC) for word in ("basic ", "Basic ", "BASIC ")})
            self._add("word", {"sshpass -p": at_word("sshpass -p", "")})
            self._add("word", {word: _command_pattern(word, flag) for word, flag in _COMMANDS.items()})
            self._add("user", {word: at_word(word, f"(?! -)(?={USER.pattern})") for word in ("-u", "--user")})
            self._add("piped", {word: at_word(word, f"(?={_PIPED})") for word in ("echo ", "printf ")})
            # These are looked for elsewhere: in tags, and in command lines that are lists.
            self._add("tag", dict.fromkeys(("value=", "content="), _NOWHERE))
            self._add("command", dict.fromkeys((word.split()[0] for word in _COMMANDS), _NOWHERE))
            self._add("query", {word: _query_pattern(word, least) for word, least in _QUERY.items()})
            self._add("attribute", {word: _attribute_pattern(word) for word in names.starts})
        self._words = Occurring(self._patterns)

    def _add(self, kind: str, patterns: dict[str, re.Pattern[str]]) -> None:
        # A word may begin several things: `auth` a name, `sk-` a name and a key.
        for word, pattern in patterns.items():
            self._patterns.setdefault(word.lower(), []).append((kind, word, pattern))

    def may_hold(self, text: str | bytes) -> bool:
        """Whether the text, or its UTF-8, could hold a secret; False is certain, and found quickly."""
        if isinstance(text, bytes):
            if text.isascii():
                return self._words.any_in(text.lower())
            text = text.decode()
        return self._words.any_in(folded(text))

    def find(self, text: str) -> Iterator[Place]:
        """The places of a text, in order; the search goes on with each step of the iterator."""
        lower = folded(text)
        runs = self._runs(text, lower)
        few = len(runs) <= _FEW_WORDS or len(lower) <= _SHORT
        often = runs if few else {}
        rare = {} if few else runs
        for start, stop in blocks(len(lower)):
            places: list[Place] = []
            found = self._words.starts(lower, start, stop, frozenset(often)) if rare else {}
            for word, starts in found.items():
                if len(starts) * _OFTEN > stop - start:
                    often[word] = rare.pop(word)
                    for run in often[word]:
                        run.skip(start)
                else:
                    for run in rare[word]:
                        places += run.at(starts)
            for run in chain.from_iterable(often.values()):
                places += run.before(stop)
            yield from sorted(places)

    def _runs(self, text: str, lower: str) -> dict[str, list[_Run]]:
        """What is to be searched for in a text, by the words of which it is known that they occur."""
        held = self._words.find(lower)
        in_tags = "value=" in held or "content=" in held
        return {
            word: [
                _Run(kind, as_written, pattern, text if kind in _WITH_CASE else lower)
                for kind, as_written, pattern in self._patterns[word]
                if kind != "attribute" or in_tags
            ]
            for word in held
        }


class _Run:
    """The places of one kind at one word, found from the start of a text to its end.

    Args:
        kind, word: these of the places.
        pattern: what a place looks like; it begins with the word.
        text: text to search.
    """

    def __init__(self, kind: str, word: str, pattern: re.Pattern[str], text: str) -> None:
        self._kind, self._word, self._pattern, self._text = kind, word, pattern, text
        self._end = 0  # of the last place
        self._spans: Iterator[tuple[int, int]] | None = None
        self._waiting: list[Place] = []

    def at(self, starts: Iterable[int]) -> Iterator[Place]:
        """The places among these, at which the word stands. The quicker way for a word that is rare."""
        for start in starts:
            if start >= self._end and (match := self._pattern.match(self._text, start)) is not None:
                self._end = match.end()
                yield start, self._end, self._kind, self._word

    def skip(self, start: int) -> None:
        """Search on from here."""
        self._end = max(self._end, start)

    def before(self, stop: int) -> list[Place]:
        """The further places that begin before this one. The quicker way for a word that is not rare."""
        if self._spans is None:
            self._spans = map(re.Match.span, self._pattern.finditer(self._text, self._end))
        waiting, kind, word = self._waiting, self._kind, self._word
        if stop == len(self._text):
            return [*waiting, *((start, end, kind, word) for start, end in self._spans)]
        while not waiting or waiting[-1][0] < stop:
            more = [(start, end, kind, word) for start, end in islice(self._spans, _AT_ONCE)]
            if not more:
                break
            waiting += more
        number = bisect_left(waiting, stop, key=itemgetter(0))
        self._waiting = waiting[number:]
        return waiting[:number]


def _name_pattern(word: str) -> re.Pattern[str]:
    """A word of a name, in a name to which a value belongs: `password=`, `--password x`, `<password>x`."""
    assigned = _ASSIGNED_OR_SPOKEN if word == "pass" else _ASSIGNED
    word = re.escape(word)
    return re.compile(
        # The next word of a sentence: not here, unless this is a flag or a tag.
        rf"{word}(?!{word}| [a-hj-vx-z](?<![\w<-]{word}..))"
        rf"(?:(?<=[\w<-]{word}){_REST}(?=[ \t>])|{_REST}{assigned})"
    )


_NOWHERE = re.compile(r"(?!)")


def _attribute_pattern(word: str) -> re.Pattern[str]:
    """A word at the end of an attribute's value: `type="password" value=`, `key='token'/>`."""
    word = re.escape(word)
    return re.compile(
        rf"{word}(?<=[=\"'.\w-]{word}){_REST}"
        r"(?=\\*+[\"']?+(?:\s++[\w:.-]{1,32}+=|\s*+/?+>))"
    )


def _before(word: str, then: re.Pattern[str]) -> re.Pattern[str]:
    return re.compile(f"{re.escape(word)}(?={then.pattern})")


def _command_pattern(word: str, flag: str) -> re.Pattern[str]:
    """A command as far as its flag, at most twelve words later."""
    return at_word(word, rf"(?:(?!{flag})\s++\S++){{0,12}}+{flag}")


def _query_pattern(word: str, least: int) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(word)}(?<=[?&;]{re.escape(word)})(?=[^&\s#\"'\\<>]{{{least}}})")
