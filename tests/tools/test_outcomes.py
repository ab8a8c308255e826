"""Results as outcomes, and predicted outcomes as the real tool's caller would see them."""

from __future__ import annotations

import datetime
import logging
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, JsonValue

from artis_sdk import errors
from artis_sdk.contracts import ObservedCall
from artis_sdk.errors import InvalidArguments, SimulationError, ToolFailure
from artis_sdk.records import Outcome, Provenance
from artis_sdk.tools import GuardedTool, Toolset, add_observer, guarded_tool, remove_observer
from artis_sdk.tools.world import firewall

REAL, SIMULATED = Provenance.REAL, Provenance.SIMULATED


class PaymentError(Exception):
    pass


class Frozen(PaymentError):
    pass


class Coded(Exception):
    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)


class Receipt(BaseModel):
    number: int
    at: datetime.date


def classify(result: Any) -> str | None:
    if isinstance(result, dict) and "error" in result:
        return str(result["error"])
    return "rate_limited" if isinstance(result, ConnectionError) else None


def tool(function: Any, **settings: Any) -> GuardedTool[..., Any]:
    return next(iter(Toolset(guarded_tool(**settings)(function))))


def pay(n: int) -> Receipt:
    raise NotImplementedError


def anything(n):  # type: ignore[no-untyped-def]
    raise NotImplementedError


PAY = tool(pay, failures=[PaymentError, Coded, classify])
ANYTHING = tool(anything, failures=classify)


# --- from the real world ----------------------------------------------------------------------


def test_a_value_is_a_success_as_json() -> None:
    outcome = PAY.outcome(Receipt(number=1, at=datetime.date(2026, 1, 2)), REAL, 0.5)
    assert outcome == Outcome(
        ok=True, value={"number": 1, "at": "2026-01-02"}, provenance=REAL, declared=True, duration=0.5
    )


def test_a_classifier_names_returned_and_raised_failures() -> None:
    returned = PAY.outcome({"error": "limit"}, REAL)
    assert (returned.ok, returned.type, returned.raised) == (False, "limit", False)
    assert returned.content() == {"error": "limit"}
    raised = PAY.outcome_of_error(ConnectionError("slow down"), REAL)
    assert (raised.type, raised.message, raised.raised) == ("rate_limited", "slow down", True)


@pytest.mark.parametrize(
    "error", [Frozen("cold"), KeyError("k"), Coded(3, "x"), ToolFailure("t", "odd", "why")]
)
def test_any_exception_is_a_failure_of_its_class(error: Exception) -> None:
    outcome = PAY.outcome_of_error(error, REAL)
    assert outcome.type == ("odd" if isinstance(error, ToolFailure) else type(error).__name__)
    assert outcome.message == ("why" if isinstance(error, ToolFailure) else str(error))
    assert not outcome.ok
    assert outcome.raised


# --- to a caller's own agent ------------------------------------------------------------------


def predicted(failure_type: str, message: str = "so", **more: Any) -> Outcome:
    return Outcome.failure(failure_type, message, SIMULATED, **{"raised": True, **more})


def test_a_success_comes_as_annotated() -> None:
    value: JsonValue = {"number": 1, "at": "2026-01-02"}
    reply = PAY.reply(Outcome.success(value, SIMULATED))
    assert reply.result() == Receipt(number=1, at=datetime.date(2026, 1, 2))
    assert ANYTHING.reply(Outcome.success(value, SIMULATED)).result() == value


def test_a_value_that_the_annotation_forbids_is_a_simulation_error() -> None:
    with pytest.raises(SimulationError, match="does not fit the return annotation"):
        PAY.reply(Outcome.success({"number": "many"}, SIMULATED))


def test_what_does_not_fit_is_said_by_its_place_in_one_line() -> None:
    with pytest.raises(SimulationError) as refused:
        PAY.reply(Outcome.success({"number": "many", "at": "2026-01-02"}, SIMULATED))
    said = str(refused.value)
    assert said.endswith(
        "annotation: at number, input should be a valid integer, unable to parse string as an integer, "
        "got 'many'"
    )
    assert "\n" not in said
    assert "pydantic" not in said


def test_a_return_type_that_pydantic_does_not_know_asks_for_an_instance() -> None:
    def opened() -> logging.Logger: ...  # type: ignore[empty-body]

    with pytest.raises(SimulationError):
        tool(opened).reply(Outcome.success("x", SIMULATED))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("PaymentError", PaymentError),  # declared
        ("Frozen", Frozen),  # a subclass of what is declared
        ("SimulationError", ToolFailure),  # ours, though the function's module has the name
        ("ValueError", ValueError),  # Python's own
        ("KeyboardInterrupt", ToolFailure),  # no failure of a tool
        ("Coded", ToolFailure),  # cannot be made from a message
        ("print", ToolFailure),
        ("limit", ToolFailure),
    ],
)
def test_a_raised_failure_comes_as_the_class_that_the_tool_raises(
    name: str, expected: type[Exception]
) -> None:
    reply = PAY.reply(predicted(name, "so it is"))
    assert type(reply.error) is expected
    assert "so it is" in str(reply.error)
    with pytest.raises(expected):
        reply.result()


