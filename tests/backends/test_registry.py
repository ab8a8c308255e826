"""Backends by name: what is found, and how each mistake is answered."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from artis_sdk import entry_points
from artis_sdk.backends import ScriptedBackend, registry, resolve
from artis_sdk.backends.hosted.base import HostedBackend
from artis_sdk.backends.hosted.retry import RetryPolicy
from artis_sdk.errors import ConfigurationError, MissingExtraError


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    entry_points._found.clear()
    yield
    entry_points._found.clear()


def test_our_own_are_known() -> None:
    assert {"openai", "anthropic", "scripted", "llama_cpp", "vllm"} <= set(registry.known_prefixes())


def test_a_backend_comes_back_as_it_is() -> None:
    backend = ScriptedBackend(["a"])
    assert resolve(backend) is backend
    with pytest.raises(ConfigurationError, match=r"already made.*timeout"):
        resolve(backend, timeout=3)


@pytest.mark.parametrize("spec", ["gpt-5-mini", "openai:", ":gpt-5-mini", ""])
def test_a_name_without_a_model(spec: str) -> None:
    with pytest.raises(ConfigurationError, match=r"write PREFIX:MODEL.*openai"):
        resolve(spec)


def test_an_unknown_prefix_names_the_known_ones() -> None:
    with pytest.raises(ConfigurationError, match=r"'opnai'.*anthropic.*llama_cpp.*openai.*scripted.*vllm"):
        resolve("opnai:gpt-5-mini")


@pytest.mark.parametrize("prefix", ["openai", "anthropic", "scripted"])
def test_an_unknown_option_names_the_known_ones(prefix: str) -> None:
    expected = "replies" if prefix == "scripted" else "base_url.*timeout"
    with pytest.raises(ConfigurationError, match=rf"temprature.*{expected}"):
        resolve(f"{prefix}:m", temprature=1.0)


@pytest.mark.parametrize(
    ("prefix", "variable"), [("openai", "OPENAI_API_KEY"), ("anthropic", "ANTHROPIC_API_KEY")]
)
def test_a_missing_key_names_its_variable(prefix: str, variable: str) -> None:
    with pytest.raises(ConfigurationError, match=variable):
        resolve(f"{prefix}:m")


@pytest.mark.parametrize("prefix", ["openai", "anthropic"])
@pytest.mark.parametrize("missing", ["sdk", "aiohttp"])
def test_a_missing_sdk_is_answered_by_its_install_line(
    prefix: str, missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, prefix if missing == "sdk" else "aiohttp", None)
    monkeypatch.delitem(sys.modules, "artis_sdk.backends.hosted.http", raising=False)
    with pytest.raises(MissingExtraError) as caught:
        resolve(f"{prefix}:m", api_key="k")
    assert str(caught.value).endswith(f'pip install "artis-sdk[{prefix}]"')


def test_a_third_partys_backend_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "acme_llm-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-llm\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[artis_sdk.backends]\nacme = acme_llm:make\nbroken = acme_llm:absent\n"
    )
    (tmp_path / "acme_llm.py").write_text(
        textwrap.dedent(
            """
            from artis_sdk.backends import ScriptedBackend

            def make(model, *, voice="soft"):
                return ScriptedBackend([voice], name=f"acme:{model}")
            """
        )
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert "acme" in registry.known_prefixes()
    assert resolve("acme:big", voice="loud").name == "acme:big"
    with pytest.raises(ConfigurationError, match=r"volume.*voice"):
        resolve("acme:big", volume="loud")
    with pytest.raises(ConfigurationError, match=r"'broken' cannot be loaded.*absent"):
        resolve("broken:big")


def test_importing_the_backends_loads_no_engine() -> None:
    code = """
        import sys
        import artis_sdk.backends, artis_sdk.backends.openai, artis_sdk.backends.anthropic
        import artis_sdk.backends.conformance
        artis_sdk.backends.resolve("scripted:m", replies=["a"])
        heavy = {"openai", "anthropic", "aiohttp", "httpx2", "vllm", "llama_cpp", "torch", "tenacity"}
        print(sorted(heavy & set(sys.modules)))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == "[]"


def test_resolving_again_is_cheap() -> None:
    resolve("scripted:m", replies=["a"])
    started = time.process_time()
    for _ in range(100):
        resolve("scripted:m", replies=["a"])
    assert (time.process_time() - started) / 100 < 0.002


