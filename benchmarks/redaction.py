"""What redaction finds and misses in a hundred made-up calls, and what it hides in a hundred harmless ones.

Each case is a few calls of one session, made by a seeded generator, with one secret in them. It is found
where neither the secret nor any form or piece of it that the generator wrote is left in what a journal would
hold. `detect-secrets` is given the texts of each call in a text file, in a configuration file and as JSON,
with its default plugins and filters, and what it finds in any of them is taken out of the call.

    pip install detect-secrets "artis-sdk[secrets]"
    python benchmarks/redaction.py --seed 1
"""

from __future__ import annotations

import argparse
import json
import random
import string
import tempfile
from base64 import b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from pydantic import JsonValue

from artis_sdk.logs import Redactor
from artis_sdk.logs.leaves import all_texts, map_leaves
from artis_sdk.logs.provider_keys import ProviderKeys
from artis_sdk.logs.session_secrets import SessionSecrets
from artis_sdk.records import Outcome, Provenance, ToolSpec

Call = tuple[str, dict[str, JsonValue], JsonValue]
"""Tool, arguments, and the value that it gave."""


@dataclass(frozen=True)
class Case:
    """A few calls, and what must not be left of them."""

    calls: list[Call]
    gone: list[str]


class Maker:
    """Makes up secrets and the calls that show them."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def token(self, least: int = 16, most: int = 40) -> str:
        length = self.random.randint(least, most)
        letters = string.ascii_letters + string.digits
        return "a1" + "".join(self.random.choices(letters, k=length - 2))

    def password(self) -> str:
        """A word, a word with a number, or random characters, each in a third of the cases."""
        word = self.random.choice(["sunshine", "trustno", "dragonfly", "letmein", "monarch", "qwertz"])
        return self.random.choice(
            [word, f"{word.title()}-{self.random.randint(10, 9999)}!", self.token(10, 14)]
        )

    def headers(self) -> Case:
        s = self.token()
        basic = b64encode(f"admin:{s}".encode()).decode()
        name, value, gone = self.random.choice(
            [
                ("Authorization", f"Bearer {s}", s),
                ("X-Api-Key", s, s),
                ("Cookie", f"session={s}; theme=dark", s),
                ("Authorization", f"Basic {basic}", basic),
                ("Proxy-Authorization", f"Digest {s}", s),
            ]
        )
        as_text = self.random.random() < 0.5
        shown: JsonValue = f"{name}: {value}\nAccept: */*" if as_text else {name: value, "Accept": "*/*"}
        return Case([("http", {"url": "https://example.org", "headers": shown}, {"status": 200})], [gone])

    def urls(self) -> Case:
        s = self.token()
        url = self.random.choice(
            [
                f"https://{s}@github.com/ann/shop.git",
                f"https://x-access-token:{s}@github.com/ann/shop.git",
                f"postgres://shop:{s}@db.internal:5432/shop",
                f"https://shop.blob.core.windows.net/a?sv=2024-01-01&sig={s}&se=2026",
                f"https://example.org/hook?token={s}",
                f"https://example.org/cb?state=1&code={s}",
                f"https://bucket.s3.amazonaws.com/a?X-Amz-Expires=60&X-Amz-Signature={s}",
                f"redis://:{s}@cache:6379/0",
            ]
        )
        return Case([("fetch", {"what": f"please read {url} first"}, f"GET {url}: 200")], [s])

    def command_lines(self) -> Case:
        s = self.password()
        line = self.random.choice(
            [
                f"curl -u admin:{s} https://example.org/api",
                f"curl --user 'admin:{s}' https://example.org/api",
                f"mysql --user shop --password {s} -e 'select 1'",
                f"mysqldump --password={s} shop",
                f"DB_PASS={s} ./migrate.sh",
                f"export SMTP_PASSWORD='{s}' && ./send",
                f"docker login --username ann --password {s}",
                f"http POST example.org Authorization:'Bearer {self.token()}' password={s}",
                f"sshpass -p {s} ssh ann@example.org",
                f"psql 'host=db user=shop password={s} dbname=shop'",
            ]
        )
        return Case([("shell", {"command": line}, f"+ {line}\nok")], [s])

    def json_in_json(self) -> Case:
        s = self.random.choice([self.password(), self.token()])
        value: JsonValue = {"user": "ann", self.random.choice(["password", "api_key", "clientSecret"]): s}
        for _ in range(self.random.randint(1, 3)):
            value = {"body": json.dumps(value)}
        return Case([("queue", {"message": value}, {"stored": json.dumps(value)})], [s])

    def provider_keys(self) -> Case:
        r = self.random
        key = r.choice(
            [
                f"sk-proj-{self.token(40, 60)}",
                f"sk-ant-api03-{self.token(40, 60)}",
                "ghp_" + "".join(r.choices(string.ascii_letters + string.digits, k=36)),
                "AKIA" + "".join(r.choices(string.ascii_uppercase + string.digits, k=16)),
                f"xoxb-{r.randint(10**11, 10**12)}-{r.randint(10**11, 10**12)}-{self.token(24, 24)}",
                "glpat-" + "".join(r.choices(string.ascii_letters + string.digits, k=20)),
                f"sk_live_{self.token(24, 24)}",
                "dapi" + "".join(r.choices("0123456789abcdef", k=32)),
                "AIza" + "".join(r.choices(string.ascii_letters + string.digits, k=35)),
            ]
        )
        return Case([("note", {"text": f"the new key is {key} as of today"}, "noted")], [key])

    def _known(self) -> tuple[str, Call]:
        s = self.token(16, 32)
        return s, ("login", {"user": "ann", "password": s}, {"ok": True})

    def encoded(self) -> Case:
        s, first = self._known()
        before = self.token(2, 9)
        data = f"{before}:{s}:{self.token(2, 9)}"
        first_char, last_char = (len(before) + 1) * 8 // 6 + 2, (len(before) + 1 + len(s)) * 8 // 6 - 1
        in_base64 = b64encode(data.encode()).decode()
        form, piece = self.random.choice(
            [
                (in_base64, in_base64[first_char:last_char]),
                (s.encode().hex(), s.encode().hex()),
                (quote(f"{before}&{s}"), s),
                (json.dumps(json.dumps({"a": [s]})), s),
            ]
        )
        return Case([first, ("send", {"data": form}, "sent")], [s, piece])

    def passed_on(self) -> Case:
        s = self.token(16, 32)
        how: list[Call] = self.random.choice(
            [
                [("login", {"user": "ann"}, {"access_token": s}), ("post", {"text": f"use {s} now"}, "ok")],
                [
                    ("login", {"password": s}, True),
                    ("post", {"text": f"my pw is {s}"}, f"posted my pw is {s}"),
                ],
                [
                    ("rotate", {}, {"credentials": {"new": s}}),
                    ("mail", {"body": s, "to": "bob"}, {"echo": [s]}),
                ],
                [("env", {}, f"API_TOKEN={s}\nHOME=/root"), ("search", {"query": s}, f"nothing for {s}")],
            ]
        )
        return Case(how, [s])

    def split(self) -> Case:
        s, first = self._known()
        cut = self.random.randint(8, len(s) - 8) if len(s) > 16 else 8
        pieces = [s[:cut], s[cut:]]
        calls: list[Call] = [("post", {"text": f"part {n}: {piece}"}, "ok") for n, piece in enumerate(pieces)]
        return Case([first, *calls], [s, *pieces])

    def prose(self) -> Case:
        s = self.random.choice([self.password(), self.token()])
        text = self.random.choice(
            [
                f"the password is {s}, keep it safe",
                f"password: {s}",
                f"Login failed for ann with pw={s}",
                f"<user>ann</user><password>{s}</password>",
                f"token = '{s}'  # do not commit",
                f"api key: {s}",
            ]
        )
        return Case([("note", {"text": text}, "noted")], [s])

    def files_and_lists(self) -> Case:
        s = self.token()
        html = f'<form><input type="password" name="pw" value="{s}"></form>'
        values: list[JsonValue] = [
            f'[db]\npassword = """{s}"""\n',
            f"db:\n  password: |\n    {s}\n  user: ann\n",
            f"PASSWORD=\\\n{s} make deploy",
            html,
            {"html": json.dumps({"page": html})},
            f"{{&quot;password&quot;:&quot;{s}&quot;}}",
            f'<appSettings><add key="SmtpPassword" value="{s}"/></appSettings>',
            [["user", "ann"], ["password", s]],
            ["curl", "-u", f"admin:{s}", "https://example.org"],
            {f"password={s}": 1},
            {"fields": [{"label": "Password", "value": s}]},
            f"data=%7B%22api_key%22%3A%22{s}%22%7D",
        ]
        value = self.random.choice(values)
        return Case([("write", {"what": value}, {"written": value})], [s])


KINDS: dict[str, Callable[[Maker], Case]] = {
    "headers": Maker.headers,
    "URLs": Maker.urls,
    "command lines": Maker.command_lines,
    "JSON in JSON": Maker.json_in_json,
    "keys of providers": Maker.provider_keys,
    "a known secret, encoded": Maker.encoded,
    "a known secret, passed on": Maker.passed_on,
    "a known secret, split over calls": Maker.split,
    "prose and markup": Maker.prose,
    "files, forms and lists": Maker.files_and_lists,
}


def harmless(maker: Maker) -> Call:
    """A call without a secret, in words that often stand near one."""
    r = maker.random
    number = r.randint(1, 9999)
    digest = "".join(r.choices("0123456789abcdef", k=40))
    text = r.choice(
        [
            f"git push -u origin feature-{number}",
            f"docker run -u {number}:{number} --name shop image",
            f"see https://example.org/docs/token#{number} and ssh://git@github.com/a/b",
            f"max_tokens={number}, token_count={number}, pass_rate=0.{number}",
            f"The password must have {number} characters; your token: expired",
            f"commit {digest} by ann, reviewed",
            f"order {digest[:8]}-{digest[8:12]}-4{digest[12:15]}-a{digest[15:18]}-{digest[18:30]} shipped",
            f"the bearer of ticket {number} may enter; basic understanding needed",
            f"select key, code from pins where pin_id = {number}",
            f"https://example.org/list?code=US&key=color&page={number}",
            f"task-list-{number} is risk-free, disk-{number} is full",
            f"author: bob, authority: {number}, secretary: eve, keyboard: qwerty",
        ]
    )
    extras: list[JsonValue] = [{"page_size": number}, {"sha256": digest}, {"id": number, "keys": ["a", "b"]}]
    extra = r.choice(extras)
    return r.choice(["note", "shell", "search"]), {"text": text, "more": extra}, {"ok": True, "text": text}


def by_artis(redactor: Redactor, calls: list[Call]) -> list[Call]:
    """The calls as a session's journal would hold them."""
    secrets = SessionSecrets(redactor)
    written: list[Call] = []
    for name, arguments, value in calls:
        spec = ToolSpec(name=name, parameters={})
        shown = secrets.redact_arguments(spec, arguments)
        outcome = secrets.redact_outcome(spec, Outcome.success(value, Provenance.REAL), arguments)
        written.append((name, shown, outcome.value))
    return written


