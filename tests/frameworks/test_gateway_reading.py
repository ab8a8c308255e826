"""Resources and prompts of the servers behind a gateway reach its clients as they are."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

pytest.importorskip("mcp.server.mcpserver", reason="`make frameworks` installs it and runs this")

from helpers.gateways import Stand, client_of, standing
from helpers.mcp_over_http import till_over_http
from mcp.shared.exceptions import MCPError


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    async with till_over_http(tmp_path / "ledger") as (url, _), standing(tmp_path, url) as found:
        yield found


async def test_resources_and_prompts_are_as_their_servers_have_them(stand: Stand) -> None:
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

        names = [prompt.name for prompt in (await client.list_prompts()).prompts]
        assert names == ["vault_audit", "till_audit"], "those of one name have their servers' in front"
        got = await client.get_prompt(names[0], {"owner": "ann"})
        assert got.messages[0].content.text == "Audit ann."
        with pytest.raises(MCPError, match="has a prompt nothing"):
            await client.get_prompt("nothing")
