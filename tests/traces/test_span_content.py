"""What spans hold: no content unless it is on, no secret even then, and failures marked."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from helpers.loop import Ledger, call
from helpers.traced import Tracer, attributes
from opentelemetry import trace
from opentelemetry.sdk.trace import Span, SpanProcessor
from pydantic import SecretStr

from artis_sdk import Direct, Parallel, Sequential, Session, Toolset, Traces, guarded_tool
from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.commit import Approve
from artis_sdk.errors import MissingExtraError, RequestRejected
from artis_sdk.logs import Redactor
from artis_sdk.logs.imported import LeftOut
from artis_sdk.logs.importers import convert
from artis_sdk.records import CallRecord, History, Outcome, Provenance, Request, State, ToolCall

MARK = "zebra"
SECRETS = ("hunter2-hunter2", "tok_live_9f8e7d6c5b4a", "typed-secret-value")


class Simulated(Ledger):
    """Predicts what the real tools do."""

    def fork(self, *_: Any) -> Simulated:
        return self

    async def predict(self, call: ToolCall, state: State, history: History) -> Outcome:
        if call.tool == "refuse":
            return Outcome.failure("ValueError", f"no {MARK}", Provenance.SIMULATED, raised=True)
        return Outcome.success({"said": MARK, "token": SECRETS[1]}, Provenance.SIMULATED)


@guarded_tool
async def enter(user: str, password: str, pin: SecretStr) -> dict[str, Any]:
    """Log in."""
    return {"said": MARK, "token": SECRETS[1]}


@guarded_tool
def refuse(what: str) -> str:
    """Refuse."""
    raise ValueError(f"no {MARK}")


TOOLS = Toolset(enter, refuse)


def scripted(request: Request) -> Any:
    """Every role: two calls with failures and secrets, then an answer; a verdict; advice."""
    if "attempt" in str(request.schema):
        return f'{{"attempt": 1, "note": "{MARK}"}}'
    if request.schema is not None:
        return f"<Evaluation>{MARK} {SECRETS[0]}</Evaluation><Result>1</Result><Suggestion></Suggestion>"
    last = request.messages[-1]
    if last.role != "tool":
        return call("enter", user=MARK, password=SECRETS[0], pin=SECRETS[2])
    if len(request.messages) < 6:
        return call("refuse", what=f"{MARK} {SECRETS[1]}")
    return f"{MARK}: the token is {SECRETS[1]}, the password {SECRETS[0]}"


async def traced(tmp_path: Path, *, content: bool, **more: Any) -> Tracer:
    async def approve(request: Any) -> Any:
        return Approve(by=MARK)

    tracer = Tracer()
    options: dict[str, Any] = {
        "agent": ScriptedBackend(scripted, name="agent:big"),
        "tools": TOOLS,
        "simulator": Simulated(),
        "strategy": Parallel(2),
        "journal": tmp_path / "journal.db",
        "state": {"note": MARK},
        "approve": approve,
        "traces": Traces(content=content, tracer_provider=tracer.provider),
    }
    async with Session(**options | more) as session:
        await session.run(f"{MARK}: log in with password: {SECRETS[0]}")
    return tracer


async def test_no_content_by_default(tmp_path: Path) -> None:
    text = (await traced(tmp_path, content=False)).text()
    assert MARK not in text
    assert not any(secret in text for secret in SECRETS)
    assert "execute_tool enter" in text


@pytest.mark.parametrize("setting", ["off", "on", "content"])
async def test_the_setting_turns_spans_on(
    setting: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `ARTIS_TRACES=on opentelemetry-instrument artis run` has it: to the program's own tracer."""
    everywhere = Tracer()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: everywhere.provider)
    monkeypatch.setenv("ARTIS_TRACES", setting)
    await traced(tmp_path, content=False, traces=None)
    assert bool(everywhere.spans) is (setting != "off")
    assert (MARK in everywhere.text()) is (setting == "content")


