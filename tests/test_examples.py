"""The code in README and guide runs as it stands there."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

from helpers.fault_server import agent, serving

ROOT = Path(__file__).parent.parent


def python_blocks(path: Path) -> str:
    return "\n\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.M | re.S))


async def run(code: str, folder: Path, **environment: str) -> str:
    (folder / "example.py").write_text(code)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-W",
        "error",
        "example.py",
        cwd=folder,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await asyncio.wait_for(process.communicate(), 120)
    assert process.returncode == 0, out.decode()
    return out.decode()


async def test_the_guide_runs(tmp_path: Path) -> None:
    code = python_blocks(ROOT / "docs" / "guide.md")
    assert code.count("asyncio.run") == 2
    await run(code, tmp_path)


async def test_the_readme_runs_against_a_server(tmp_path: Path) -> None:
    code = python_blocks(ROOT / "README.md")
    paying = agent(1, "pay", {"source": "ann", "target": "bob", "amount": 80})
    async with serving(paying) as server:
        out = await run(code, tmp_path, OPENAI_BASE_URL=server.base_url, OPENAI_API_KEY="none")
        assert "pay {" in out
        assert "as predicted" in out
        assert sum(seen.path.endswith("/chat/completions") for seen in server.requests) >= 5 * 2 + 2
