"""Each journal against a model of it: two journals on one store, concurrent requests, reopening."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from helpers.commit import MEMORY, OK, intent
from helpers.journals import STORES, Store, examples
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from artis_sdk.commit.journal import FINISHED, OPEN, CallState, JournaledCall
from artis_sdk.errors import CommitRefused, JournalError
from artis_sdk.records import Outcome, Provenance, Risk

JOURNALS = st.integers(0, 1)
PLANS = st.sampled_from(["p", "q", "r"])
NUMBERS = st.integers(0, 5)
CHANGING = st.sampled_from([Risk.REVERSIBLE, Risk.IRREVERSIBLE])
FAILED = Outcome.failure("NoMoney", "nothing left", Provenance.REAL, raised=True)
ENDINGS = st.sampled_from([OK, FAILED, CallState.UNKNOWN, CallState.NOT_EXECUTED])


@dataclass
class Call:
    risk: Risk
    state: CallState = CallState.INTENT
    outcome: Outcome | None = None


@dataclass
class Commit:
    owner: object
    """The claim of the journal that commits it: a new one each time a journal is opened."""
    open: bool = True
    finished: bool = False
    calls: dict[int, Call] = field(default_factory=dict)

    @property
    def reached(self) -> bool:
        return any(
            call.risk is not Risk.READ_ONLY and call.state is not CallState.NOT_EXECUTED
            for call in self.calls.values()
        )

    @property
    def broke_off(self) -> bool:
        """Whether it may go on, once nobody commits it: every call has an outcome."""
        return not self.finished and not any(call.state in OPEN for call in self.calls.values())


class JournalMachine(RuleBasedStateMachine):
    """What a journal should hold after any requests, in whatever order and company."""

    make_store: Callable[[Path], Store]

    @initialize()
    def start(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(dir=MEMORY)
        self.store = self.make_store(Path(self.folder.name))
        self.journals = [self.store.open(), self.store.open()]
        self.claims = [object(), object()]
        self.model: dict[str, Commit] = {}

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    async def outcomes(self, *requests: Any) -> list[bool]:
        """Which of several concurrent requests went well."""
        results = await asyncio.gather(*requests, return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                assert isinstance(result, JournalError | CommitRefused), result
        return [not isinstance(result, BaseException) for result in results]

    @rule(who=JOURNALS, plans=st.lists(PLANS, min_size=1, max_size=3), resume=st.booleans())
    def claim(self, who: int, plans: list[str], resume: bool) -> None:
        expected = []
        for plan in plans:
            held = self.model.get(plan)
            free = held is None or (
                not (held.open and held.owner in self.claims)
                and (not held.reached or (resume and held.broke_off))
            )
            expected.append(free)
            if free:
                calls = {} if held is None else held.calls
                self.model[plan] = Commit(self.claims[who], calls=calls)
        claims = [self.journals[who].begin_plan(plan, resume=resume) for plan in plans]
        assert self.run(self.outcomes(*claims)) == expected

    @rule(who=JOURNALS, plan=PLANS, numbers=st.lists(NUMBERS, min_size=1, max_size=5), risk=CHANGING)
    def begin(self, who: int, plan: str, numbers: list[int], risk: Risk) -> None:
        expected = []
        for number in numbers:
            commit = self.model.get(plan)
            fits = (
                commit is not None
                and commit.open
                and commit.owner is self.claims[who]
                and number not in commit.calls
            )
            expected.append(fits)
            if fits and commit is not None:
                commit.calls[number] = Call(risk)
        requests = [self.journals[who].begin(intent(n, plan=plan, risk=risk)) for n in numbers]
        assert self.run(self.outcomes(*requests)) == expected

    @rule(who=JOURNALS, plan=PLANS, endings=st.lists(st.tuples(NUMBERS, ENDINGS), min_size=1, max_size=5))
    def end_calls(self, who: int, plan: str, endings: list[tuple[int, Outcome | CallState]]) -> None:
        async def end() -> list[bool]:
            futures = []
            for number, ending in endings:
                if isinstance(ending, Outcome):
                    futures.append(self.journals[who].finish(intent(number, plan=plan), ending))
                else:
                    self.journals[who].close_unobserved(intent(number, plan=plan), ending)
            return await self.outcomes(*futures)

        expected = []
        for number, ending in endings:
            call = self.model[plan].calls.get(number) if plan in self.model else None
            fits = call is not None and call.state is CallState.INTENT
            if isinstance(ending, Outcome):
                expected.append(fits)
            if fits and call is not None:
                call.state = CallState.DONE if isinstance(ending, Outcome) else ending
                call.outcome = ending if isinstance(ending, Outcome) else None
        assert self.run(end()) == expected

    @rule(who=JOURNALS, plan=PLANS, number=NUMBERS)
    def read(self, who: int, plan: str, number: int) -> None:
        commit = self.model.get(plan)
        assume(commit is not None and commit.open and commit.owner is self.claims[who])
        assert commit is not None
        assume(number not in commit.calls)
        commit.calls[number] = Call(Risk.READ_ONLY, CallState.DONE, OK)

        async def finish() -> None:
            await self.journals[who].finish(intent(number, plan=plan, risk=Risk.READ_ONLY), OK)

        self.run(finish())

    @rule(who=JOURNALS, plan=PLANS, ending=st.sampled_from([FINISHED, "stopped"]))
    def end_plan(self, who: int, plan: str, ending: str) -> None:
        commit = self.model.get(plan)
        if commit is not None and commit.owner is self.claims[who] and commit.open:
            commit.open = False
            commit.finished = ending == FINISHED
        self.run(self.journals[who].end_plan(plan, ending))

    @rule(who=JOURNALS)
    def reopen(self, who: int) -> None:
        self.run(self.journals[who].aclose())
        self.journals[who] = self.store.open()
        self.claims[who] = object()

    @rule(who=JOURNALS, answers=st.lists(st.sampled_from([OK, None]), min_size=20, max_size=20))
    def recover(self, who: int, answers: list[Outcome | None]) -> None:
        """What recovery does to dead intents; both journals at once, as two processes would."""

        async def settle() -> None:
            open_calls = self.journals[who].calls(states=(CallState.INTENT, CallState.UNKNOWN))
            dead = [call for call in open_calls if not call.running]
            for journal in self.journals:
                await asyncio.gather(*map(journal.abandon, dead))
            for call, answer in zip(dead, answers, strict=False):
                await asyncio.gather(*(journal.reconcile(call, answer) for journal in self.journals))
                mine = self.model[call.plan].calls[call.seq]
                mine.state = CallState.NOT_EXECUTED if answer is None else CallState.RECONCILED
                mine.outcome = answer

        self.run(settle())

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        for journal in self.journals:  # what waits for later is written with what is waited for
            self.run(journal.end_plan("no plan", ""))
        expected = {
            (plan, number): (call.state, call.outcome, self.is_running(commit, call))
            for plan, commit in self.model.items()
            for number, call in commit.calls.items()
        }
        found: list[JournaledCall] = self.journals[0].calls()
        assert {(c.plan, c.seq): (c.state, c.outcome, c.running) for c in found} == expected
        assert len(found) == len(expected)

    def is_running(self, commit: Commit, call: Call) -> bool:
        return call.state is CallState.INTENT and commit.owner in self.claims

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            for journal in self.journals:
                self.run(journal.aclose())
            self.run(self.loop.shutdown_default_executor())
            self.loop.close()
            self.store.check_left()
            self.folder.cleanup()


def machine(store: str) -> type[JournalMachine]:
    class MachineOfStore(JournalMachine):
        make_store = staticmethod(STORES[store])

    return MachineOfStore


@pytest.mark.parametrize("store", STORES)
def test_a_journal_holds_what_its_model_holds(store: str) -> None:
    steps = settings(
        max_examples=examples(store, of=25),
        stateful_step_count=25,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine(store), settings=steps)
