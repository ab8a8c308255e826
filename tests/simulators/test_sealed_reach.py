"""How far the sandbox follows code to what it may change: through collaborators, wrappers and imports."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from helpers.simulators import call, fork
from helpers.written import Modules, do

from artis_sdk.errors import ConfigurationError, SimulationError
from artis_sdk.simulators import SandboxSimulator
from artis_sdk.simulators.code_reach import CodeReach
from artis_sdk.tools import Toolset

DB = "import sqlite3\ndb = sqlite3.connect('shop.db', check_same_thread=False)\n"
SAVE = '.execute("insert into rows values (1)").connection.commit()'


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The real database, in the current folder. What a module opens is closed in the end."""
    monkeypatch.chdir(tmp_path)
    with closing(sqlite3.connect("shop.db")) as connection:
        connection.execute("create table rows (n int)")
    opened: list[sqlite3.Connection] = []
    connect = sqlite3.connect

    def connected(*args: Any, **options: Any) -> sqlite3.Connection:
        opened.append(connect(*args, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connected)
    yield tmp_path / "shop.db"
    for each in opened:
        each.close()


def count(rows: Path) -> int:
    with closing(sqlite3.connect(rows)) as connection:
        return int(connection.execute("select count(*) from rows").fetchone()[0])


@pytest.mark.parametrize(
    ("head", "body", "state", "place"),
    [
        ("class Base:\n    db = sqlite3.connect('shop.db', check_same_thread=False)", "Base.db", "",
         "Base.db"),
        ("import state", "state.Database._one.db", DB + "class Database: _one = None\n"
         "Database._one = Database()\nDatabase._one.db = db\ndel db", "Database._one.db"),
        ("from state import kept", "kept['default']", DB + "kept = {'default': db}\ndel db", "shop.kept"),
        ("from state import opened", "opened()", "from functools import cache\n" + DB + "one = db\ndel db\n"
         "@cache\ndef opened(made=[one]): return made.pop()\ndel one\nopened()", "shop.opened"),
        ("from state import opened", "opened()", DB + "def maker(db):\n    def opened(): return db\n"
         "    return opened\nopened = maker(db)\ndel db", "shop.opened.db"),
        ("from state import held", "held.db", DB + "class Held:\n    __slots__ = ('db',)\n"
         "held = Held()\nheld.db = db\ndel db", "shop.held.db"),
        ("import state", "from state import db; db", DB, "state.db"),
        ("import state", "import state as kept; kept.db", DB, "state.db"),
    ],
)  # fmt: skip
async def test_an_open_connection_is_found(
    modules: Modules, rows: Path, head: str, body: str, state: str, place: str
) -> None:
    shop = modules("import sqlite3\n" + head, body + SAVE, state)
    with pytest.raises(ConfigurationError, match=rf"{place}[^ ]* is a database connection within reach"):
        await do(shop)
    assert count(rows) == 0


@pytest.mark.parametrize(
    ("head", "what"),
    [("db.cursor()", "a cursor of a database connection"), ("Session(engine)", "a database session")],
)
async def test_cursors_and_sessions_are_connections(
    modules: Modules, rows: Path, head: str, what: str
) -> None:
    imports = "from sqlalchemy import create_engine\nfrom sqlalchemy.orm import Session\n"
    engine = "engine = create_engine('sqlite:///shop.db')\n"
    shop = modules(imports + DB + engine + f"held = {head}", "held.execute('select 1')")
    with pytest.raises(ConfigurationError, match=rf"shop\.held is {what} within reach"):
        await do(shop)
    shop.held.close()
    shop.engine.dispose()


INJECTED = """
LOG = []
class Repo:
    saved = 0
    def save(self):
        {}
"""


@pytest.mark.parametrize(
    ("body", "place"), [("LOG.append(1)", "state.LOG"), ("Repo.saved += 1", "Repo.saved")]
)
async def test_the_code_of_what_the_object_holds(modules: Modules, body: str, place: str) -> None:
    """As services are given their repositories and clients."""
    shop = modules("", "self.repo.save()", INJECTED.format(body))
    import state  # type: ignore[import-not-found]

    made = shop.Shop()
    made.repo = state.Repo()
    with pytest.raises(SimulationError, match=f"whole process: {place}"):
        await fork(SandboxSimulator(), Toolset.from_object(made)).predict(call("do"), None, ())


@pytest.mark.parametrize(
    ("head", "body", "state", "place"),
    [
        ("from state import emit", "emit(1)", "class Bus:\n    def __init__(self): self.sent = []\n"
         "    def emit(self, x): self.sent.append(x)\n_bus = Bus()\nemit = _bus.emit", "shop.emit"),
        ("from state import taken", "taken().__enter__()", "from contextlib import contextmanager\nLOG = []\n"
         "@contextmanager\ndef taken():\n    LOG.append(1)\n    yield", "state.LOG"),
        ("from state import sent", "sent()", "from functools import partial\nLOG = []\n"
         "def _sent(x): LOG.append(x)\nsent = partial(_sent, 1)", "state.LOG"),
        ("from state import HANDLERS", "HANDLERS['add'](1)", "LOG = []\ndef add(x): LOG.append(x)\n"
         "HANDLERS = {'add': add}", "state.LOG"),
        ("from state import Token", "Token().text", "from functools import cached_property\nLOG = []\n"
         "class Token:\n    @cached_property\n    def text(self): LOG.append(1)", "state.LOG"),
        ("from state import One", "One()", "class Single(type):\n    made = {}\n    def __call__(cls):\n"
         "        Single.made[cls] = 1\nclass One(metaclass=Single): pass", "Single.made"),
        ("from state import counted\nclass Base:\n    @staticmethod\n    @counted\n    def more(): pass",
         "Base.more()", "def counted(f):\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n"
         "    return g", "Base.more.n"),
        ("class Settings:\n    class Meta:\n        n = 0", "Settings.Meta.n += 1", "", "Settings.Meta.n"),
        ("from types import SimpleNamespace\nstate = SimpleNamespace()", "state.n = 1", "", "shop.state"),
        ("class Rows(dict): pass\nrows = Rows()", "rows.n = 1", "", "shop.rows"),
        ("import logging\nclass Kept(logging.Handler):\n    n = 0\nkept = Kept()", "kept.n += 1", "",
         "shop.kept"),
        ("from functools import cache\n@cache\ndef store(): return []\nstore()", "store.cache_clear()", "",
         "shop.store"),
        ("from cachetools import cached\nkept = {}\n@cached(kept)\ndef rate(a): return a", "rate(1)", "",
         "shop.kept"),
        ("from functools import partial\nkept = []\nsent = partial(print, kept)",
         "sent.args[0].append(1)", "", "shop.kept"),
    ],
)  # fmt: skip
async def test_code_is_followed_to_what_it_changes(
    modules: Modules, head: str, body: str, state: str, place: str
) -> None:
    if "cachetools" in head:
        pytest.importorskip("cachetools", reason="pip install cachetools")
    with pytest.raises(SimulationError, match=f"whole process: (.*, )?{place}"):
        await do(modules(head, body, state))


async def test_a_class_method_s_cache_is_emptied(modules: Modules) -> None:
    rates = "class Rates:\n    @classmethod\n    @cache\n    def load(cls): return []\n"
    shop = modules("from functools import cache\n" + rates, "Rates.load().append(1)")
    assert await do(shop) == "done"
    assert shop.Rates.load() == []


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("from pathlib import Path\nhere = Path(__file__)", "str(here), here.name, here.read_text()"),
        ("from enum import Flag\nclass Right(Flag):\n    READ = 1\n    SEND = 2", "Right.READ | Right.SEND"),
        ("import jinja2\npages = jinja2.Environment(loader=jinja2.DictLoader({'a': 'b'}))",
         "pages.get_template('a').render()"),
        ("import pandas\nnames = pandas.Index(['a', 'b'])", "names.get_loc('a')"),
        ("busy = {'a', 'b', 'c', 'd'}", "[(busy.add(n), busy.discard(n)) for n in range(99)]"),
        ("class Code(str):\n    def __eq__(self, other): return self is other\ncode = Code('a')", "code"),
        ("class Rows(list):\n    def __iter__(self): raise RuntimeError('later')\nrows = Rows([1])", "rows"),
        ("class Odd: pass\nOdd.__module__ = None\nodd = Odd()", "odd"),
        ("import threading\ndef tried(kept={'lock': threading.Lock()}): return 1", "tried()"),
        ("from random import Random, choice\nchance = Random(1)", "chance.random(); choice([1])"),
        ("from functools import partial\nsaid = partial(print, 'a')", "said()"),
        ("prices = {n: 1.0 for n in range(300_000)}", "prices[1]"),
    ],
)  # fmt: skip
async def test_ordinary_code_is_left_in_peace(modules: Modules, head: str, body: str) -> None:
    assert await do(modules(head, body)) == "done"


