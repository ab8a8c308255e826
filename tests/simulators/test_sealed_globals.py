"""What a sandboxed body changes outside of its object, in the modules that its code names: told, taken back,
or no change at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.written import Modules, do

from artis_sdk.errors import ConfigurationError, SimulationError


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("import logging\nlog = logging.getLogger('shop')", "log.info('ordered')"),
        (
            "import logging\nlog = logging.LoggerAdapter(logging.getLogger('shop.more'), {})",
            "log.debug('ordered')",
        ),
        ("from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor(1)",
         "pool.submit(len, 'a').result()"),
        ("from threading import Condition\nready = Condition()", "ready.acquire(); ready.release()"),
        ("import asyncio\nlock = asyncio.Lock()", "await lock.acquire(); lock.release()"),
        ("from functools import cached_property\nclass Prices:\n    @cached_property\n    def rate(self):\n"
         "        return 2\nprices = Prices()", "prices.rate"),
        ("from functools import cache\n@cache\ndef settings():\n    return {}", "settings()['a'] = 1"),
        ("import openai\nclient = openai.OpenAI(api_key='x')", "client.chat.completions"),
        ("import sqlalchemy\nrows = sqlalchemy.select(sqlalchemy.column('a'))", "str(rows)"),
        ("from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column\n"
         "class Base(DeclarativeBase): pass\nclass Order(Base):\n    __tablename__ = 'orders'\n"
         "    id: Mapped[int] = mapped_column(primary_key=True)",
         "Order(id=1)"),
        ("from tenacity import retry\n@retry\ndef tried():\n    return 1", "tried()"),
    ],
)  # fmt: skip
async def test_what_libraries_keep_for_themselves_is_no_change(
    modules: Modules, head: str, body: str
) -> None:
    assert await do(modules(head, body)) == "done"


@pytest.mark.parametrize(
    ("head", "body", "state", "place"),
    [
        ("import state", "state.CART.append(1)", "CART = []", "state.CART"),
        ("from state import add", "add()", "CART = []\ndef add(): CART.append(1)", "state.CART"),
        ("from state import cart", "cart.add()", "class Cart:\n    n = 0\n    def add(self): Cart.n += 1\n"
         "cart = Cart()", "Cart.n"),
        ("class Registry:\n    items = {}", "Registry.items['a'] = 1", "", "Registry.items"),
        ("def memo(f):\n    kept = {}\n    def g(a):\n        kept[a] = f(a)\n    return g\n"
         "@memo\ndef load(a): return a", "load(1)", "", "shop.load.kept"),
        ("def made():\n    n = 0\n    def g():\n        nonlocal n\n        n += 1\n    return g\n"
         "count = made()", "count()", "", "shop.count.n"),
        ("def f(): f.calls = 1", "f()", "", "shop.f.calls"),
        ("class Limit:\n    def __call__(self): self.n = 1\nlimit = Limit()", "limit()", "", "shop.limit"),
        ("class Point:\n    __slots__ = ('x',)\npoint = Point()", "point.x = 1", "", "shop.point"),
        ("from functools import cache\n@cache\ndef store(): return []\nstore()", "store().append(1)", "",
         "shop.store"),
        ("from functools import lru_cache\n@lru_cache(2)\ndef store(a): return []\nstore(1)",
         "store(1).append(1)", "", "shop.store"),
        ("from functools import cache\n@cache\ndef store(a): return []\nstore(1)", "store(2)", "",
         "shop.store"),
        ("from queue import Queue\njobs = Queue()", "jobs.put(1)", "", "shop.jobs"),
        ("from itertools import count\nids = count()", "next(ids)", "", "shop.ids"),
        ("from itertools import cycle\nturns = cycle('ab')", "next(turns)", "", "shop.turns"),
        ("from array import array\nsold = array('i', [0])", "sold[0] = 1", "", "shop.sold"),
        ("import numpy\nsold = numpy.zeros(2)", "sold[0] = 1", "", "shop.sold"),
        ("from threading import Event\nopened = Event()", "opened.set()", "", "shop.opened"),
    ],
)  # fmt: skip
async def test_what_outlives_the_attempt_is_named(
    modules: Modules, head: str, body: str, state: str, place: str
) -> None:
    shop = modules(head, body, state)
    with pytest.raises(SimulationError, match=f"the whole process: {place}"):
        await do(shop)
    assert await do(shop, place) == "done"


LAZY = """
class Lazy:
    @property
    def __class__(self): raise RuntimeError("outside of a request")
    @property
    def __dict__(self): raise RuntimeError("outside of a request")
    def __getattr__(self, name): raise RuntimeError("outside of a request")
    def __eq__(self, other): raise RuntimeError("outside of a request")
    __hash__ = None