@pytest.mark.parametrize("strategy", [Parallel(2), Sequential(2), Direct()], ids=lambda one: one.name)
async def test_content_is_there_if_asked_for_and_has_no_secrets(strategy: Any, tmp_path: Path) -> None:
    tracer = await traced(tmp_path, content=True, strategy=strategy)
    for name in ("execute_tool enter", "execute_tool refuse", "invoke_agent commit", "chat big"):
        assert MARK in tracer.named(name)[0].to_json(), name
    enter_span = attributes(tracer.one("execute_tool enter"))
    assert "password" in enter_span["gen_ai.tool.call.arguments"]
    assert "token" in enter_span["gen_ai.tool.call.result"]
    last = attributes(tracer.named("chat big")[-1])
    assert '"role":"tool"' in last["gen_ai.input.messages"]
    assert '"finish_reason":"stop"' in last["gen_ai.output.messages"]
    assert '"name":"enter"' in last["gen_ai.tool.definitions"]
    for span in tracer.spans:
        for secret in SECRETS:
            assert secret not in span.to_json(), (span.name, secret)
    more: dict[str, Any] = {"redact": Redactor(names=()), "journal": tmp_path / "seen.db"}
    seen = await traced(tmp_path, content=True, strategy=strategy, **more)
    assert SECRETS[0] in seen.text()


async def test_failures_are_marked_where_they_are_real(tmp_path: Path) -> None:
    tracer = await traced(tmp_path, content=False)
    real = tracer.one("execute_tool refuse")
    assert real.status.status_code.name == "ERROR"
    assert real.status.description is None
    assert attributes(real)["error.type"] == attributes(real)["artis.outcome.type"] == "ValueError"
    for span in tracer.named("simulate_tool refuse"):
        assert span.status.status_code.name == "UNSET"
        assert attributes(span)["artis.outcome.type"] == "ValueError"
    assert all(not span.events for span in tracer.spans)


@pytest.mark.parametrize("content", [False, True])
async def test_an_error_is_marked_without_its_text(content: bool, tmp_path: Path) -> None:
    def failing(request: Request) -> Any:
        return RequestRejected("agent:big", f"refused: {MARK}, password={SECRETS[0]}")

    tracer = Tracer()
    with pytest.raises(RequestRejected):
        async with Session(
            agent=ScriptedBackend(failing, name="agent:big"),
            tools=TOOLS,
            strategy=Direct(),
            journal=tmp_path / "journal.db",
            traces=Traces(content=content, tracer_provider=tracer.provider),
        ) as session:
            await session.run("x")
    for name in ("chat big", "invoke_agent commit", "invoke_workflow run"):
        span = tracer.one(name)
        assert span.status.status_code.name == "ERROR"
        assert attributes(span)["error.type"] == "artis_sdk.errors.RequestRejected"
        assert not span.events
        assert (MARK in (span.status.description or "")) is content
    assert SECRETS[0] not in tracer.text()


async def test_calls_that_cannot_be_made_are_events(tmp_path: Path) -> None:
    def odd(request: Request) -> Any:
        return "done" if request.messages[-1].role == "tool" else call(f"{MARK}_tool", a=MARK)

    agent = ScriptedBackend(odd, name="agent:big")
    tracer = await traced(tmp_path, content=False, agent=agent, strategy=Direct())
    (event,) = tracer.one("invoke_agent commit").events
    assert (event.name, dict(event.attributes or {})) == (
        "artis.call_not_made",
        {"error.type": "unknown_tool"},
    )
    assert MARK not in tracer.text()


async def test_cancelled_attempts_end_their_spans(tmp_path: Path) -> None:
    tracer, waiting = Tracer(), asyncio.Event()

    async def hanging(request: Request) -> Any:
        waiting.set()
        await asyncio.Event().wait()

    async with Session(
        agent=ScriptedBackend(hanging, name="agent:big"),
        tools=TOOLS,
        simulator=Simulated(),
        strategy=Parallel(3),
        journal=tmp_path / "journal.db",
        traces=Traces(tracer_provider=tracer.provider),
    ) as session:
        running = asyncio.create_task(session.run("x"))
        await waiting.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert len(tracer.named("chat big")) == len(tracer.named("invoke_agent attempt")) == 3
        assert {attributes(one)["error.type"] for one in tracer.named("invoke_agent attempt")} == {
            "asyncio.exceptions.CancelledError"
        }
        assert not trace.get_current_span().get_span_context().is_valid


