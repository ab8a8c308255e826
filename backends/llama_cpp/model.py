"""A model in memory: its weights, its vocabulary and its LoRA adapters."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from artis_sdk.backends.chat.vocabulary import is_mark
from artis_sdk.backends.llama_cpp.header import read_header
from artis_sdk.backends.llama_cpp.library import library, refusals
from artis_sdk.errors import ConfigurationError, MissingExtraError

_PIECE_BYTES = 256  # longer pieces are read with a second call


class Model:
    """Weights and vocabulary, readable from any thread; the base of contexts.

    Args:
        path: a GGUF file.
        n_gpu_layers: layers on a GPU, if the library was built for one; -1 for all.
        adapters: paths of GGUF LoRA adapters by name.

    Raises:
        ConfigurationError: a file is broken, or an adapter was trained on another base.
    """

    def __init__(self, path: Path, *, n_gpu_layers: int, adapters: Mapping[str, Path]) -> None:
        self._lib = lib = library()
        self.path = path
        settings = lib.llama_model_default_params()
        settings.n_gpu_layers = n_gpu_layers
        with refusals() as why:
            self.handle = lib.llama_model_load_from_file(str(path).encode(), settings)
        if not self.handle:
            raise ConfigurationError(f"{path} cannot be loaded: {_reason(why)}")
        self.vocab = lib.llama_model_get_vocab(self.handle)
        self.vocab_size: int = lib.llama_vocab_n_tokens(self.vocab)
        self._pieces: dict[int, bytes] = {}
        self.adapters: dict[str, Any] = {}
        try:
            for name, file in adapters.items():
                self.adapters[name] = self._load_adapter(name, file)
        except ConfigurationError:
            self.close()
            raise

    def _load_adapter(self, name: str, path: Path) -> Any:
        if read_header(path).kind != "adapter":
            raise ConfigurationError(f"adapter {name!r}: {path} is a model, not a LoRA adapter")
        with refusals() as why:
            handle = self._lib.llama_adapter_lora_init(self.handle, str(path).encode())
        if not handle:
            raise ConfigurationError(f"adapter {name!r} ({path}) does not fit {self.path}: {_reason(why)}")
        return handle

    def tokenize(self, text: str, *, special: bool, bos: bool = False) -> list[int]:
        """Token ids of a text.

        Args:
            text: the text to tokenize.
            special: whether the texts of control tokens become those tokens.
            bos: whether to prepend the model's begin token, if the model uses one.
        """
        data = text.encode("utf-8", "replace")
        room = len(data) + 8
        while True:
            ids = (ctypes.c_int32 * room)()
            count = self._lib.llama_tokenize(self.vocab, data, len(data), ids, room, bos, special)
            if count >= 0:
                return ids[:count]
            room = -count

    def piece(self, token: int) -> bytes:
        """The bytes of a token; for a control token, its text."""
        piece = self._pieces.get(token)
        if piece is None:
            piece = self._pieces[token] = self._read_piece(token)
        return piece

    def _read_piece(self, token: int) -> bytes:
        room = _PIECE_BYTES
        while True:
            buffer = ctypes.create_string_buffer(room)
            size = self._lib.llama_token_to_piece(self.vocab, token, buffer, room, 0, True)
            if size >= 0:
                return buffer.raw[:size]
            room = -size

    def ends(self, token: int) -> bool:
        """Whether a token ends the model's answer."""
        return bool(self._lib.llama_vocab_is_eog(self.vocab, token))

    def guidance_tokenizer(self) -> Any:
        """The vocabulary in llguidance's form. Raises: MissingExtraError: llguidance is not installed."""
        try:
            from llguidance import LLTokenizer
        except ImportError as error:
            raise MissingExtraError("structured output on llama.cpp", "llama") from error
        lib, tokens = self._lib, []
        for token, kind in enumerate(self._kinds):
            piece = self.piece(token)
            mark = kind & lib.LLAMA_TOKEN_ATTR_USER_DEFINED and piece[:1] == b"<" and piece[-1:] == b">"
            special = kind & lib.LLAMA_TOKEN_ATTR_CONTROL or mark
            tokens.append(b"\xff" + piece if special else piece)  # llguidance's prefix of special tokens
        make: Any = LLTokenizer  # its type stubs lack `from_llamacpp`
        return make.from_llamacpp(
            tokens=tokens,
            vocab_ptr=self.vocab,
            tokenize_fptr=ctypes.cast(lib._lib.llama_tokenize, ctypes.c_void_p).value,
            eos_token=[token for token in range(self.vocab_size) if self.ends(token)] or None,
        )

    @cached_property
    def _kinds(self) -> list[int]:
        """The attributes of each token, as bits of `LLAMA_TOKEN_ATTR_*`."""
        return [self._lib.llama_vocab_get_attr(self.vocab, token) for token in range(self.vocab_size)]

    def marks(self) -> dict[str, int]:
        """Ids of the control tokens, by each text that the tokenizer turns into them."""
        lib = self._lib
        special = lib.LLAMA_TOKEN_ATTR_CONTROL | lib.LLAMA_TOKEN_ATTR_UNKNOWN
        found: dict[str, int] = {}
        for token, kind in enumerate(self._kinds):
            if kind & (special | lib.LLAMA_TOKEN_ATTR_USER_DEFINED):
                for spelt in (self.piece(token), lib.llama_vocab_get_text(self.vocab, token)):
                    text = spelt.decode("utf-8", "replace")
                    if is_mark(text, special=bool(kind & special)):
                        found[text] = token
        return found

    def unknown(self) -> int | None:
        """Id of the token for text that the vocabulary lacks; None if the model has no such token."""
        flag = self._lib.LLAMA_TOKEN_ATTR_UNKNOWN
        return next((token for token, kind in enumerate(self._kinds) if kind & flag), None)

    def special_text(self, which: str) -> str:
        """The text of the `bos` or `eos` token; empty if the model has no such token."""
        token = getattr(self._lib, f"llama_vocab_{which}")(self.vocab)
        return self.piece(token).decode("utf-8", "replace") if token >= 0 else ""

    @property
    def adds_bos(self) -> bool:
        """Whether the file says that a prompt begins with the BOS token."""
        return bool(self._lib.llama_vocab_get_add_bos(self.vocab))

    @property
    def can_be_cut(self) -> bool:
        """Whether a sequence can be cut back to a prefix; a recurrent state cannot."""
        return not (
            self._lib.llama_model_is_recurrent(self.handle) or self._lib.llama_model_is_hybrid(self.handle)
        )

    @property
    def on_gpu(self) -> bool:
        return bool(self._lib.llama_supports_gpu_offload())

    def close(self) -> None:
        """Free the weights; every context must be closed."""
        for handle in self.adapters.values():
            self._lib.llama_adapter_lora_free(handle)
        self.adapters = {}
        if self.handle:
            self._lib.llama_model_free(self.handle)
            self.handle = None


def _reason(lines: list[str]) -> str:
    return "; ".join(dict.fromkeys(lines)) or "llama.cpp gives no reason"
