"""What the reader of sources finds in the tools of five public MCP servers, against a list made by hand.

    pip install mcp-server-git mcp-server-fetch mcp-server-time mcp-server-sqlite bridgemcp-server-filesystem
    python benchmarks/mcp_failures.py

The tools are the functions that the servers register; of the SQLite server, whose tools are branches of one
handler, the method that runs every query. The list was made by reading the servers' sources and what they
call: the classes that reach the tool's caller. A mode is a class of one tool; "declared" and arguments that
the schema refuses are not counted. The servers were read in the versions of November 2026.
"""

from __future__ import annotations

import inspect
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from artis_sdk import Risk, Toolset, guarded_tool
from artis_sdk.tools.source_checks.read import ToolFailures, read_tool

_OPEN = {"ValueError", "InvalidGitRepositoryError", "NoSuchPathError"}
_GIT = _OPEN | {"GitCommandError"}
_RESOLVED = {"BadName", "ValueError"}
BY_HAND: dict[str, dict[str, set[str]]] = {
    "git": {
        "git_status": _GIT,
        "git_diff_unstaged": _GIT,
        "git_diff_staged": _GIT,
        "git_diff": _GIT | _RESOLVED | {"FlagInjectionError"},
        "git_commit": _OPEN | {"HookExecutionError"},
        "git_add": _GIT,
        "git_reset": _GIT,
        "git_log": _GIT,
        "git_create_branch": _OPEN | {"FlagInjectionError", "IndexError", "OSError"},
        "git_checkout": _GIT | _RESOLVED | {"FlagInjectionError"},
        "git_show": _OPEN | _RESOLVED | {"FlagInjectionError"},
        "git_branch": _GIT | {"FlagInjectionError"},
    },
    "fetch": {"fetch": {"ToolError"}},
    "time": {"get_current_time": {"ToolError"}, "convert_time": {"ToolError"}},
    "sqlite": {"query": {"OperationalError", "IntegrityError", "ProgrammingError"}},
    "filesystem": {
        name: {"ValueError", "RuntimeError"}
        for name in (
            *("read_file", "list_directory", "search_files", "get_info", "write_file", "create_directory"),
            *("copy_path", "move_path", "rename_path", "delete_path"),
        )
    },
}
"""Classes of exceptions by tool, as a reader of the sources lists them."""


def functions(folder: Path) -> Iterator[tuple[str, str, Any]]:
    """Server, tool and function."""
    import mcp_server_fetch.server as fetch
    import mcp_server_git.server as git
    import mcp_server_time.server as time
    from bridgemcp_filesystem import FilesystemPlugin
    from mcp_server_sqlite.server import SqliteDatabase

    made = {"git": git.create_server(None), "fetch": fetch.create_server(), "time": time.create_server("UTC")}
    for server, built in made.items():
        for name, tool in built._tool_manager._tools.items():
            yield server, name, inspect.unwrap(tool.fn)
    SqliteDatabase.query = SqliteDatabase._execute_query  # a private method is no tool
    yield "sqlite", "query", SqliteDatabase(str(folder / "a.db")).query
    plugin = FilesystemPlugin(root=str(folder))
    for name in BY_HAND["filesystem"]:
        yield "filesystem", name, getattr(plugin, name)


def read(name: str, function: Any) -> ToolFailures:
    owner = getattr(function, "__self__", None)
    if owner is None:
        (tool,) = Toolset(guarded_tool(risk=Risk.READ_ONLY, name=name)(function))
    else:
        (tool,) = Toolset.from_object(owner, include=[name])
    return read_tool(tool)


def main() -> None:
    print("| server | tools | listed by hand | found of these | found beside | noted as not read |")
    print("|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        by_server: dict[str, list[tuple[str, ToolFailures]]] = {}
        for server, name, function in functions(Path(folder)):
            by_server.setdefault(server, []).append((name, read(name, function)))
    missed = []
    for server, tools in by_server.items():
        listed = hit = beside = left = 0
        for name, found in tools:
            types = {
                m.type for m in (*found.modes, *found.outside) if m.site.kind not in ("validator", "declared")
            }
            wanted = BY_HAND[server][name]
            listed, hit, beside = (
                listed + len(wanted),
                hit + len(wanted & types),
                beside + len(types - wanted),
            )
            left += any("leaves the project" in note for note in found.notes)
            missed += [f"{server} {name}: {type_}" for type_ in sorted(wanted - types)]
        print(f"| {server} | {len(tools)} | {listed} | {hit} | {beside} | {left} of {len(tools)} |")
    print("\nmissed:", "; ".join(missed) or "none")


if __name__ == "__main__":
    main()