async def test_attempts_side_by_side_may_use_one_cache(modules: Modules) -> None:
    """Each forgets what came in its time, and none blames the other for it."""
    head = "import asyncio\nfrom functools import lru_cache\n"
    state = "@lru_cache(64)\ndef rate(n): return n * 2\nrate(-1)\n"
    body = "rate(id(self)); await asyncio.sleep(0.01); rate(id(self) + 1); await asyncio.sleep(0.02)"
    shop = modules(head + state, body)
    assert await asyncio.gather(*[do(shop) for _ in range(6)]) == ["done"] * 6
    assert shop.rate.cache_info().currsize == 0


async def test_attempts_side_by_side_may_hold_one_lock(modules: Modules) -> None:
    shop = modules("import asyncio\nfree = asyncio.Semaphore(2)\nlock = asyncio.Lock()",
                   "async with free, lock: await asyncio.sleep(0.01)")  # fmt: skip
    assert await asyncio.gather(*[do(shop) for _ in range(4)]) == ["done"] * 4


async def test_an_attribute_is_not_the_global_of_its_name(modules: Modules, rows: Path) -> None:
    shop = modules(DB, "self.db.append(1)")
    made = shop.Shop()
    made.db = []
    attempt = fork(SandboxSimulator(), Toolset.from_object(made))
    assert (await attempt.predict(call("do"), None, ())).value == "done"


async def test_a_library_s_base_class_does_not_make_the_library_ours(modules: Modules) -> None:
    shop = modules("import jinja2\nclass Pages(jinja2.Environment):\n    own = []\n", "pass")
    pages = shop.Pages()
    reach = CodeReach([type(pages).from_string], [pages], [type(pages.loader)])
    assert {kind.__module__ for kind in reach.classes.values()} == {"shop"}
    assert "Pages.own" in [place for place, _ in reach.objects]
