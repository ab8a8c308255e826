"""What a session takes from the environment and from artis.toml, and what it says is missing."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from artis_sdk import Direct, Sequential, Session, Toolset
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.sampling import RoleSampling
from artis_sdk.pocket import Bank, pocket_tools
from artis_sdk.pocket.bank import Account, InsufficientFunds
from artis_sdk.prompts import Prompts
from artis_sdk.records import Provenance
from artis_sdk.session_backends import Backends
from artis_sdk.session_simulator import make_simulator
from artis_sdk.settings import load_object, load_settings
from artis_sdk.simulators import Checked, Ladder, LLMSimulator, SandboxSimulator

TOOLS_MODULE = """
from artis_sdk import guarded_tool

@guarded_tool
def look(place: str) -> str:
    \"\"\"Look at a place.\"\"\"
    return place
"""


@pytest.fixture
def folder(bare_folder: Path) -> Path:
    (bare_folder / "session_tools_here.py").write_text(TOOLS_MODULE)
    return bare_folder


def backend() -> ScriptedBackend:
    return ScriptedBackend(["hello"])


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, "ARTIS_TOOLS"),
        ({"tools": pocket_tools(Bank())}, "ARTIS_AGENT"),
        ({"tools": pocket_tools(Bank()), "agent": backend()}, "ARTIS_SIMULATOR"),
    ],
)
async def test_what_is_missing_is_named(folder: Path, given: dict[str, Any], missing: str) -> None:
    with pytest.raises(ConfigurationError, match=missing):
        async with Session(**given):
            pass


async def test_an_own_agent_needs_a_judge(folder: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return "done"

    with pytest.raises(ConfigurationError, match="evaluator="):
        async with Session(agent=agent, tools=pocket_tools(Bank()), simulator="sandbox"):
            pass


JUDGE = """
from artis_sdk import Evaluation


class Judge:
    async def evaluate(self, task, attempt):
        return Evaluation(correct=True, explanation="by the file")


