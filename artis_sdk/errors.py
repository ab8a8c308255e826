"""Errors, grouped by who must act next.

`ConfigurationError`: the developer, before anything runs. `ToolFailure`: the agent, which may try
something else. All others stop the run and name the tool or the backend.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class ArtisError(Exception):
    """Base of every error that artis_sdk raises. It can be pickled, whatever arguments its class takes."""

    def __reduce__(self) -> tuple[Callable[..., ArtisError], tuple[Any, ...]]:
        return _rebuilt, (type(self), self.args, self.__dict__)


def _rebuilt(cls: type[ArtisError], args: tuple[Any, ...], attributes: dict[str, Any]) -> ArtisError:
    error = cls.__new__(cls, *args)
    error.__dict__.update(attributes)
    return error


# --- the developer must act -------------------------------------------------------------------


class ConfigurationError(ArtisError):
    """A setting, an argument or an installation is wrong; nothing has run."""


class MissingExtraError(ConfigurationError):
    """An optional dependency is not installed; the message is the line that installs it."""

    def __init__(self, feature: str, extra: str) -> None:
        super().__init__(f'{feature} needs an optional dependency: pip install "artis-sdk[{extra}]"')
        self.feature = feature
        self.extra = extra


class ToolDefinitionError(ConfigurationError):
    """A function cannot be guarded in its present form."""


# --- the agent may act ------------------------------------------------------------------------


class ToolFailure(ArtisError):
    """A tool call failed in a way that the tool's real callers also see.

    Raised in the caller's own agent when a predicted failure has no exception class.
    """

    def __init__(self, tool: str, failure_type: str, message: str) -> None:
        super().__init__(f"{tool}: {message}" if message else f"{tool}: {failure_type}")
        self.tool = tool
        self.failure_type = failure_type
        self.message = message


class InvalidArguments(ToolFailure):
    """The arguments do not fit the tool's schema; the tool was not called, in any world."""

    def __init__(self, tool: str, message: str) -> None:
        super().__init__(tool, "invalid_arguments", message)


# --- the run must stop ------------------------------------------------------------------------


class FirewallError(ArtisError):
    """A guarded call could have reached a real function during a rehearsal; it was refused."""

    def __init__(self, tool: str, message: str) -> None:
        super().__init__(f"{tool}: {message}")
        self.tool = tool


class SimulationError(ArtisError):
    """A simulator could not predict an outcome; no outcome was made up in its place.

    Attributes:
        tool: name of the tool.
        answer: the model's text that could not be read, if there is one. It may hold secrets.
    """

    def __init__(self, tool: str, message: str) -> None:
        super().__init__(f"{tool}: {message}")
        self.tool = tool
        self.answer: str | None = None


class ReplayMiss(SimulationError):
    """No logged call has this tool, these arguments, this state and this history."""


class UntrustedTool(SimulationError):
    """The simulator does not predict this tool well enough; see `artis_sdk.simulators.trust`."""


class RehearsalStopped(ArtisError):
    """A rehearsal needs a tool that its simulator is not trusted for; nothing real has happened."""

    def __init__(self, tool: str, message: str) -> None:
        super().__init__(f"{tool}: {message}" if tool else message)
        self.tool = tool


class EvaluationError(ArtisError):
    """A judging model twice wrote no readable verdict, or a measured simulator answered no call; no verdict
    was made up in its place."""


class SummaryError(ArtisError):
    """A summarizing model twice wrote no readable recommendation; none was made up in its place."""


class AgentError(ArtisError):
    """The caller's own agent failed; its exception is the cause."""


class LimitReached(ArtisError):
    """A limit on tokens, seconds, cost or steps was reached."""

    def __init__(self, limit: str, used: float, allowed: float) -> None:
        super().__init__(f"{limit} limit reached: {used:.10g} of {allowed:.10g} used")
        self.limit = limit
        self.used = used
        self.allowed = allowed


class JournalError(ArtisError):
    """The commit journal cannot be read or written; no irreversible call runs without it."""


class CommitRefused(ArtisError):
    """A commit, or a real call in one, was refused before it ran: nothing happened.

    A plan is committed once; a call that arrives after the end of its commit is not made.
    """

    def __init__(self, plan: str, message: str) -> None:
        super().__init__(f"plan {plan}: {message}")
        self.plan = plan


class PlanChanged(CommitRefused):
    """A plan's content, a tool of it, or its approval has changed since it was made. Nothing happened."""


class PlanExpired(CommitRefused):
    """A plan, or a person's approval of it, held until a moment that has passed. Nothing happened."""


class NotApproved(CommitRefused):
    """The approver rejected a plan, or did not answer. Nothing happened."""


class CommitStopped(ArtisError):
    """A commit met a call or an outcome that its plan does not foresee, and nobody allowed it.

    The commit ends with a `Result` that says where; only the code of a caller's own agent sees this error.
    """

    def __init__(self, tool: str, message: str) -> None:
        super().__init__(f"{tool}: {message}")
        self.tool = tool
        self.message = message


class UnknownOutcome(ArtisError):
    """A real call was begun, but its outcome is not known; it must not be repeated blindly.

    `Session.recover()` lists such calls.
    """

    def __init__(self, tool: str, message: str, *, journal_id: str | None = None) -> None:
        super().__init__(f"{tool}: {message}")
        self.tool = tool
        self.journal_id = journal_id


class LogError(ArtisError):
    """A call log cannot be read or written."""


class WorkerLost(ArtisError):
    """A worker's process ended in the middle of a task; the results so far are kept."""


class TrainingError(ArtisError):
    """Training cannot begin or continue; what was saved before is kept."""


# --- backends ---------------------------------------------------------------------------------


class BackendError(ArtisError):
    """A model backend returned no usable answer.

    Args:
        backend: name of the backend, such as `openai:gpt-5-mini`.
        message: the problem and the next step.
        status: HTTP status; None if no response arrived.
        retry_after: wait that the server asks for, in seconds.
        request_id: the server's id of the request.
    """

    retryable = False

    def __init__(
        self,
        backend: str,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(f"{backend}: {message}")
        self.backend = backend
        self.status = status
        self.retry_after = retry_after
        self.request_id = request_id


class RateLimited(BackendError):
    """The server asked for fewer requests (429)."""

    retryable = True


class ServerFailed(BackendError):
    """The server failed on its side (5xx)."""

    retryable = True


class BackendTimeout(BackendError):
    """No complete answer arrived in time."""

    retryable = True


class ConnectionLost(BackendError):
    """The connection could not be made or was cut."""

    retryable = True


class RequestRejected(BackendError):
    """The server refused the request (4xx); sending it again would get the same answer."""


class AuthenticationFailed(BackendError):
    """The key or the permission is missing (401, 403)."""


class ContextOverflow(BackendError):
    """The prompt is longer than the model's context."""


class MalformedResponse(BackendError):
    """The server's answer is not a completion. It ends one attempt; the others go on."""

    retryable = True


class EngineDead(BackendError):
    """A local engine's process or thread is gone; make a new backend."""


class BackendClosed(BackendError):
    """The backend was used after it was closed."""


def is_retryable(error: BaseException) -> bool:
    """Whether sending the same request again may help; the only place that decides this."""
    return isinstance(error, BackendError) and error.retryable
