"""The scorer of single steps: what it asks and what it reads."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.loop import always, task

from artis_sdk.backends.scripted import ScriptedBackend
from artis_sdk.loop.budget import Unmetered
from artis_sdk.loop.reading import Unreadable
from artis_sdk.loop.scoring import ModelScorer, read_score
from artis_sdk.prompts import encode


async def test_a_scorer_asks_for_a_suggestion_only_where_one_is_used() -> None:
    backend = ScriptedBackend(always('{"evaluation": "ok", "suggestion": "more", "score": 8}'))
    scorer = ModelScorer(backend)
    for suggest in (False, True):
        score = await scorer.score(task(), (), encode([{"name": "look"}]), Unmetered(), suggest=suggest)
        assert score.score == 8
    plain, revising = backend.requests
    assert plain.schema is not None
    assert revising.schema is not None
    assert ("suggestion" in plain.schema["properties"], "suggestion" in revising.schema["properties"]) == (
        False,
        True,
    )
    assert plain.temperature == 0.01


@pytest.mark.parametrize("score", [0, 11, 7.5, True, "8", None])
def test_a_score_is_a_whole_number_from_1_to_10(score: Any) -> None:
    with pytest.raises(Unreadable):
        read_score(encode({"score": score}))


def test_scores_are_read() -> None:
    assert [read_score(encode({"score": score})).score for score in (1, 10, 7.0)] == [1, 10, 7]