def by_detect_secrets(calls: list[Call]) -> list[Call]:
    """The calls without what `detect-secrets` finds in files of their texts, and in one of the JSON."""
    from detect_secrets.core.scan import scan_file
    from detect_secrets.settings import default_settings

    written: list[Call] = []
    for name, arguments, value in calls:
        whole = [arguments, value]
        found: set[str] = set()
        with tempfile.TemporaryDirectory() as folder, default_settings():
            for file, texts in {"text.txt": all_texts(whole), "text.cfg": all_texts(whole)}.items():
                path = Path(folder, file)
                path.write_text("\n".join(texts) + "\n")
                found |= {secret.secret_value or "" for secret in scan_file(str(path))}
            path = Path(folder, "call.json")
            path.write_text(json.dumps(whole, indent=1))
            found |= {secret.secret_value or "" for secret in scan_file(str(path))}

        def clean(text: str, found: set[str] = found) -> str:
            for secret in sorted(found - {""}, key=len, reverse=True):
                text = text.replace(secret, "[found]")
            return text

        def leaf(item: str | int | float, clean: Callable[[str], str] = clean) -> JsonValue:
            return clean(item) if isinstance(item, str) else item

        shown, gave = map_leaves(dict(arguments), leaf, clean), map_leaves(value, leaf, clean)
        assert isinstance(shown, dict)
        written.append((name, shown, gave))
    return written


