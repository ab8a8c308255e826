"""One list of secrets per session: a secret of one call is hidden wherever it occurs later."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, JsonValue, SecretStr

from artis_sdk.logs.leaves import map_leaves
from artis_sdk.logs.redact import Redactor
from artis_sdk.logs.saved_plans import check_key, with_secrets, without_secrets
from artis_sdk.logs.secret_types import secret_values
from artis_sdk.logs.secrets import Secrets
from artis_sdk.logs.shown import NOTHING, Clear, map_record, values_of
from artis_sdk.records import Outcome, Plan, Task, ToolCall, ToolSpec
from artis_sdk.records.events import CallBegun

M = TypeVar("M", bound=BaseModel)


class SessionSecrets:
    """The secrets of one session, in memory only.

    Saved and shown data goes through it: journal, saved plans, events. Data in use does not: tools,
    agent, and the plans and results that the application holds.

    Args:
        redactor: redactor that finds the secrets.
        key: key that encrypts the secrets of saved plans; None to leave them out.

    Raises:
        ConfigurationError: the key is invalid.
    """

    def __init__(self, redactor: Redactor, *, key: SecretStr | None = None) -> None:
        if key is not None:
            check_key(key)
        self._key = key
        self.redactor = redactor
        self.known = redactor.new_secrets()
        self.typed: dict[str, None] = {}
        """Texts of the `SecretStr`s among Python values, which a log cannot tell from other texts."""
        self._made_up = redactor.new_secrets()
        self._saved: dict[str, tuple[Plan, Plan]] = {}
        self._clear = NOTHING

    def redact_arguments(
        self, tool: ToolSpec, arguments: Mapping[str, JsonValue], *, given: Any = None
    ) -> dict[str, JsonValue]:
        """As `Redactor.redact_arguments`, also without known secrets; the call's secrets are known from now
        on."""
        self.see(given)
        size = self.known.size
        hidden = self.redactor.redact_arguments(tool, arguments, known=self.known)
        if hidden == arguments and self.known.size == size:
            self._clear = Clear(size, arguments)
        return hidden

    def redact_outcome(
        self,
        tool: ToolSpec | str,
        outcome: Outcome,
        arguments: Mapping[str, JsonValue],
        *,
        returned: Any = None,
    ) -> Outcome:
        """As `Redactor.redact_outcome`, also without known secrets; the outcome's secrets are known from now
        on."""
        self.see(returned)
        size, clear = self.known.size, self._still_clear()
        if arguments is not clear.arguments:
            clear = NOTHING
        seen = arguments if clear is NOTHING else {}
        hidden = self.redactor.redact_outcome(tool, outcome, seen, known=self.known)
        if hidden is outcome and self.known.size == size:
            self._clear = Clear(size, clear.arguments, clear.call, outcome)
        return hidden

    def see(self, value: Any) -> None:
        """Remember the `SecretStr`s in a Python value: they are secret wherever their texts occur."""
        for secret in secret_values(value):
            self.known.add(secret)
            self.typed[secret] = None

    def learn(self, task: Task, owners: Iterable[object] = ()) -> None:
        """Remember the secrets in a task's query, conversation, state and real history, and those of the
        objects behind the tools."""
        self.see(list(owners))
        values, tools = values_of(task)
        if not self.redactor.is_clear(values, tools):
            self._cover(task, self.known)

    def shown(self, record: M) -> M:
        """A plan, a result, an event, or a part of one, without secrets.

        Secrets made up in a rehearsal are hidden in all shown data, but not in the journal.
        """

        values, tools = values_of(record, self._still_clear())
        if not values:
            return record
        size = self.known.size
        if self.redactor.is_clear(values, tools, self.known, self._made_up):
            if isinstance(record, CallBegun):
                self._clear = Clear(size, record.call.arguments, record.call)
            return record

        def hide(value: JsonValue) -> JsonValue:
            return self._made_up.hide(self.known.hide(value))

        covered = self._cover(record, self._made_up)
        if not self.size:
            return covered
        return map_record(covered, lambda value, _: hide(value), lambda call: hide(call.arguments))

    def _still_clear(self) -> Clear:
        """What needs no second look: the events of a call stand beside its journaling."""
        return NOTHING if self._made_up.size or self._clear.known != self.known.size else self._clear

    @property
    def size(self) -> int:
        """Number that grows with every secret that becomes known, made-up ones included."""
        return self.known.size + self._made_up.size

    def shown_value(self, value: JsonValue, path: str) -> JsonValue:
        """The value at this path (see `redact.Rule`), without secrets."""
        return self._made_up.hide(self.known.hide(self.redactor.cover(value, path, self._made_up)))

    def revealed(self, value: JsonValue) -> JsonValue:
        """The value with the secrets that this session knows in their placeholders' places."""
        return self._made_up.reveal(self.known.reveal(value))

    def saved(self, plan: Plan) -> Plan:
        """A plan, ready to be saved: without secrets, or with encrypted secrets if there is a key."""
        saved = without_secrets(plan, self.shown(plan), self._key)
        self._saved[plan.id] = (saved, plan)
        return saved

    def restored(self, plan: Plan, given: Mapping[str, JsonValue]) -> Plan:
        """A saved plan with its secrets: from the key, from `given`, or from this session.

        Raises:
            CommitRefused: secrets are missing; the message lists them with their paths.
        """
        saved, whole = self._saved.get(plan.id, (None, plan))
        if saved is not None and plan.model_copy(update={"approvals": saved.approvals}) == saved:
            return whole.model_copy(update={"approvals": plan.approvals})
        plan = with_secrets(plan, self._key, given)
        for value in given.values():
            map_leaves(value, self.known.add)
        return plan

    def _cover(self, record: M, known: Secrets) -> M:
        def arguments(call: ToolCall) -> JsonValue:
            return self.redactor.cover_arguments(call.tool, call.arguments, known)

        return map_record(record, lambda value, path: self.redactor.cover(value, path, known), arguments)