judge = Judge()
"""


async def test_judging_is_off_or_an_object_of_the_settings(folder: Path) -> None:
    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        return "done"

    (folder / "session_judge_here.py").write_text(JUDGE)
    given: dict[str, Any] = {"agent": agent, "simulator": SandboxSimulator(), "strategy": Sequential(1)}
    tools = pocket_tools(Bank())
    for lines, explained in (
        ("evaluate = false\nsummarize = false\n", None),
        ('evaluator = "session_judge_here:judge"\nsummarize = false\n', "by the file"),
    ):
        (folder / "artis.toml").write_text(lines)
        async with Session(tools=tools, **given) as session:
            (attempt,) = (await session.rehearse("x")).attempts
        assert (attempt.evaluation and attempt.evaluation.explanation) == explained


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"agent": "opnai:gpt"}, "no module named 'opnai'; prefixes of backends: anthropic"),
        ({"agent": backend(), "simulator": "sandbx"}, "none of sandbox, checked, majority:FILE"),
        (
            {"agent": backend(), "simulator": "sandbox", "evaluator": "opnai:gpt"},
            "evaluator 'opnai:gpt': no mod",
        ),
    ],
)
async def test_a_misspelt_name_is_answered_with_those_there_are(
    folder: Path, given: dict[str, Any], named: str
) -> None:
    with pytest.raises(ConfigurationError, match=named):
        async with Session(tools=pocket_tools(Bank()), **given):
            pass


class Invoices:
    """A service whose data are elsewhere."""

    def __init__(self, path: str, **more: Any) -> None:
        self.path = path
        vars(self).update(more)

    def count(self) -> int:
        """The number of invoices."""
        return 0


@pytest.mark.parametrize(
    ("more", "options", "blind"),
    [
        ({}, {}, True),
        ({"cache": {}}, {}, True),
        ({"open": 3}, {}, False),
        ({"rows": {"a": "x"}}, {}, False),
        ({}, {"state": {"invoices": 3}}, False),
        ({}, {"simulator": SandboxSimulator()}, False),
        ({}, {"simulator": Ladder([Checked(), LLMSimulator(backend())])}, True),
    ],
)
async def test_a_model_that_sees_no_data_is_told_of(
    folder: Path, more: dict[str, Any], options: dict[str, Any], blind: bool
) -> None:
    tools = Toolset.from_object(Invoices("invoices.db", **more))
    given = {"simulator": LLMSimulator(backend()), "evaluate": False, "summarize": False, **options}
    async with Session(agent=backend(), tools=tools, strategy=Sequential(1), **given) as session:
        plan = await session.rehearse("How many invoices?")
    found = [note for note in plan.notes if "sees none of the data" in note]
    assert len(found) == blind
    assert all("the state has only Invoices.path" in note for note in found)
    assert "invoices.db" not in "".join(plan.notes), "an address may hold a password"


async def test_everything_from_the_file(folder: Path) -> None:
    (folder / "artis.toml").write_text(
        'agent = "openai:some-model"\nsimulator = "sandbox"\ntools = "session_tools_here"\n'
        'strategy = "parallel"\nattempts = 3\n[limits]\ntokens = 1000\n'
        '[backends."openai:some-model"]\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "none"\n'
    )
    async with Session() as session:
        assert session._parts is not None
        assert session._parts.strategy.name == "parallel"
        assert session._parts.limits.tokens == 1000
        assert session._parts.tools.names == ("look",)


def test_the_environment_stands_above_the_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "artis.toml").write_text('agent = "openai:a"\nattempts = 3\n[limits]\ntokens = 5\n')
    monkeypatch.setenv("ARTIS_AGENT", "openai:b")
    monkeypatch.setenv("ARTIS_LIMITS__TOKENS", "7")
    settings = load_settings()
    assert (settings.agent, settings.attempts, settings.limits.tokens) == ("openai:b", 3, 7)


def test_a_changed_file_is_read_again(folder: Path) -> None:
    (folder / "artis.toml").write_text("attempts = 3\n")
    assert load_settings().attempts == 3
    (folder / "artis.toml").write_text("attempts = 12\n")
    assert load_settings().attempts == 12


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('agnet = "openai:a"\n', "agnet"),
        ("attempts = -1\n", "attempts"),
        ("[limits]\ntoken = 5\n", "limits.token"),
        ("attempts = \n", "artis.toml"),
    ],
)
def test_a_wrong_file_is_explained(folder: Path, text: str, named: str) -> None:
    (folder / "artis.toml").write_text(text)
    with pytest.raises(ConfigurationError, match=named):
        load_settings()


def test_a_misspelt_variable_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIS_LIMIT__TOKENS", "7")
    with pytest.raises(ConfigurationError, match="ARTIS_LIMITS"):
        load_settings()


async def test_a_sequential_zero_still_needs_a_simulator_by_name(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match="sequential"):
        async with Session(agent=backend(), tools=pocket_tools(Bank()), strategy=Sequential(0)):
            pass
    async with Session(agent=backend(), tools=pocket_tools(Bank()), strategy=Direct()) as session:
        assert (await session.run("Hello.")).answer == "hello"


async def test_checked_stands_alone_or_in_front_of_another(folder: Path) -> None:
    (folder / "artis.toml").write_text(
        'tools = "session_tools_here"\nsimulator_form = "modes,focus"\n'
        '[backends."openai:some-model"]\nbase_url = "http://127.0.0.1:9/v1"\napi_key = "none"\n'
    )
    (folder / "hooks_here.py").write_text("def restore(state):\n    return []\n")
    for name, rungs in {
        "checked": [],
        "checked,sandbox": [Checked, SandboxSimulator],
        "checked:hooks_here:restore, openai:some-model": [Checked, LLMSimulator],
    }.items():
        async with AsyncExitStack() as stack:
            settings = load_settings()
            sampling = RoleSampling(None, settings.sampling)
            made: Any = make_simulator(
                name, settings, Backends(stack, settings.backends), Prompts(), stack, sampling
            )
            assert [type(rung) for rung in getattr(made, "rungs", ())] == rungs
            assert isinstance(made, Checked | Ladder)
    assert made.rungs[0].runs_code
    assert (made.rungs[1].form.modes, made.rungs[1].form.focus) == (True, True)


def test_an_unknown_part_of_a_prompt_form_is_an_error(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ARTIS_SIMULATOR_FORM", "modes,sauce")
    with pytest.raises(ConfigurationError, match="no prompt form is named 'sauce'"):
        load_settings()


async def test_a_session_rehearses_on_computed_outcomes(folder: Path) -> None:
    tools = pocket_tools(Bank({"A1": Account("A1", "Ann", "EUR", 10)}))

    async def agent(task: str, *, tools: Any, guidance: str | None) -> str:
        with pytest.raises(InsufficientFunds):
            tools["withdraw"](account="A1", amount=11)
        return str(tools["withdraw"](account="A1", amount=4))

    judge = ScriptedBackend(['{"correct": true, "suggestion": ""}'] * 9)
    async with Session(
        agent=agent,
        tools=tools,
        simulator="checked",
        evaluator=judge,
        strategy=Sequential(1),
        summarize=False,
    ) as session:
        plan = await session.rehearse("Pay Ann 4.")
    outcomes = [step.outcome for step in plan.attempts[0].steps]
    assert [outcome.type for outcome in outcomes] == ["InsufficientFunds", "success"]
    assert {outcome.provenance for outcome in outcomes} == {Provenance.CHECKED}


@pytest.mark.parametrize(
    ("given", "variable", "file", "said"),
    [
        ({"strategy": "squential"}, "", "", "--strategy: must be one of sequential, "),
        ({"strategy": "squential"}, "", "", "; did you mean sequential?"),
        (
            {"sampling": {"agent": {"temp": "0.7"}}},
            "",
            "[sampling.judge]\ntop_p = 0.9\n",
            "--sampling agent.temp: there is no such setting; known are temperature, top_p, max_tokens",
        ),
        (
            {"sampling": {"agent": {"max_token": "7"}}},
            "",
            "",
            "--sampling agent.max_token: there is no such setting; did you mean max_tokens?",
        ),
        ({}, "squential", "", "setting 'strategy' (ARTIS_STRATEGY): must be one of sequential, "),
        ({}, "squential", 'strategy = "direct"', "setting 'strategy' (ARTIS_STRATEGY): must be one of"),
        ({}, "", 'strategy = "squential"', "setting 'strategy' (artis.toml): must be one of sequential, "),
        (
            {},
            "",
            'agnet = "x"',
            "setting 'agnet' (artis.toml): there is no such setting; did you mean agent?",
        ),
        (
            {"sampling": {"agent": {"top_p": "0.5"}}},
            "",
            "[limits]\ntoken = 3\n",
            "setting 'limits.token' (artis.toml): there is no such setting; did you mean tokens?",
        ),
    ],
)
def test_a_wrong_setting_is_named_as_it_was_given(
    folder: Path, monkeypatch: pytest.MonkeyPatch, given: Any, variable: str, file: str, said: str
) -> None:
    (folder / "artis.toml").write_text(file)
    if variable:
        monkeypatch.setenv("ARTIS_STRATEGY", variable)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(given)
    assert said in str(refused.value)
    assert "Value error" not in str(refused.value)


@pytest.mark.parametrize(
    ("variables", "file", "said"),
    [
        (
            {},
            "tools = bank:tools\n",
            "artis.toml: Invalid value (at line 1, column 9); a text stands in quotes",
        ),
        ({"ARTIS_PURE": "pay"}, "", "setting 'pure' (ARTIS_PURE): not JSON: Expecting value"),
        ({"ARTIS_LOG": ""}, "", "setting 'log' (ARTIS_LOG): is empty"),
        ({}, 'journal = ""\n', "setting 'journal' (artis.toml): is empty"),
        (
            {},
            '[backends.openai]\nbase_url = "http://127.0.0.1:1/v1"\n',
            """write [backends."openai:MODEL"]""",
        ),
        ({"ARTIS_BACKENDS": '{"vllm:": {}}'}, "", "(ARTIS_BACKENDS): 'vllm:' names no model"),
    ],
)
def test_a_value_that_would_be_read_as_another_is_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], file: str, said: str
) -> None:
    """Options of `openai` alone would be used by no backend: its requests would go to another server."""
    (folder / "artis.toml").write_text(file)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert said in str(refused.value)


def test_a_place_that_is_a_file_or_a_program_is_told(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"named as in an import, without .py$"):
        load_object("session_tools_here.py:look")
    (folder / "a_program_here.py").write_text('raise SystemExit("usage: a_program_here FILE")')
    with pytest.raises(
        ConfigurationError, match=r"as it is imported \(usage: a_program_here FILE\); put what"
    ):
        load_object("a_program_here:tools")


@pytest.mark.parametrize(
    ("given", "ways"),
    [
        ({}, ("tools=", "--tools", "ARTIS_TOOLS", "artis init")),
        ({"tools": pocket_tools(Bank())}, ("agent=", "--agent", "ARTIS_AGENT", "artis.toml")),
        (
            {"tools": pocket_tools(Bank()), "agent": backend()},
            ("simulator=", "--simulator", "ARTIS_SIMULATOR", "artis.toml"),
        ),
    ],
)
async def test_what_is_missing_is_named_as_argument_option_and_setting(
    folder: Path, given: dict[str, Any], ways: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        async with Session(**given):
            pass
    for way in ways:
        assert way in str(refused.value)


@pytest.mark.parametrize("task", ["", " \n"])
async def test_an_empty_task_is_refused_before_a_model_is_asked(folder: Path, task: str) -> None:
    model = backend()
    async with Session(
        agent=model, tools=pocket_tools(Bank()), simulator=SandboxSimulator(), journal=folder / "j.db"
    ) as session:
        for refused in (session.rehearse, session.run):
            with pytest.raises(ConfigurationError, match="the task is empty"):
                await refused(task)
    assert model.requests == []


def test_a_file_that_cannot_be_read_is_named(bare_folder: Path) -> None:
    (bare_folder / "artis.toml").symlink_to("artis.toml")
    with pytest.raises(ConfigurationError, match=r"artis\.toml cannot be read: Too many levels"):
        load_settings()


def test_a_working_directory_that_is_gone_is_said(bare_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = bare_folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(ConfigurationError, match="the working directory is gone"):
        load_settings()