def test_a_class_that_only_the_functions_module_knows() -> None:
    assert type(ANYTHING.reply(predicted("Frozen")).error) is Frozen


def test_a_returned_failure_comes_as_it_was_returned() -> None:
    failure = Outcome(ok=False, failure_type="limit", value={"error": "limit"}, provenance=SIMULATED)
    assert PAY.reply(failure).result() == {"error": "limit"}


def test_a_failure_without_a_value_is_raised() -> None:
    reply = PAY.reply(Outcome.failure("limit", "too much", SIMULATED))
    assert isinstance(reply.error, ToolFailure)
    assert (reply.error.failure_type, reply.error.message) == ("limit", "too much")


@settings(deadline=None)
@given(st.sampled_from([PaymentError, Frozen, ValueError, LookupError, OSError]), st.text())
def test_an_error_survives_being_an_outcome(kind: type[Exception], message: str) -> None:
    error = PAY.reply(PAY.outcome_of_error(kind(message), REAL)).error
    assert type(error) is kind
    assert str(error) == message


# --- errors across processes ------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [
        errors.FirewallError("pay", "no"),
        errors.ToolFailure("pay", "limit", "too much"),
        errors.LimitReached("tokens", 5, 4),
        errors.UnknownOutcome("pay", "gone", journal_id="j"),
        errors.RateLimited("openai:x", "busy", status=429, retry_after=2.0),
        errors.MissingExtraError("Training", "train"),
    ],
)
def test_errors_can_be_pickled(error: errors.ArtisError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_invalid_arguments_is_a_failure_that_an_agent_can_fix() -> None:
    outcome = PAY.outcome_of_error(InvalidArguments("pay", "n: missing"), Provenance.FORCED)
    assert (outcome.type, outcome.message) == ("invalid_arguments", "n: missing")


# --- observers --------------------------------------------------------------------------------


class Seen:
    def __init__(self) -> None:
        self.calls: list[ObservedCall] = []

    def called(self, call: ObservedCall) -> None:
        self.calls.append(call)


@pytest.fixture
def seen() -> Iterator[Seen]:
    observer = Seen()
    add_observer(observer)
    yield observer
    remove_observer(observer)
    assert not firewall.active


class Desk:
    @guarded_tool
    def add(self, items: list[int], *more: int, note: str = "") -> int:
        if not items:
            raise LookupError("empty")
        return sum(items) + sum(more)

    @guarded_tool
    async def later(self, n: int, scale: int = 1) -> int:
        return n * scale


async def test_an_observer_sees_the_very_objects(seen: Seen) -> None:
    desk, items = Desk(), [1, 2]
    assert desk.add(items, 3, 4, note="x") == 10
    assert await desk.later(n=5) == 5
    (first, second) = seen.calls
    observed_tool, arguments, value, error, at, duration = first
    assert isinstance(observed_tool, GuardedTool)
    assert (observed_tool.name, observed_tool.owner) == ("add", desk)
    assert arguments == {"items": [1, 2], "more": [3, 4], "note": "x"}
    assert arguments["items"] is items
    assert (value, error) == (10, None)
    assert abs(at - datetime.datetime.now().timestamp()) < 60
    assert 0 <= duration < 60
    assert (second[0].name, second[1], second[2]) == ("later", {"n": 5}, 5)


def test_an_observer_sees_the_exception_that_the_caller_gets(seen: Seen) -> None:
    with pytest.raises(LookupError) as caught:
        Desk().add([])
    assert seen.calls[0][3] is caught.value


def test_a_call_that_python_refuses_reaches_nobody(seen: Seen) -> None:
    with pytest.raises(TypeError, match=r"Desk.add\(\) got an unexpected keyword argument 'wrong'"):
        Desk().add([1], wrong=1)  # type: ignore[call-arg]
    assert seen.calls == []


def test_a_tool_of_a_toolset_is_observed_too(seen: Seen) -> None:
    tools = Toolset.from_object(Desk())
    assert tools["add"]([1]) == 1
    assert [call[0].name for call in seen.calls] == ["add"]


def test_an_observer_that_fails_changes_nothing(seen: Seen, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def called(self, call: ObservedCall) -> None:
            raise OSError("disk full")

    broken = Broken()
    add_observer(broken)
    assert Desk().add([1]) == 1
    remove_observer(broken)
    remove_observer(broken)
    assert len(seen.calls) == 1
    assert "observer of guarded calls failed on add" in caplog.text
