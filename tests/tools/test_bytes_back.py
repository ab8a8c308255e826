"""Bytes that are no text come back from JSON as the bytes that they were: replayed, resumed and simulated."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, NamedTuple, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from artis_sdk import Direct, Risk, SandboxSimulator, Sequential, Session, Toolset
from artis_sdk.errors import AgentError, InvalidArguments
from artis_sdk.records.jsonable import jsonable
from artis_sdk.tools.bytes_back import with_bytes_back
from artis_sdk.tools.parameters import Parameters
from artis_sdk.tools.schema import Shape

PNG = b"\x89PNG"
URL = "data:application/octet-stream;base64,iVBORw=="


class Store:
    """Somebody's store of files."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []

    def keep(self, data: bytes) -> bytes:
        """Keep a file, and give it back with a mark."""
        self.kept.append(data)
        return b"\xff" + data


def everywhere(
    plain: bytes,
    bounded: Annotated[bytes, Field(max_length=4)],
    maybe: Optional[bytes],  # noqa: UP045  as people write it
    several: Sequence[list[bytes]],
    by_name: dict[str, bytes | None],
    text: str,
    *more: bytes,
    **others: bytes,
) -> None:
    """Bytes wherever a parameter may have them."""


def check(function: Callable[..., Any], **arguments: Any) -> dict[str, Any]:
    shape = Shape("keep", function, Parameters(function, skip_first=False), frozenset())
    return shape.check(arguments)


def test_bytes_are_read_wherever_an_annotation_has_them_and_texts_stay_texts() -> None:
    given = {
        "plain": URL,
        "bounded": URL,
        "maybe": URL,
        "several": [[URL, "text"]],
        "by_name": {"a": URL, "b": None},
        "text": URL,
        "more": [URL],
        "other": URL,
    }
    assert check(everywhere, **given) == {
        "plain": PNG,
        "bounded": PNG,
        "maybe": PNG,
        "several": [[PNG, b"text"]],
        "by_name": {"a": PNG, "b": None},
        "text": URL,
        "more": [PNG],
        "other": PNG,
    }
    with pytest.raises(InvalidArguments, match="bounded: data should have at most 4 bytes"):
        check(everywhere, **{**given, "bounded": jsonable(b"\xff" * 5)})


@pytest.mark.parametrize("text", [URL[:-2], URL + "*", URL.replace("octet-stream", "pdf"), URL + "\n"])
def test_a_text_that_stands_for_no_bytes_is_taken_as_it_is(text: str) -> None:
    assert check(Store().keep, data=text) == {"data": text.encode()}


@given(st.binary())
def test_all_bytes_come_back(data: bytes) -> None:
    assert check(Store().keep, data=jsonable(data)) == {"data": data}


@pytest.mark.parametrize(
    "annotation", [int, Any, None, list, type[bytes], Literal[b"x"], Callable[[bytes], bytes], dict[str, int]]
)
def test_other_annotations_stay_as_they_are(annotation: Any) -> None:
    assert with_bytes_back(annotation) is annotation


async def agent(task: str, *, tools: Toolset, guidance: str | None) -> str:
    keep: Any = tools["keep"]
    assert keep(PNG) == b"\xff" + PNG  # in every world
    return "kept"


async def test_a_rehearsed_and_replayed_call_has_the_bytes_that_were_meant(tmp_path: Path) -> None:
    store = Store()
    async with Session(
        agent=agent,
        tools=Toolset.from_object(store, default_risk=Risk.IRREVERSIBLE),
        simulator=SandboxSimulator(),
        strategy=Sequential(1),
        evaluate=False,
        summarize=False,
        journal=tmp_path / "journal.db",
    ) as session:
        plan = await session.rehearse("Keep the picture.")
        assert [attempt.answer for attempt in plan.attempts] == ["kept"]
        result = await session.commit(plan, mode="replay")
    assert store.kept == [PNG]
    assert result.divergences == ()


async def test_a_resumed_commit_gives_the_agent_the_bytes_that_were_returned(tmp_path: Path) -> None:
    store, seen = Store(), []

    async def breaks_once(task: str, *, tools: Toolset, guidance: str | None) -> str:
        keep: Any = tools["keep"]
        seen.append(keep(PNG))
        if len(seen) == 1:
            raise RuntimeError("the first time")
        return "kept"

    async with Session(
        agent=breaks_once,
        tools=Toolset.from_object(store),
        strategy=Direct(),
        evaluate=False,
        journal=tmp_path / "journal.db",
    ) as session:
        plan = await session.rehearse("Keep the picture.")
        with pytest.raises(AgentError):
            await session.commit(plan)
        await session.commit(plan, resume=True)
    assert store.kept == [PNG]
    assert seen == [b"\xff" + PNG] * 2


@dataclass
class Picture:
    """Its field takes any text for bytes, as pydantic reads it."""

    data: bytes
    made: datetime = datetime(2026, 1, 1)


class Pair(NamedTuple):
    """Likewise."""

    data: bytes
    size: int


@given(st.binary() | st.sampled_from([URL.encode(), URL.encode()[:-1], b"data:"]))
def test_every_bytes_value_comes_back_from_its_json(data: bytes) -> None:
    def keep(data: bytes) -> None:
        """Keep a file."""

    assert check(keep, data=jsonable(data)) == {"data": data}


@pytest.mark.parametrize(
    ("annotation", "value", "is_told"),
    [
        (Picture, Picture(PNG), True),
        (Pair, Pair(PNG, 4), True),
        (list[Picture], [Picture(b"text"), Picture(PNG)], True),
        (re.Pattern[str], re.compile("a", re.IGNORECASE), True),
        (Picture, Picture(b"text"), False),
        (Pair, Pair(b"text", 4), False),
        (re.Pattern[str], re.compile("a"), False),
        (Path, Path("a") / "b", False),
        (PurePosixPath, PurePosixPath("a"), False),
        (PureWindowsPath, PureWindowsPath("c:/a"), False),
        (list[PurePosixPath], [PurePosixPath("a")], False),
        (bytes, PNG, False),
    ],
)
async def test_what_a_replay_would_pass_otherwise_is_told(
    tmp_path: Path, annotation: Any, value: Any, is_told: bool
) -> None:
    class Desk:
        def take(self, thing: Any) -> None:
            """Take a thing."""

    Desk.take.__annotations__["thing"] = annotation

    async def gives(task: str, *, tools: Toolset, guidance: str | None) -> str:
        take: Any = tools["take"]
        take(value)
        return "given"

    async with Session(
        agent=gives,
        tools=Toolset.from_object(Desk()),
        simulator=SandboxSimulator(),
        strategy=Sequential(1),
        evaluate=False,
        summarize=False,
        journal=tmp_path / "journal.db",
    ) as session:
        plan = await session.rehearse("Give it.")
    assert [attempt.answer for attempt in plan.attempts] == ["given"]
    assert any("mode='replay' would pass something else" in note for note in plan.notes) is is_told