KEYS = {"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}


async def _sent(backend: HostedBackend) -> dict[str, Any]:
    """The headers with which a backend sends a request."""
    try:
        return dict(backend._http._headers)
    finally:
        await backend.aclose()


@pytest.mark.parametrize("prefix", KEYS)
@pytest.mark.parametrize("around", ["{}\n", "\r\n{}\r\n", "  {} ", "\t{}"])
async def test_a_key_and_a_url_from_a_file_lose_the_white_space_around_them(
    prefix: str, around: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = around.format("http://127.0.0.1:9/v1")
    given = resolve(f"{prefix}:m", api_key=around.format("sk-SECRET"), base_url=url)
    monkeypatch.setenv(KEYS[prefix], around.format("sk-SECRET"))
    monkeypatch.setenv(KEYS[prefix].replace("API_KEY", "BASE_URL"), url)
    for backend in (given, resolve(f"{prefix}:m")):
        assert isinstance(backend, HostedBackend)
        assert backend._url.startswith("http://127.0.0.1:9/v1/")
        assert {"sk-SECRET", "Bearer sk-SECRET"} & set((await _sent(backend)).values())


@pytest.mark.parametrize("prefix", KEYS)
@pytest.mark.parametrize(
    "inside", ["sk-QXZ1\nsk-QXZ2", "sk-QXZ1\rQXZ2", "sk-QXZ1\x00", "sk-QXZ1\tQXZ2", "QXZ\x7f1"]
)
def test_a_control_character_in_a_key_is_told_without_the_key(
    prefix: str, inside: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigurationError, match=f"{prefix}:m: api_key has a line break") as raised:
        resolve(f"{prefix}:m", api_key=inside)
    assert "QXZ" not in str(raised.value)
    if "\x00" not in inside:  # no variable can hold it
        monkeypatch.setenv(KEYS[prefix], inside)
        with pytest.raises(ConfigurationError, match=f"{KEYS[prefix]} has a line break") as raised:
            resolve(f"{prefix}:m")
        assert "QXZ" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "header"),
    [
        ({"extra_headers": {"X-Team": "QXZ\n1"}}, "X-Team"),
        ({"organization": "QXZ\n"}, "OpenAI-Organization"),
        ({"project": "QXZ\n"}, "OpenAI-Project"),
    ],
)
def test_so_is_one_in_another_header(options: dict[str, Any], header: str) -> None:
    with pytest.raises(ConfigurationError, match=f"the header {header} has a line break") as raised:
        resolve("openai:m", api_key="x", **options)
    assert "QXZ" not in str(raised.value)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("timeout", "20", "timeout must be float, not str"),
        ("timeout", None, "timeout must be float, not NoneType"),
        ("timeout", True, "timeout must be float, not bool"),
        ("timeout", 0, "timeout must be a positive number, not 0"),
        ("max_concurrency", "3", "max_concurrency must be int, not str"),
        ("max_concurrency", 0, "max_concurrency must be a positive number, not 0"),
        ("max_tokens", 1.5, "max_tokens must be int, not float"),
        ("strict_tools", "no", "strict_tools must be bool, not str"),
        ("api_key", b"QXZ", "api_key must be str, not bytes"),
        ("retry", 3, "retry must be RetryPolicy, not int"),
        ("extra_body", "x", r"extra_body must be Mapping\[str, Any\], not str"),
        ("extra_headers", {"X-Team": 3}, r"extra_headers must be Mapping\[str, str\], not dict"),
    ],
)
@pytest.mark.parametrize("prefix", KEYS)
def test_an_option_of_another_kind_is_named(prefix: str, option: str, value: Any, said: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{prefix}:m: {said}"):
        resolve(f"{prefix}:m", **{"api_key": "x", option: value})


def test_an_option_is_one_of_the_names_that_it_takes() -> None:
    with pytest.raises(ConfigurationError, match=r"max_tokens_field must be Literal\['max_tokens', "):
        resolve("openai:m", api_key="x", max_tokens_field="max_output_tokens")
    assert resolve("openai:m", api_key="x", max_tokens_field="max_tokens").name == "openai:m"


def test_whole_numbers_and_none_are_taken_where_they_fit() -> None:
    taken: dict[str, Any] = {"timeout": 20, "max_concurrency": None, "sampling": None, "retry": RetryPolicy()}
    assert resolve("openai:m", api_key="x", **taken).name == "openai:m"
