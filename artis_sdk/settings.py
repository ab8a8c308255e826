"""Settings for options that a session's caller leaves out: variables `ARTIS_*`, then `artis.toml`.

An unknown name is an error in both places: a misspelt limit must not be dropped in silence.
"""

from __future__ import annotations

import difflib
import importlib
import os
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from artis_sdk.errors import ArtisError, ConfigurationError
from artis_sdk.loop.limits import Limits, Price
from artis_sdk.loop.strategies import is_known, known_names
from artis_sdk.module_errors import place_and_error
from artis_sdk.prompts import Style
from artis_sdk.records import CommitMode, Risk, SampledRole, Sampling, Treatment
from artis_sdk.records.doubtful_rules import settle
from artis_sdk.settings_errors import explain, meant, not_json, not_toml
from artis_sdk.simulators.form import named_form
from artis_sdk.store_address import data_folder, journal_address, log_address, shown_address

FailureRule = Literal["text", "exit_code", "code", "status", "other_error"]

FILE = "artis.toml"
PREFIX = "ARTIS_"
# Not settings: the firewall's marker, and the variables of the test suite.
_OTHERS = ("ARTIS_WORLD", "ARTIS_TEST_")


def default_journal() -> Path:
    """One file for all sessions of a user: `artis/journal.db` in the XDG data folder.

    It depends on no working directory. A script that is started again from another folder finds what it left.
    """
    return data_folder() / "journal.db"


def _known_form(names: str | None) -> str | None:
    if names is not None:
        named_form(names)
    return names


