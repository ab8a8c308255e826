"""The actor of a commit, as the session's strategy has it."""

from __future__ import annotations

from artis_sdk.contracts import Evaluator
from artis_sdk.errors import ConfigurationError
from artis_sdk.loop.actor import Actor
from artis_sdk.loop.model_actor import ModelActor
from artis_sdk.loop.retrying import RetryingActor
from artis_sdk.loop.scoring import Scorer
from artis_sdk.loop.strategies.base import StepStrategy, Strategy
from artis_sdk.loop.strategies.task_level import Direct
from artis_sdk.records.fitting import fits


def committing_actor(
    strategy: Strategy, actor: Actor, scorer: Scorer | None, evaluator: Evaluator | None = None
) -> Actor:
    """The actor that commits: a step-level strategy (appendix G) decides its turns, `Direct` may retry.

    Args:
        strategy: the session's strategy.
        actor: the session's agent.
        scorer: scorer of the candidates of a step-level strategy.
        evaluator: source of the suggestions for `Direct(retries=)`.

    Raises:
        ConfigurationError: a step-level strategy with the caller's own agent, whose steps it cannot decide;
            or retries with such an agent, or without an evaluator.
    """
    if isinstance(strategy, Direct) and strategy.retries:
        if not isinstance(actor, ModelActor):
            raise ConfigurationError(
                "Direct(retries=) needs a model as agent: an agent of your own would make its calls again"
            )
        if evaluator is None:
            raise ConfigurationError("Direct(retries=) needs an evaluator, and evaluate=False leaves it out")
        return RetryingActor(actor, evaluator, strategy.retries)
    if not fits(strategy, StepStrategy):
        return actor
    assert scorer is not None
    if not isinstance(actor, ModelActor):
        raise ConfigurationError(
            f"strategy {strategy.name!r} chooses each step of the agent, which needs a model as agent; "
            "an agent of your own can be rehearsed by Sequential, Parallel or Hybrid"
        )
    return actor.deciding(strategy.decider(scorer))