class Odd(type):
    def __eq__(self, other): raise RuntimeError("no classes here")
    __hash__ = type.__hash__
class Plain(metaclass=Odd): pass
request, plain = Lazy(), Plain()
"""


async def test_lazy_objects_are_left_alone(modules: Modules) -> None:
    """As flask's `request` and django's `SimpleLazyObject`, which work only where something asks for them."""
    assert await do(modules(LAZY, "request, plain")) == "done"
    with pytest.raises(SimulationError, match=r"shop\.plain"):
        await do(modules(LAZY, "plain.x = 1"))


async def test_others_changes_of_what_the_code_does_not_name_do_not_count(modules: Modules) -> None:
    """As a server changes its own state while a body runs."""
    state = "CART = []\nORDERS = []"
    shop = modules(
        "import state, sys", "state.CART; sys.modules['state'].__dict__['ORD' + 'ERS'].append(1)", state
    )
    assert await do(shop) == "done"


@pytest.mark.parametrize("decorator", ["cache", "lru_cache(2)"])
async def test_real_calls_get_no_result_that_a_rehearsal_cached(modules: Modules, decorator: str) -> None:
    head = f"import functools\nstock = {{'lamp': 5, 'chair': 1}}\n@functools.{decorator}\ndef left(name):\n"
    shop = modules(head + "    return stock[name]", "left('lamp')")
    assert shop.left("chair") == 1
    assert await do(shop) == "done"
    shop.stock["lamp"] = 4
    assert shop.left("lamp") == 4
    assert await do(shop, "shop.left") == "done"  # meant, so it is kept
    assert shop.left.cache_info().currsize == 1


@pytest.mark.parametrize(
    ("head", "what", "advice"),
    [
        ("import sqlite3\ndb = sqlite3.connect('shop.db')", "a database connection", "forks.sqlite"),
        ("import sqlite3\ndb = sqlite3.connect(':memory:')", "a database connection", "forks.sqlite"),
        (
            "import sqlalchemy\ndb = sqlalchemy.create_engine('sqlite://')",
            "a connection pool",
            "forks.engine",
        ),
        (
            "import sqlalchemy as a, sqlalchemy.orm as b\ndb = b.sessionmaker(a.create_engine('sqlite://'))",
            "a maker of database sessions",
            "forks.engine",
        ),
        ("db = open('orders.txt', 'a')", "an open file", "forks.folder"),
    ],
)
async def test_an_open_connection_in_a_module_is_refused(
    modules: Modules, head: str, what: str, advice: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    unnamed, shop = modules(head, "pass"), modules(head, "db")
    assert await do(unnamed) == "done"
    with pytest.raises(ConfigurationError, match=rf"shop\.db is {what} .*{advice}.*share=\['shop\.db'\]"):
        await do(shop)
    for share in ("shop.db", shop.db, type(shop.db)):
        assert await do(shop, share) == "done"
    for opened in (unnamed.db, shop.db):
        for end in ("close", "dispose", "close_all"):
            getattr(opened, end, lambda: None)()


async def test_so_is_one_that_an_object_in_a_module_holds(modules: Modules) -> None:
    state = "import sqlite3\nclass Rows:\n    def __init__(self): self.db = sqlite3.connect(':memory:')\n"
    shop = modules("import state", "state.kept.rows.db", state + "class Kept: pass\nkept = Kept()\n"
                   "kept.rows = Rows()\nkept.rows.owner = kept")  # fmt: skip
    with pytest.raises(ConfigurationError, match=r"state\.kept\.rows\.db is a database connection"):
        await do(shop)
    assert await do(shop, "state.kept.rows.db") == "done"
    shop.state.kept.rows.db.close()


async def test_files_that_write_nothing_are_no_connections(modules: Modules, tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("a")
    head = f"from sys import stdout\nsource = open({str(file)!r})\nended = open({str(file)!r}, 'a')\n"
    shop = modules(head + "ended.close()", "print('done')")
    assert await do(shop) == "done"
    shop.source.close()
