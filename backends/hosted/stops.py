"""Stop strings on a server that takes none."""

from __future__ import annotations

from collections.abc import Sequence

from artis_sdk.records import Completion


def cut_at(completion: Completion, stop: Sequence[str]) -> Completion:
    """A completion up to the first stop string, as a server would have ended it: without calls, which come
    behind the text."""
    ends = [place for text in stop if text and (place := completion.text.find(text)) >= 0]
    if not ends:
        return completion
    said = completion.text[: min(ends)]
    return completion.model_copy(update={"text": said, "tool_calls": (), "finish_reason": "stop", "raw": ""})
