"""Plans and results to look at: of one call, of many, of hostile texts."""

from __future__ import annotations

from typing import Any

from artis_sdk.records import (
    Approval,
    Attempt,
    CommittedCall,
    Evaluation,
    ForeseenCall,
    NotMade,
    Outcome,
    Plan,
    Provenance,
    Recommendation,
    Result,
    Risk,
    Step,
    Task,
    ToolCall,
    plan_digest,
)
from artis_sdk.records.state_change import state_change

RISKS = (Risk.IRREVERSIBLE, Risk.READ_ONLY, Risk.REVERSIBLE)


def predicted(value: Any) -> Outcome:
    return Outcome.success(value, Provenance.SIMULATED)


def a_plan(
    *calls: tuple[str, dict[str, Any]],
    query: str = "Pay bob 8.",
    advice: str = "Pay bob 8.",
    text: str = "",
    value: Any = None,
    attempts: int = 2,
    **more: Any,
) -> Plan:
    """A plan of these calls, which each attempt made; every fifth fails.

    Args:
        calls: tools and arguments.
        query, advice: texts of the task and the recommendation.
        text: explanation, suggestion, rationale, answers and messages.
        value: predicted value of each call.
        attempts: number of attempts; all but the first are judged correct.
        more: other fields of the plan.
    """
    steps = tuple(
        Step(
            call=ToolCall(tool=tool, arguments=arguments),
            outcome=predicted(value)
            if n % 5 != 4
            else Outcome.failure("not_found", text or "no such payee", Provenance.SIMULATED),
        )
        for n, (tool, arguments) in enumerate(calls)
    )
    plan = Plan(
        task=Task(query=query, state={"accounts": {"ann": 20, "bob": text}}),
        strategy="hybrid",
        attempts=tuple(
            Attempt(
                index=n,
                steps=steps if n else steps[: len(steps) // 2],
                answer=text or "Paid.",
                evaluation=Evaluation(correct=n > 0, explanation=text or "Fine.", suggestion=text),
                change=state_change({"accounts": {"ann": 20}}, {"accounts": {"ann": 12, text: text}})
                if n
                else None,
            )
            for n in range(attempts)
        ),
        recommendation=Recommendation(recommendation=advice, rationale=text),
        follows=attempts - 1,
        foreseen=tuple(
            ForeseenCall(
                call=step.call,
                risk=RISKS[n % 3],
                predicted=step.outcome,
                agreed=attempts if n < len(steps) // 2 else attempts - 1,
                attempts=attempts,
            )
            for n, step in enumerate(steps)
        ),
        **more,
    )
    return plan.model_copy(update={"digest": plan_digest(plan)})


def approved(plan: Plan, by: str = "ann") -> Plan:
    given = Approval(by=by, at=1_800_000_000.0, digest=plan.digest or "", signature="sha256:0")
    return plan.model_copy(update={"approvals": (given,)})


def a_result(plan: Plan, text: str = "Paid.") -> Result:
    """The plan's commit: one call diverged, one changed, one unforeseen, one not made, the others as said."""
    foreseen = plan.foreseen
    calls = [
        CommittedCall(
            call=one.call,
            outcome=told.model_copy(update={"provenance": Provenance.REAL}),
            risk=one.risk,
            kind="foreseen",
            predicted=told,
        )
        for one in foreseen[1:]
        if (told := one.predicted) is not None
    ]
    if foreseen:
        first = foreseen[0]
        refused = Outcome.failure("insufficient_funds", text, Provenance.REAL, raised=True)
        other = ToolCall(tool=first.call.tool, arguments={**first.call.arguments, "amount": 8000})
        calls[:0] = [
            CommittedCall(
                call=first.call, outcome=refused, risk=first.risk, kind="foreseen", predicted=first.predicted
            ),
            CommittedCall(call=other, outcome=refused, risk=first.risk, kind="changed"),
        ]
    calls.append(
        CommittedCall(
            call=ToolCall(tool="delete", arguments={"all": True}),
            outcome=Outcome.success(text, Provenance.REAL),
            risk=Risk.IRREVERSIBLE,
        )
    )
    wipe = ToolCall(tool="wipe", arguments={"why": text})
    return Result(
        plan=plan,
        answer=text,
        calls=tuple(calls),
        not_made=(NotMade(call=wipe, risk=Risk.IRREVERSIBLE, kind="unforeseen", reason=text),),
        missed=foreseen[-1:],
        notes=(text,),
        mode="bound",
    )


def pay(n: int, **more: Any) -> tuple[str, dict[str, Any]]:
    return "pay", {"who": f"payee {n}", "amount": n, **more}
