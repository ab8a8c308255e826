"""Verdicts: from the lower end of the interval, and unknown where too little was measured."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from helpers.fidelity import Letters, of_number, record
from helpers.logs import PAY

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.contracts import Simulator
from artis_sdk.errors import ConfigurationError, EvaluationError
from artis_sdk.evals.fidelity.measurement import measure
from artis_sdk.evals.fidelity.similarity import Similarity
from artis_sdk.evals.fidelity.trust import TrustRules, judge
from artis_sdk.records import Capabilities, Risk
from artis_sdk.simulators import Ladder, LLMSimulator, PromptForm, RetrievalSimulator, SandboxSimulator
from artis_sdk.simulators.faults import Fault
from artis_sdk.simulators.faulty import Faulty
from artis_sdk.simulators.identity import identities
from artis_sdk.simulators.trained import Trained
from artis_sdk.simulators.trust import ToolTrust, Trust, TrustGate, gated

TEMPLATES = {"simulator_system": "s", "simulator_user": "u"}


class Refused(Exception):
    pass


async def verdict(
    rows: list[tuple[Any, Any]],
    rules: TrustRules | None = None,
    similarity: Similarity | None = None,
    **more: Any,
) -> ToolTrust:
    """The verdict on a read-only tool, from pairs of what really came and what was predicted."""
    more = {"spec": PAY.model_copy(update={"risk": Risk.READ_ONLY}), **more}
    records = [record(n, real, **more) for n, (real, _) in enumerate(rows)]
    found = await measure(of_number([said for _, said in rows]), records, name="s", similarity=similarity)
    return judge(found, rules).tools["pay"]


RIGHT, MISSED, FORETOLD = ("paid", "paid"), (Refused, "paid"), (Refused, Refused)


@pytest.mark.parametrize(
    ("rows", "expected", "reason"),
    [
        ([RIGHT] * 60 + [FORETOLD] * 20, "trusted", None),
        ([RIGHT], "unknown", "1 held-out call, 20 needed"),
        ([RIGHT] * 19, "unknown", "19 held-out calls, 20 needed"),
        ([RIGHT] * 60, "unknown", "0 held-out failures in 60 calls, 5 needed"),
        ([RIGHT] * 100, "trusted", None),  # at most 3.7 percent of its calls fail
        ([RIGHT] * 300 + [MISSED], "trusted", None),  # failures are rare enough to miss
        ([RIGHT] * 100 + [MISSED] * 4, "unknown", "4 held-out failures"),
        (
            [RIGHT] * 100 + [MISSED] * 10,
            "doubtful",
            "failure recall 0% of 10, at least 0%; 50% needed",
        ),
        ([RIGHT] * 100 + [FORETOLD] * 6 + [MISSED] * 4, "doubtful", "failure recall 60% of 10, at least 31%"),
        ([("paid", "lost")] * 60 + [FORETOLD] * 20, "doubtful", "exact match 25%"),
        ([("paid", None)] * 60 + [FORETOLD] * 20, "doubtful", "exact match 25%"),
    ],
)
async def test_a_verdict(rows: list[tuple[Any, Any]], expected: str, reason: str | None) -> None:
    found = await verdict(rows)
    assert found.verdict == expected
    assert ("; ".join(found.reasons) or None) == reason or reason in found.reasons[0]  # type: ignore[operator]


async def test_predicting_failures_that_do_not_occur_is_doubtful_too() -> None:
    found = await verdict([("paid", Refused)] * 60 + [FORETOLD] * 20)
    assert found.verdict == "doubtful"
    assert "exact match" in found.reasons[0]


async def test_more_rows_of_the_same_quality_can_only_help() -> None:
    order = {"unknown": 0, "doubtful": 0, "trusted": 1}
    ranks = [
        order[(await verdict(([RIGHT] * 9 + [FORETOLD] * 9 + [MISSED] * 2) * times)).verdict]
        for times in (1, 2, 4, 8)
    ]
    assert ranks == sorted(ranks)
    assert ranks[-1] == 1


async def test_high_fidelity_counts_where_it_was_measured_unless_exact_is_asked_for() -> None:
    rows = [("aaaaaaaaab", "aaaaaaaaaa")] * 60 + [FORETOLD] * 20
    near = Similarity(Letters())
    assert (await verdict(rows, similarity=near)).verdict == "trusted"
    assert (await verdict(rows, TrustRules(faithful="exact"), near)).verdict == "doubtful"
    assert (await verdict(rows)).verdict == "doubtful"


async def test_the_measured_source_goes_into_the_verdict() -> None:
    assert (await verdict([RIGHT] * 100, source_hash="a" * 64)).source_hash == "a" * 64


@pytest.mark.parametrize("order", [1, -1])  # an old log may be imported after a new one was begun
async def test_a_verdict_counts_no_call_of_another_source_than_the_latest(order: int) -> None:
    """Otherwise a tool that was rewritten yesterday is trusted for what it was like for weeks before."""
    read_only = PAY.model_copy(update={"risk": Risk.READ_ONLY})
    old = [record(n, spec=read_only, source_hash="a" * 64) for n in range(100)]
    new = [record(n, spec=read_only, source_hash="b" * 64) for n in range(100, 103)]
    records = [*old, *new][::order]
    found = await measure(of_number(["paid"] * 103), records, name="s", similarity=None)
    assert found.overall.rows == 103
    (tool,) = found.tools
    assert (tool.source_hash, tool.scores.rows, tool.other_source) == ("b" * 64, 3, 100)
    verdict = judge(found).tools["pay"]
    assert verdict.verdict == "unknown"
    assert verdict.reasons == ("3 held-out calls, 20 needed; 100 of another source do not count",)


async def test_tools_that_were_not_measured_are_unknown() -> None:
    found = await measure(of_number(["paid"]), [record(0)], name="s", similarity=None)
    trust = judge(found)
    assert set(trust.tools) == {"pay"}
    assert trust.of("other").verdict == "unknown"
    assert trust.rules["min_rows"] == 20


# --- an irreversible tool -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "expected", "reason"),
    [
        ([RIGHT] * 1000, "unknown", "0 held-out failures cannot show"),
        ([RIGHT] * 300 + [MISSED] * 3, "unknown", "3 held-out failures cannot show"),
        ([RIGHT] * 300 + [FORETOLD] * 4, "unknown", "4 held-out failures cannot show"),
        ([RIGHT] * 100 + [FORETOLD] * 6 + [MISSED] * 4, "doubtful", "failure recall 60% of 10, at least 31%"),
        ([RIGHT] * 60 + [FORETOLD] * 20, "trusted", None),
    ],
)
async def test_the_failures_of_an_irreversible_tool_must_have_been_predicted(
    rows: list[tuple[Any, Any]], expected: str, reason: str | None
) -> None:
    found = await verdict(rows, spec=PAY.model_copy(update={"risk": Risk.IRREVERSIBLE}))
    assert found.verdict == expected
    assert reason is None or reason in found.reasons[0]


# --- nothing readable -----------------------------------------------------------------------------


async def test_an_evaluation_without_an_answer_fails_with_the_reason_and_a_sample() -> None:
    backend = ScriptedBackend(["I would say that it is paid."] * 10)
    rows = [record(n) for n in range(4)]
    found = await measure(LLMSimulator(backend), rows, name="chatty", similarity=None, concurrency=1)
    with pytest.raises(EvaluationError) as failed:
        found.require_answers()
    said = str(failed.value)
    assert "chatty answered none of 4 calls" in said
    assert "gave no usable prediction" in said
    assert "I would say that it is paid." in said


# --- what was measured ----------------------------------------------------------------------------


async def test_verdicts_name_what_was_measured(tmp_path: Path) -> None:
    (tmp_path / "adapter_model.safetensors").write_bytes(b"weights")
    Trained(base="b", form=PromptForm(focus=True), templates=TEMPLATES).write(tmp_path)
    backend = ScriptedBackend([])
    trained = LLMSimulator.trained(tmp_path, backend, adapter="sim")
    (identity,) = identities(trained)
    assert identity.kind == "LLMSimulator"
    assert identity.model == backend.name
    assert identity.adapter == "sha256:" + sha256(b"weights").hexdigest()
    assert identity.form == {"focus": True}
    found = await measure(of_number(["paid"] * 3), [record(n) for n in range(3)], name="s", similarity=None)
    assert [one.kind for one in judge(found).measured] == [one.kind for one in found.measured] != []


async def test_a_trust_file_of_another_simulator_is_refused(tmp_path: Path) -> None:
    for name, weights in (("a", b"one"), ("b", b"two")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "adapter_model.safetensors").write_bytes(weights)
        Trained(base="b", form=PromptForm(), templates=TEMPLATES).write(tmp_path / name)
    backend = ScriptedBackend([])
    measured = LLMSimulator.trained(tmp_path / "a", backend)
    trust = Trust(simulator="s", measured=identities(measured), tools={})
    assert isinstance(gated(measured, trust, "skip"), TrustGate)
    assert isinstance(gated(LLMSimulator.trained(tmp_path / "a", backend), trust, "skip"), TrustGate)
    others: dict[str, Simulator] = {
        "adapter 'sha256:": LLMSimulator.trained(tmp_path / "b", backend),
        "adapter None": LLMSimulator(backend),
        "form {'focus': True}": LLMSimulator(backend, form=PromptForm(focus=True)),
        "model 'openai:other'": LLMSimulator("openai:other"),
        "kind 'RetrievalSimulator'": RetrievalSimulator(()),
    }
    for what, other in others.items():
        faulty = Faulty(other, [Fault(kind="refused", tool="pay")])
        for simulator in (other, Ladder([SandboxSimulator(), other]), faulty):
            with pytest.raises(ConfigurationError, match="measured for another simulator") as refused:
                gated(simulator, trust, "skip")
            assert what in str(refused.value)
    assert gated(SandboxSimulator(), trust, "skip").runs_code  # it guesses nothing
    own = Trust(simulator="mine", tools={})
    assert isinstance(gated(RetrievalSimulator(()), own, "skip"), TrustGate)


async def test_an_adapter_known_by_name_alone_has_no_trust(tmp_path: Path) -> None:
    """Another adapter may be served under the name tomorrow."""
    backend = ScriptedBackend([], capabilities=Capabilities(adapters=True))
    by_name = LLMSimulator(backend, adapter="sim")
    trust = Trust(simulator="s", measured=identities(by_name), tools={})
    with pytest.raises(
        ConfigurationError, match=r"by its name alone.*LLMSimulator\.trained\(FOLDER, backend"
    ):
        gated(by_name, trust, "skip")
    Trained(base="b", form=PromptForm(), templates=TEMPLATES).write(tmp_path)
    for n, weights in enumerate((b"one", b"two"), 1):  # parts of a merged model
        (tmp_path / f"model-{n}-of-2.safetensors").write_bytes(weights)
    (identity,) = identities(LLMSimulator.trained(tmp_path, backend, adapter="sim"))
    assert identity.adapter == "sha256:" + sha256(b"onetwo").hexdigest()
