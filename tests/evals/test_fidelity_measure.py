"""Fidelity of a simulator on held-out calls: what is counted, what is kept, what is asked."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

import pytest
from helpers.fidelity import Letters, Says, of_number, outcome, record
from helpers.simulators import call, step

from artis_sdk import LLMSimulator, ReplaySimulator
from artis_sdk.backends import ScriptedBackend
from artis_sdk.errors import BackendError, ConfigurationError, ContextOverflow, MissingExtraError
from artis_sdk.evals.fidelity import measurement as fidelity_module
from artis_sdk.evals.fidelity.measurement import measure
from artis_sdk.evals.fidelity.meter import failure_probability
from artis_sdk.evals.fidelity.predict import predict
from artis_sdk.evals.fidelity.records import Fidelity
from artis_sdk.evals.fidelity.similarity import Similarity
from artis_sdk.records import Capabilities, Completion, Provenance, Request, TokenLogprob, ToolCall, Usage
from artis_sdk.simulators.form import PromptForm
from artis_sdk.tools import Toolset, guarded_tool

TYPED = '{"outputs": [{"ok": true, "value": "paid"}]}'
FAILS = '{"outputs": [{"ok": false, "failure_type": "Refused", "message": "no"}]}'


class Refused(Exception):
    pass


class Gone(Exception):
    pass


async def measured(answers: list[Any], reals: list[Any], **more: Any) -> Fidelity:
    records = [record(n, real) for n, real in enumerate(reals)]
    return await measure(of_number(answers), records, name="s", similarity=None, **more)


# --- what is counted ------------------------------------------------------------------------------


async def test_failures_are_counted_by_type_and_only_the_right_type_is_recall() -> None:
    reals = [Refused, Refused, Refused, Gone, "paid", "paid"]
    answers = [Refused, Gone, "paid", Gone, "paid", Refused]
    scores = (await measured(answers, reals)).overall
    assert scores.failures == 4
    assert scores.failure_recall.value == 2 / 4  # predicted with their type
    assert scores.detection_recall.value == 3 / 4  # predicted as any failure
    assert scores.failure_precision.value == 2 / 4
    assert scores.detection_precision.value == 3 / 4
    assert scores.type_accuracy.value == 3 / 6
    assert scores.exact.value == 3 / 6


async def test_recall_and_precision_stand_by_type() -> None:
    found = await measured([Refused, Gone, "paid", Refused], [Refused, Refused, Gone, "paid"])
    (tool,) = found.tools
    types = {one.type: one for one in tool.types}
    assert list(types) == ["Refused", "Gone", "success"]  # failures first, the most frequent first
    assert types["Refused"].recall.value == 1 / 2
    assert types["Refused"].precision.value == 1 / 2
    assert types["Gone"].recall.value == 0.0
    assert types["Gone"].precision.value == 0.0
    assert types["Gone"].predicted == 1


async def test_a_simulator_that_cannot_tell_matches_nothing() -> None:
    """Also where every real outcome is the same: a class of its own is never a match."""
    found = await measure(
        of_number([None, "paid", None]),
        [record(n) for n in range(3)],
        name="s",
        similarity=Similarity(Letters()),
    )
    scores = found.overall
    assert scores.answered.value == scores.exact.value == scores.type_accuracy.value == 1 / 3
    assert scores.similarity.value == pytest.approx(1 / 3)
    assert scores.high_fidelity.value == 1 / 3
    assert found.unanswered == {"no idea": 2}


async def test_returned_failures_count_as_failures_on_both_sides() -> None:
    """Third-party code returns its failures, and declares nothing: what a value says of itself counts."""
    reals = [{"error": "No file 'a.txt'"}, {"status": False, "error": "No file 'b.txt'"}, {"ok": 1}]
    answers = [{"error": "No file 'z.txt'"}, {"ok": 1}, {"error": "No file 'z.txt'"}]
    scores = (await measured(answers, reals)).overall
    assert scores.failures == 2
    assert scores.failure_recall.value == 1 / 2
    assert scores.failure_precision.value == 1 / 2


async def test_exact_is_as_json_and_of_one_type() -> None:
    pairs = [
        (1, 1.0, True),
        (1, True, False),
        ([1, {"a": 2, "b": None}], [1, {"b": None, "a": 2}], True),
        ({"a": 1}, {"a": 1, "b": None}, False),
        (math.nan, math.nan, True),
        ("1", 1, False),
    ]
    for real, said, same in pairs:
        found = await measured([said], [real])
        assert found.overall.exact.value == float(same), (real, said)
    failure = await measured([{"error": "no"}], [Refused])  # a caller sees the same, and it is no Refused
    assert failure.overall.exact.value == 0.0


async def test_rare_cells_count_as_much_as_frequent_ones() -> None:
    reals = ["paid"] * 9 + [Refused]
    scores = await measured(["paid"] * 10, reals)
    assert scores.overall.type_accuracy.value == 0.9
    assert scores.cells.cells == 2
    assert scores.cells.type_accuracy.value == 0.5


async def test_similarity_is_that_of_what_callers_see_and_equal_texts_are_not_encoded() -> None:
    encoder = Letters()
    reals = ["aaaa", "abab", "aaaa", "zzzz"]
    answers = ["aaaa", "aaaa", "abab", "aaaa"]
    found = await measure(
        of_number(answers),
        [record(n, real) for n, real in enumerate(reals)],
        name="s",
        similarity=Similarity(encoder),
    )
    assert sorted(encoder.encoded) == [
        '"aaaa"',
        '"abab"',
        '"zzzz"',
    ]  # once each, equal ones never
    cosine = 1 / math.sqrt(2)
    assert found.overall.similarity.value == pytest.approx((1 + 2 * cosine) / 4, abs=1e-6)
    assert found.overall.high_fidelity.value == 1 / 4
    assert sum(found.histogram) == 4
    assert found.histogram[-1] == 1


async def test_only_outcomes_of_real_code_are_measured_against() -> None:
    records = [
        record(0),
        record(1, outcome=outcome("x", Provenance.SANDBOXED)),
        record(2, outcome=outcome("x", Provenance.SIMULATED)),
        record(3, outcome=outcome("x", Provenance.FORCED)),
        record(4, call=ToolCall(tool="pay", malformed="no JSON")),
        record(0),
    ]
    found = await measure(Says(lambda _: "paid"), records, name="s", similarity=None)
    assert found.overall.rows == 2
    assert found.left_out == {
        "outcome is simulated": 1,
        "outcome is forced": 1,
        "call is malformed": 1,
        "id occurs twice": 1,
    }


async def test_nothing_to_measure_against_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match=r"no call of real code.*1 whose outcome is simulated"):
        await measure(Says(lambda _: 1), [record(0, outcome=outcome("x"))], name="s")
    with pytest.raises(ConfigurationError, match="there are no records"):
        await measure(Says(lambda _: 1), [], name="s")


# --- what is asked --------------------------------------------------------------------------------


async def test_the_simulator_is_shown_the_logged_state_and_history_without_refused_calls() -> None:
    done = step(call("look"), 1)
    refused = step(call("look"), "refused", Provenance.FORCED)
    simulator = Says(lambda _: "paid")
    await measure(simulator, [record(0, state={"a": 1}, history=(done, refused))], name="s", similarity=None)
    ((made, state, history),) = simulator.asked
    assert (made.arguments, state, history) == ({"n": 0}, {"a": 1}, (done,))


async def test_a_model_sees_the_logged_document_or_the_real_tool() -> None:
    backend = ScriptedBackend(lambda _: TYPED)

    @guarded_tool(failures=lambda value: "Sad" if value == "paid" else None)
    def pay(n: int) -> str:
        """The real document."""
        return "paid"

    found = await measure(LLMSimulator(backend), [record(0)], name="s", similarity=None)
    assert "Pay somebody." in backend.requests[0].messages[1].content
    assert found.overall.exact.value == 1.0
    found = await measure(LLMSimulator(backend), [record(0)], name="s", similarity=None, tools=Toolset(pay))
    assert "The real document." in backend.requests[1].messages[1].content
    assert found.overall.exact.value == 0.0  # its own rules read the answer
    assert found.usage == backend_usage(backend, 1)


def backend_usage(backend: ScriptedBackend, last: int) -> Usage:
    usage = Usage(requests=last)
    for _ in range(last):
        answer = -(-len(TYPED) // 4)
        prompt = sum(4 + -(-len(m.content.encode()) // 4) for m in backend.requests[-1].messages)
        usage = usage.model_copy(update={"prompt_tokens": prompt, "completion_tokens": answer})
    return usage


async def test_calls_are_predicted_at_once_but_no_more_than_asked() -> None:
    running = most = 0

    class Slow(Says):
        async def predict(self, *given: Any) -> Any:
            nonlocal running, most
            running += 1
            most = max(most, running)
            await asyncio.sleep(0.01)
            running -= 1
            return await super().predict(*given)

    await measure(Slow(lambda _: 1), [record(n) for n in range(12)], name="s", similarity=None, concurrency=4)
    assert most == 4


async def test_a_prompt_beyond_the_context_leaves_its_row_unanswered_and_a_dead_backend_stops() -> None:
    answers = [ContextOverflow("b", "too long"), "paid"]
    found = await measured(answers, ["paid", "paid"])
    assert found.unanswered == {"b: too long": 1}
    with pytest.raises(BackendError, match="gone"):
        await measured([BackendError("b", "gone"), "paid"], ["paid", "paid"])


# --- what is kept ---------------------------------------------------------------------------------


async def test_a_run_that_was_cut_off_goes_on_and_gives_the_same(tmp_path: Path) -> None:
    reals = [Refused if n % 3 == 0 else {"n": n} for n in range(20)]
    answers: list[Any] = [Refused if n % 4 == 0 else {"n": n} for n in range(20)]
    whole = await measured(answers, reals)
    broken = [*answers[:12], BackendError("b", "gone"), *answers[13:]]
    with pytest.raises(BackendError):
        await measured(broken, reals, folder=tmp_path, concurrency=3)
    path = tmp_path / fidelity_module.PREDICTIONS
    kept = path.read_text().splitlines()
    assert 8 < len(kept) < 20
    path.write_text("\n".join(kept[:-1]) + "\n" + kept[-1][: len(kept[-1]) // 2])  # cut off in a line
    records = [record(n, real) for n, real in enumerate(reals)]
    simulator = of_number(answers)
    found = await measure(simulator, records, name="s", similarity=None, folder=tmp_path)
    assert len(simulator.asked) == 20 - (len(kept) - 2)  # what was kept is not asked again
    assert comparable(found) == comparable(whole)
    again = of_number(answers)
    assert comparable(
        await measure(again, records, name="s", similarity=None, folder=tmp_path)
    ) == comparable(whole)
    assert again.asked == []


def comparable(found: Fidelity) -> dict[str, Any]:
    return found.model_dump(exclude={"made"})


async def test_a_folder_is_of_one_simulator(tmp_path: Path) -> None:
    await measured(["paid"], ["paid"], folder=tmp_path)
    with pytest.raises(ConfigurationError, match="another folder"):
        await measure(Says(lambda _: 1), [record(0)], name="t", similarity=None, folder=tmp_path)
    path = tmp_path / fidelity_module.PREDICTIONS
    path.write_text(path.read_text() + '{"nonsense": 1}\n')
    with pytest.raises(ConfigurationError, match=r"predictions.jsonl:3 is not a prediction"):
        await measured(["paid"], ["paid"], folder=tmp_path)


async def test_a_measurement_is_the_same_twice_and_survives_json() -> None:
    reals = [Refused, "a", "b", "c"] * 5
    first, second = [await measured(["a"] * 20, reals) for _ in range(2)]
    assert comparable(first) == comparable(second)
    assert Fidelity.model_validate_json(first.model_dump_json()) == first


# --- probabilities --------------------------------------------------------------------------------


def logprobs(*tokens: tuple[str, float]) -> tuple[TokenLogprob, ...]:
    return tuple(TokenLogprob(token=token, logprob=math.log(p)) for token, p in tokens)


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([('{"outputs": [{"', 1.0), ("ok", 1.0), ('":', 1.0), (" false", 0.9), (",", 1.0)], 0.9),
        ([('{"outputs": [{"ok":', 1.0), ("true", 0.75), (', "value": "ok": false', 0.1)], 0.25),
        ([("<think>", 0.5), ("hm", 0.5)], None),
        ([], None),
    ],
)
def test_a_failure_probability_is_read_off_the_token_that_says_it(
    tokens: Any, expected: float | None
) -> None:
    found = failure_probability(Completion(logprobs=logprobs(*tokens)))
    assert found == (None if expected is None else pytest.approx(expected))


async def test_log_probabilities_are_asked_for_where_there_are_any() -> None:
    def reply(request: Request) -> Completion:
        assert request.logprobs
        text = FAILS
        return Completion(text=text, logprobs=logprobs((text[:20], 1.0), (text[20:], 0.8)))

    backend = ScriptedBackend(reply, capabilities=Capabilities(logprobs=True))
    records = [record(n, Refused if n < 8 else "paid") for n in range(10)]
    found = await measure(LLMSimulator(backend), records, name="s", similarity=None)
    assert found.calibration is not None
    assert found.calibration.source == "logprobs"
    assert found.calibration.expected_error.value == pytest.approx(0.0, abs=1e-9)  # said 0.8, and 8 failed
    assert found.calibration.brier.value == pytest.approx(0.8 * 0.04 + 0.2 * 0.64)
    (one,) = found.calibration.bins
    assert (one.low, one.failed.value) == (0.8, 0.8)


async def test_samples_give_probabilities_where_a_backend_gives_none() -> None:
    seen: list[tuple[float | None, int | None]] = []

    def reply(request: Request) -> str:
        seen.append((request.temperature, request.seed))
        return FAILS if len(seen) % 2 else TYPED

    backend = ScriptedBackend(reply)
    simulator = LLMSimulator(backend, form=PromptForm(typed=True))
    found = await predict(simulator, [record(0)], name="s", samples=4, concurrency=1, seed=7)
    assert found.source == "samples"
    assert found.rows[0].failure_probability == 0.5
    assert seen == [(0.01, None), (1.0, 8), (1.0, 9), (1.0, 10), (1.0, 11)]
    assert found.usage.requests == 5


async def test_without_probabilities_there_is_no_calibration() -> None:
    assert (await measured(["paid"], ["paid"])).calibration is None


# --- the encoder ----------------------------------------------------------------------------------


async def test_without_the_encoder_everything_else_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> None:
        raise MissingExtraError("the similarity of outcomes", "eval")

    monkeypatch.setattr(fidelity_module, "Similarity", missing)
    found = await measure(Says(lambda _: "paid"), [record(0)], name="s")
    assert found.encoder is None
    assert found.encoder_missing is not None
    assert 'pip install "artis-sdk[eval]"' in found.encoder_missing
    assert found.overall.exact.value == 1.0
    assert found.overall.similarity.value is None


async def test_a_replay_measures_as_all_or_nothing() -> None:
    records = [record(n, {"n": n}) for n in range(4)]
    found = await measure(ReplaySimulator(records[:3]), records, name="replay", similarity=None)
    assert found.overall.exact.value == found.overall.answered.value == 3 / 4
    assert found.unanswered == {'no logged real call has these arguments: {"n": 3}': 1}
