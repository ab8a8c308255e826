"""Resources and prompts of the servers behind a gateway reach its clients as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from helpers.gateways import Stand, client_of, standing
from helpers.mcp_over_http import till_over_http
from mcp.shared.exceptions import MCPError


@pytest.fixture(params=["alone", "beside another"])
async def stand(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Stand]:
    if request.param == "alone":
        async with standing(tmp_path) as found:
            yield found
    else:
        async with till_over_http(tmp_path / "ledger") as (url, _), standing(tmp_path, url) as found:
            yield found


async def test_resources_and_templates_are_read(stand: Stand) -> None:
    async with client_of(stand.gateway()) as client:
        listed = (await client.list_resources()).resources
        assert [str(one.uri) for one in listed] == ["vault://rules"]
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "vault://owners/{name}"
        for uri, text in (("vault://rules", "no more than 100"), ("vault://owners/ann", "ann has 100")):
            (content,) = (await client.read_resource(uri)).contents
            assert content.text == text
        with pytest.raises(MCPError):
            await client.read_resource("vault://nothing")


async def test_prompts_are_got_and_those_of_one_name_have_their_servers(stand: Stand) -> None:
    async with client_of(stand.gateway()) as client:
        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert names == (["audit"] if len(stand.upstream.links) == 1 else ["vault_audit", "till_audit"])
        got = await client.get_prompt(names[0], {"owner": "ann"})
        assert got.messages[0].content.text == "Audit ann."
        with pytest.raises(MCPError, match="has a prompt nothing"):
            await client.get_prompt("nothing")