def _known_strategy(name: str) -> str:
    if not is_known(name):
        close = difflib.get_close_matches(name, known_names(), n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise ValueError(f"must be one of {', '.join(known_names())}{hint}")
    return name


def _log(given: str | Path | None) -> str | Path | None:
    return None if given is None else log_address(given)


def _named_models(given: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Options under a prefix alone would be used by no backend, and its requests go elsewhere."""
    for name in given:
        if not all(name.partition(":")):
            raise ValueError(f'{name!r} names no model: write [backends."{name.strip(":")}:MODEL"]')
    return given


class Settings(BaseSettings):
    """The values that `Session()` uses for arguments that are left out.

    In the environment each name is in upper case after `ARTIS_`, and nested names are joined by two
    underscores: `ARTIS_AGENT=openai:gpt-5-mini`, `ARTIS_LIMITS__TOKENS=200000`.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", toml_file=FILE, extra="forbid", frozen=True
    )

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """The values without a database's user and password."""
        for name, value in super().__repr_args__():
            yield name, shown_address(value) if name in ("log", "journal") and value is not None else value

    agent: str | None = None
    """Backend of the action agent, such as `openai:gpt-5-mini`; or `module:name` of an agent of your own, or
    `INTEGRATION:module:name` of another framework's, such as `pydantic_ai:shop:agent`."""
    simulator: str | None = None
    """`sandbox`, `replay:calls.db` (or `retrieval:`, `majority:`), the backend of an LLM simulator, or a
    registered simulator (entry points of `artis_sdk.simulators`);
    `checked`, which computes from the tools' source (`checked:module:name` with a `restore=` hook), also in
    front of one of these: `checked,openai:gpt-5-mini`."""
    simulator_form: Annotated[str | None, AfterValidator(_known_form)] = None
    """What an LLM simulator's prompt shows beyond the default: `modes,source` and the like."""
    pure: tuple[str, ...] = ()
    """Functions that change nothing, which `simulator="sandbox"` may run as they are: they have no object to
    fork (`SandboxSimulator(pure=...)`)."""
    trust: Path | None = None
    """Trust file of the simulator, or the adapter folder with that file."""
    on_doubt: Literal["skip", "stop"] = "skip"
    """Consequence of a rehearsal's call of a tool for which the simulator is not trusted."""
    evaluator: str | None = None
    """Backend of the evaluator, or `module:name` of your own; by default the agent's, as in the paper."""
    summarizer: str | None = None
    """Backend of the summarizer, or `module:name` of your own; by default the agent's."""
    evaluate: bool = True
    """Whether attempts are judged."""
    summarize: bool = True
    """Whether a recommendation is written."""
    tools: str | None = None
    """The tools: `module:name` of a Toolset or a guarded function, or `module`."""
    strategy: Annotated[str, AfterValidator(_known_strategy)] = "sequential"
    attempts: int = Field(default=5, ge=0)
    """Number of attempts, the paper's N."""
    limits: Limits = Limits()
    prices: dict[str, Price] = {}
    """Price of each backend, by its name; a cost limit needs them."""
    log: Annotated[str | Path | None, AfterValidator(_log)] = None
    """Call log, for every real call: a file, `postgresql://user@host:port/database`, or the URL of a folder
    of Parquet files, such as `s3://bucket/calls`."""
    journal: Annotated[str | Path, AfterValidator(journal_address)] = Field(default_factory=default_journal)
    """Commit journal, a file or `postgresql://user@host:port/database`; after a crash it holds the calls
    whose outcome is unknown."""
    plan_key: SecretStr | None = None
    """Fernet key that encrypts the secrets of saved plans; set it in the environment of the process that
    saves a plan and of the one that commits it."""
    approval_key: SecretStr | None = None
    """Key that signs approvals of plans, at least 16 random bytes as text; set it in the environment of the
    process that approves and of the one that commits, which then takes signed approvals only."""
    mode: CommitMode | None = None
    """How plans are committed; by default `bound` if somebody approved the plan, else `guided`."""
    on_unforeseen: Treatment | dict[Risk, Treatment] = "ask"
    """Treatment of a call that may change something and that a bound plan does not foresee; or by risk."""
    on_divergence: Treatment | dict[Risk, Treatment] = "ask"
    """Treatment of a call whose outcome is not the predicted one; or by risk."""
    approve_timeout: float | None = Field(default=None, gt=0)
    """Limit of an approver's answer, in seconds."""
    on_unknown: Literal["refuse", "ask", "note"] = "refuse"
    """Treatment of a call whose twin in the journal has no known outcome."""
    traces: Literal["off", "on", "content"] = "off"
    """OpenTelemetry spans to the program's own tracer, without or with what was written; see `Traces`."""
    style: Style = "ours"
    """How attempts are judged and shown, and what the advice is made of; see `artis_sdk.prompts.Style`."""
    tool_format: Literal["auto", "native", "text"] = "auto"
    max_steps: int = Field(default=20, ge=1)
    """Maximum agent steps of one attempt or commit."""
    sampling: dict[SampledRole, Sampling] = {}
    """Temperature, top-p and maximum tokens of an answer, by role."""
    failure_rules: dict[str, dict[FailureRule, bool]] = {}
    """Whether a value on which a doubtful rule holds is a failure, by tool, or `*` for all, and rule; the
    rules are those of `artis_sdk.records.doubtful_rules.RULES`."""
    backends: Annotated[dict[str, dict[str, Any]], AfterValidator(_named_models)] = {}
    """Options of `resolve` for each backend, by its name, such as `openai:gpt-5-mini`."""

    @field_validator("*", mode="before")
    @classmethod
    def _filled_in(cls, value: Any) -> Any:
        if value == "":
            raise ValueError("is empty; leave it out, or give it a value")
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


_MODELS: dict[str, type[BaseModel]] = {
    "": Settings,
    "sampling": Sampling,
    "limits": Limits,
    "prices": Price,
}
"""What may stand within a setting; `""` for the settings themselves."""
_cache: tuple[object, Settings] | None = None


def load_settings(given: Mapping[str, Any] = MappingProxyType({})) -> Settings:
    """Read the settings of this process and directory; read again only after a change.

    Args:
        given: settings of the command line, which override the environment and the file, by name.

    Raises:
        ConfigurationError: a name is unknown or a value does not fit; says which and where.
    """
    global _cache
    environment = {key: os.environ[key] for key in os.environ if key.startswith(PREFIX)}
    key = (
        *_place(),
        os.environ.get("XDG_DATA_HOME"),  # of the default journal, as is HOME
        os.environ.get("HOME"),
        tuple(sorted(environment.items())),
        tuple(given.items()),
    )
    if _cache is None or _cache[0] != key:
        _refuse_unknown_variables(environment)
        try:
            _cache = key, Settings(**given)
        except ValidationError as error:
            names = {place: model.model_fields for place, model in _MODELS.items()}
            said = explain(error, given=given, environment=environment, prefix=PREFIX, file=FILE, names=names)
            raise ConfigurationError(said) from None
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError(f"{FILE}: {not_toml(error)}") from error
        except SettingsError as error:
            raise ConfigurationError(not_json(error, environment, PREFIX)) from error
        except UnicodeDecodeError as error:
            raise ConfigurationError(f"{FILE} is not UTF-8: {error.reason} at byte {error.start}") from error
        except OSError as error:
            raise ConfigurationError(f"{FILE} cannot be read: {error.strerror}") from error
    settle(_cache[1].failure_rules)
    return _cache[1]


def _place() -> tuple[str, tuple[int, int] | None]:
    """The working directory, and when its file was changed and its size; None without a file."""
    try:
        folder = os.getcwd()
    except OSError as error:
        raise ConfigurationError(f"the working directory is gone: {error.strerror}") from error
    try:
        stat = Path(FILE).stat()
    except FileNotFoundError:
        return folder, None
    except OSError as error:
        raise ConfigurationError(f"{FILE} cannot be read: {error.strerror}") from error
    return folder, (stat.st_mtime_ns, stat.st_size)


def _refuse_unknown_variables(environment: dict[str, str]) -> None:
    for name in environment:
        field = name.removeprefix(PREFIX).lower().split("__")[0]
        if field not in Settings.model_fields and not name.startswith(_OTHERS):
            known = [PREFIX + other.upper() for other in Settings.model_fields]
            raise ConfigurationError(
                f"environment variable {name} is not a setting of artis_sdk; {meant(name, known)}"
            )


def load_object(where: str, what: str = "tools", hint: str = "") -> Any:
    """The object at `module:name` or `module`; the working directory is searched too.

    Args:
        where: its place.
        what: name of the setting, for errors.
        hint: further words of the errors: what else the setting may name.

    Raises:
        ConfigurationError: the module or the name does not exist, or the module cannot be imported.
    """
    module_name, _, attribute = where.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and module_name.startswith(error.name):
            if module_name.endswith(".py"):
                hint = "; a module is named as in an import, without .py"
            raise ConfigurationError(f"{what} {where!r}: no module named {error.name!r}{hint}") from error
        raise ConfigurationError(f"{what} {where!r}: {place_and_error(error)}") from error
    except ArtisError:
        raise
    except SystemExit as error:
        raise ConfigurationError(
            f"{what} {where!r}: the module ends the program as it is imported ({error}); put what it does as "
            'a program under `if __name__ == "__main__":`'
        ) from error
    except Exception as error:  # the application's own code ran, which may raise anything
        raise ConfigurationError(f"{what} {where!r}: {place_and_error(error)}") from error
    try:
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except AttributeError as error:
        raise ConfigurationError(f"{what} {where!r}: {error}{hint}") from error
    return found
