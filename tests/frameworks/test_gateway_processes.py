"""`artis gateway` as a process of its own, in front of public servers, over both transports, and killed."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastmcp", reason="`make frameworks` installs it and runs this")

import fastmcp
from fastmcp.client.elicitation import ElicitResult as Answered
from helpers.commit import until
from helpers.frameworks import calls_in
from helpers.gateways import VAULT, Person, text_of
from mcp import Client, StdioServerParameters

from artis_sdk.logs import CallLog
from artis_sdk.records import CallRecord, Outcome, Provenance, ToolCall, ToolSpec

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-the-test-0123456789"
PATHS = {"PYTHONPATH": os.pathsep.join(sys.path)}


def write_config(folder: Path, **servers: Any) -> Path:
    file = folder / "mcp.json"
    file.write_text(json.dumps({"mcpServers": servers}))
    return file


def command(config: Path, *more: str) -> list[str]:
    journal = str(config.parent / "journal.db")
    return ["-m", "artis_sdk.cli", "gateway", "--config", str(config), "--journal", journal, *more]


def git(folder: Path, *command: str) -> str:
    identity = ("-c", "user.name=ann", "-c", "user.email=ann@example.org")
    ran = subprocess.run(["git", *identity, *command], cwd=folder, check=True, capture_output=True, text=True)
    return ran.stdout


async def test_public_servers_over_stdio(tmp_path: Path) -> None:
    """A reset of git's index, which throws away what was staged: held, rehearsed, approved, made once."""
    repository = tmp_path / "repository"
    repository.mkdir()
    git(repository, "init", "--quiet")
    (repository / "a.txt").write_text("a")
    git(repository, "add", "a.txt")
    git(repository, "commit", "--quiet", "--message", "first")
    (repository / "a.txt").write_text("b")
    git(repository, "add", "a.txt")
    reset = {"repo_path": str(repository)}
    said = "All staged changes reset"
    with_log(tmp_path / "past.db", ToolCall(tool="git_reset", arguments=reset), said)
    servers = Path(sys.executable).parent
    config = write_config(
        tmp_path,
        git={"command": str(servers / "mcp-server-git"), "args": ["--repository", "${REPOSITORY}"]},
        time={"command": str(servers / "mcp-server-time"), "autoApprove": ["x"]},
    )
    run = command(config, "--simulator", f"replay:{tmp_path / 'past.db'}", "--log", str(tmp_path / "log.db"))
    parameters = StdioServerParameters(
        command=sys.executable, args=run, env={**PATHS, "REPOSITORY": str(repository)}
    )
    person = Person()
    async with Client(parameters, elicitation_callback=person, mode="legacy") as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert names >= {"git_status", "git_reset", "convert_time", "rehearse", "plan_show", "commit"}
        before = await client.call_tool("git_diff_staged", reset)
        assert "+b" in text_of(before), "a call that reads"
        request = {"calls": [{"tool": "git_reset", "arguments": reset}]}
        plan = (await client.call_tool("rehearse", request)).structured_content
        assert plan["calls"][0]["predicted"] == {"type": "success", "value": said, "provenance": "replayed"}
        assert git(repository, "diff", "--staged"), "nothing has happened"
        for already in (False, True):
            told = await client.call_tool("commit", {"plan_id": plan["plan_id"]})
            assert told.structured_content["already_committed"] is already
            assert told.structured_content["calls"][0]["as_predicted"] is True
    assert not git(repository, "diff", "--staged")
    assert len(person.asked) == 1
    assert str(repository) in person.asked[0]
    assert calls_in(tmp_path / "journal.db") == [("git_diff_staged", "done"), ("git_reset", "done")]
    logged = [record.call.tool for record in CallLog(tmp_path / "log.db").records()]
    assert logged == ["git_diff_staged", "git_reset"]


def with_log(file: Path, call: ToolCall, value: str) -> None:
    """A call log with one call."""
    log = CallLog(file)
    outcome = Outcome.success(value, Provenance.REAL)
    log.append(CallRecord(at=0, spec=ToolSpec(name=call.tool, parameters={}), call=call, outcome=outcome))
    log.close()


@asynccontextmanager
async def over_http(
    config: Path, environment: Mapping[str, str]
) -> AsyncIterator[tuple[str, Any, list[str]]]:
    """A gateway's address, its process, and what it says."""
    run = command(config, "--transport", "http", "--port", "0", "--token-from", "TOKEN", "--wait", "0")
    process = await asyncio.create_subprocess_exec(
        sys.executable, *run, env={**os.environ, **environment}, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said: list[str] = []
    try:
        async for line in process.stderr:
            said.append(line.decode())
            if found := re.search(r"serving MCP at (\S+)", said[-1]):
                yield found[1], process, said
                break
        else:
            raise AssertionError(said)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def commit_by(client: fastmcp.Client[Any], plan: str) -> None:
    async with client:
        await client.call_tool("commit", {"plan_id": plan})


def status(url: str, **headers: str) -> int:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).encode()
    accepts = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    request = urllib.request.Request(url, body, {**accepts, **headers})
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


async def test_killed_in_the_middle_and_started_again(tmp_path: Path) -> None:
    """Another client, over HTTP. The gateway is killed while a call runs: it is told, and not made again."""
    config = write_config(
        tmp_path,
        vault={"command": sys.executable, "args": VAULT, "env": {"VAULT": "${VAULT}", **PATHS}},
    )
    environment = {**PATHS, "VAULT": str(tmp_path), "TOKEN": TOKEN}
    ledger = tmp_path / "spent"
    asked: list[str] = []

    async def yes(message: str, *_: Any) -> Answered[Any]:
        asked.append(message)
        return Answered(action="accept", content={"approve": True})

    def client(url: str) -> fastmcp.Client[Any]:
        return fastmcp.Client(url, auth=TOKEN, elicitation_handler=yes)

    async with over_http(config, environment) as (url, process, said):
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert await asyncio.to_thread(status, url) == 401
        assert await asyncio.to_thread(status, url, Authorization="Bearer x") == 401
        assert await asyncio.to_thread(status, url, **bearer, Host="evil.example") == 421
        assert await asyncio.to_thread(status, url, **bearer, Origin="http://evil.example") == 403
        assert not any(TOKEN in line for line in said)
        async with client(url) as caller:
            request = {"calls": [{"tool": "slow", "arguments": {"text": "x"}}]}
            plan = (await caller.call_tool("rehearse", request)).structured_content
        commit = asyncio.create_task(commit_by(client(url), plan["plan_id"]))
        await until(ledger.exists)
        process.kill()
        await process.wait()
        (lost,) = await asyncio.gather(commit, return_exceptions=True)
        assert isinstance(lost, Exception), "its client is told nothing"
    assert len(asked) == 1
    async with over_http(config, environment) as (url, _, said), client(url) as caller:
        assert any("the outcome of slow" in line and "unknown" in line for line in said)
        told = await caller.call_tool("commit", {"plan_id": plan["plan_id"]}, raise_on_error=False)
        assert "its outcome is UNKNOWN" in text_of(told)
        again = await caller.call_tool("slow", {"text": "x"}, raise_on_error=False)
        assert "it is not known whether that one took effect" in text_of(again)
    assert len(asked) == 1, "nobody is asked about its twin"
    assert [json.loads(line)["intent"] for line in ledger.read_text().splitlines()] == [True]
    assert calls_in(tmp_path / "journal.db") == [("slow", "unknown")]