def left(calls: list[Call], gone: Iterable[str]) -> bool:
    """Whether anything of the secret is left."""
    text = json.dumps(calls)
    return any(piece in text for piece in gone)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", action="store_true", help="print the cases that ours misses")
    options = parser.parse_args()
    maker = Maker(options.seed)
    ways: dict[str, Callable[[list[Call]], list[Call]]] = {
        "artis_sdk": lambda calls: by_artis(Redactor(), calls),
        "with `ProviderKeys()`": lambda calls: by_artis(Redactor(ProviderKeys()), calls),
        "`detect-secrets` alone": by_detect_secrets,
    }
    print("| | " + " | ".join(ways) + " |\n|---|" + "---|" * len(ways))
    totals = dict.fromkeys(ways, 0)
    for kind, make in KINDS.items():
        cases = [make(maker) for _ in range(10)]
        row = []
        for name, way in ways.items():
            missed = [case for case in cases if left(way(case.calls), case.gone)]
            totals[name] += len(cases) - len(missed)
            row.append(f"{len(cases) - len(missed)} of {len(cases)}")
            if options.show and name == "artis_sdk":
                for case in missed:
                    print(kind, case.calls, way(case.calls))
        print(f"| {kind} | " + " | ".join(row) + " |")
    print("| all | " + " | ".join(f"{found} of 100" for found in totals.values()) + " |")
    calls = [harmless(maker) for _ in range(100)]
    wrong = {
        name: [call for call in calls if json.dumps(way([call])) != json.dumps([call])]
        for name, way in ways.items()
    }
    print(
        "| harmless calls changed | " + " | ".join(f"{len(found)} of 100" for found in wrong.values()) + " |"
    )
    if options.show:
        print(*wrong["artis_sdk"], sep="\n")


if __name__ == "__main__":
    main()