async def test_rehearsed_calls_are_not_imported_as_real_ones(tmp_path: Path) -> None:
    """Spans with content are a source of call logs, and only real calls may train."""
    tracer = await traced(tmp_path, content=True, redact=Redactor(names=()))
    file = tmp_path / "spans.jsonl"
    file.write_text("\n".join(span.to_json(indent=None) for span in tracer.spans))
    found = list(convert(file, "otel"))
    real = [item for item in found if isinstance(item, CallRecord)]
    assert [(one.call.tool, one.outcome.type) for one in real] == [
        ("enter", "success"),
        ("refuse", "ValueError"),
    ]
    left_out = [item for item in found if isinstance(item, LeftOut)]
    assert [one.reason for one in left_out] == ["a rehearsal of ours simulated it"] * 4


class Breaking(SpanProcessor):
    def __init__(self, when: str) -> None:
        self.when = when

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        if self.when == "start":
            raise RuntimeError(MARK)

    def on_end(self, span: Any) -> None:
        if self.when == "end":
            raise RuntimeError(MARK)


@pytest.mark.parametrize("when", ["start", "end", "redaction"])
async def test_a_failing_tracer_stops_no_commit(
    when: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tracer, made = Tracer(), []
    tracer.provider.add_span_processor(Breaking(when))

    @guarded_tool
    async def note(text: str) -> str:
        """Note."""
        made.append(text)
        return text

    def broken(path: str, value: Any) -> bool:
        if when == "redaction" and path == "content":  # of a message, which only spans show
            raise RuntimeError(MARK)
        return False

    def reply(request: Request) -> Any:
        return "done" if request.messages[-1].role == "tool" else call("note", text="n")

    async with Session(
        agent=ScriptedBackend(reply, name="agent:big"),
        tools=[note],
        strategy=Direct(),
        journal=tmp_path / "journal.db",
        redact=Redactor(broken),
        traces=Traces(content=True, tracer_provider=tracer.provider),
    ) as session:
        result = await session.run("x")
    assert (result.answer, made) == ("done", ["n"])
    assert "a span could not be written: RuntimeError" in caplog.text
    assert MARK not in caplog.text


async def test_a_span_that_takes_nothing_stops_no_approved_commit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(MARK)

    @guarded_tool
    async def note(text: str) -> str:
        """Note."""
        made.append(text)
        return text

    async def ann(request: Any) -> Approve:
        return Approve(by="ann")

    monkeypatch.setattr(Span, "set_attribute", broken)
    monkeypatch.setattr(Span, "add_event", broken)
    async with Session(
        agent=ScriptedBackend([[call("no_such_tool")], [call("note", text="n")], "done"]),
        tools=[note],
        strategy=Direct(),
        journal=tmp_path / "journal.db",
        approve=ann,
        traces=Traces(tracer_provider=Tracer().provider),
    ) as session:
        result = await session.run("x")
    assert (result.answer, made) == ("done", ["n"])
    assert "a span could not be written: RuntimeError" in caplog.text
    assert MARK not in caplog.text


async def test_without_opentelemetry_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    session = Session(agent=ScriptedBackend([]), tools=TOOLS, strategy=Direct(), traces=Traces())
    with pytest.raises(MissingExtraError, match=r"artis-sdk\[traces\]"):
        await session.__aenter__()


def test_a_session_without_traces_imports_nothing_of_it(tmp_path: Path) -> None:
    code = """
        import sys
        from artis_sdk import Direct, Session, guarded_tool
        from artis_sdk.backends import ScriptedBackend

        @guarded_tool
        def look() -> str:
            "Look."
            return "x"

        agent = ScriptedBackend(["done"])
        print(Session(agent=agent, tools=[look], strategy=Direct(), journal="j.db").run_sync("x").answer)
        print([name for name in sys.modules if name.startswith("opentelemetry")])
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, check=True, timeout=60, cwd=tmp_path,
    )  # fmt: skip
    assert done.stdout.split("\n")[:2] == ["done", "[]"]
