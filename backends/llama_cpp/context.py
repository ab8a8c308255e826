"""A llama.cpp context: the KV cache of many sequences, and one batch that is decoded at a time."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from artis_sdk.backends.llama_cpp.library import library, refusals
from artis_sdk.backends.llama_cpp.model import Model
from artis_sdk.errors import ConfigurationError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


class DecodeFailed(Exception):
    """The library failed to compute a batch; the context is no longer usable."""


class NoRoom(Exception):
    """The KV cache has no free cells for a batch; nothing was changed."""


class Aborted(Exception):
    """The computation was stopped half-way; the caller must remove the cells that it wrote."""


@dataclass(slots=True)
class Span:
    """Consecutive tokens of one sequence in a batch."""

    sequence: int
    position: int
    """Position of the first token in its sequence."""
    tokens: NDArray[np.int32]
    logits: bool
    """Whether to compute the last token's logits."""
    row: int = -1
    """Index of the last token in the batch; set by `decode`."""


class Context:
    """A KV cache with one stream per sequence, each of `n_ctx` tokens.

    One pool for all sequences (`kv_unified`) would share a prefix without a copy, but every token would
    also attend over the cells of all other sequences: 8 or 16 attempts without a common prefix were 3 to
    5 times slower than one attempt after another, and streams are never slower. So a prefix is copied, at
    a hundredth of the cost of its prefill.

    Args:
        n_ctx: tokens per sequence.
        n_seq: number of sequences.
        n_threads: CPU threads.
        n_batch: maximum tokens of a batch.
        gpu: whether the model is on a GPU.
    """

    def __init__(
        self, model: Model, *, n_ctx: int, n_seq: int, n_threads: int, n_batch: int, gpu: bool
    ) -> None:
        self._lib = lib = library()
        self.n_batch, self.n_threads = n_batch, n_threads
        self.can_be_cut = model.can_be_cut
        settings = lib.llama_context_default_params()
        settings.n_ctx, settings.n_seq_max, settings.kv_unified = n_ctx * n_seq, n_seq, False
        settings.n_batch = settings.n_ubatch = n_batch
        settings.n_threads = settings.n_threads_batch = n_threads
        # On a CPU the fused attention is 1.3 to 1.5 times slower for many sequences at once.
        settings.flash_attn_type = -1 if gpu else 0
        with refusals() as why:
            self._handle = lib.llama_init_from_model(model.handle, settings)
        if not self._handle:
            raise ConfigurationError(
                f"{model.path}: llama.cpp cannot make a context for {n_seq} sequences of {n_ctx} tokens: "
                f"{'; '.join(why) or 'out of memory'}; lower max_concurrency or n_ctx"
            )
        self._memory = lib.llama_get_memory(self._handle)
        self._logits_type = ctypes.c_float * model.vocab_size
        self._adapters = model.adapters
        self._adapter: str | None = None
        self._batch = _Batch(lib, n_batch)
        self._buffer: Any = None
        self._buffered = 0  # bytes
        self._held: int | None = None  # the sequence in the buffer, unchanged in the KV cache since
        self._abort = ctypes.create_string_buffer(b"0")
        lib.llama_set_abort_callback(self._handle, _abort_when(lib), ctypes.addressof(self._abort))

    def use_adapter(self, name: str | None) -> None:
        """Compute the next batches with this adapter, or for None with the base model alone."""
        if name == self._adapter:
            return
        pointer = self._lib.llama_adapter_lora_p_ctypes
        handles = () if name is None else (self._adapters[name],)
        array = (pointer * len(handles))(*handles)
        scales = (ctypes.c_float * len(handles))(*[1.0] * len(handles))
        self._lib.llama_set_adapters_lora(self._handle, array, len(handles), scales)
        self._adapter = name

    def decode(self, spans: Iterable[Span]) -> None:
        """Compute a batch of at most `n_batch` tokens.

        Args:
            spans: tokens in ascending order of sequence; adjacent sequences are computed together.

        Raises:
            NoRoom, Aborted, DecodeFailed: see there.
        """
        self._batch.fill(spans)
        self._held = None
        with refusals() as why:
            code = self._lib.llama_decode(self._handle, self._batch.struct)
        if code == 1:
            raise NoRoom
        if code == 2:
            self._abort[0] = b"0"
            raise Aborted
        if code != 0:
            raise DecodeFailed(f"llama_decode failed with code {code}: {'; '.join(why) or 'no reason given'}")

    def abort(self) -> None:
        """Stop the running computation, if the cells that it wrote can be removed; safe from any thread."""
        if self.can_be_cut:
            self._abort[0] = b"1"

    def logits(self, row: int) -> NDArray[np.float32]:
        """Logits of a token of the last batch, shape (vocabulary,); valid until the next batch."""
        import numpy as np

        pointer = self._lib.llama_get_logits_ith(self._handle, row)
        values: Any = self._logits_type.from_address(ctypes.addressof(pointer.contents))
        found: NDArray[np.float32] = np.frombuffer(values, np.float32)
        return found

    def truncate(self, sequence: int, length: int) -> None:
        """Remove a sequence's tokens from position `length` on."""
        if sequence == self._held:
            self._held = None
        if not self._lib.llama_memory_seq_rm(self._memory, sequence, length, -1):
            raise DecodeFailed("llama.cpp could not cut a sequence in its cache back to a prefix")

    def copy(self, source: int, target: int) -> None:
        """Replace one sequence by another.

        Only used cells are copied, once read for several targets; between streams `llama_memory_seq_cp`
        would copy whole streams.
        """
        lib, handle = self._lib, self._handle
        if self._held != source:
            size = lib.llama_state_seq_get_size(handle, source)
            if self._buffer is None or len(self._buffer) < size:
                self._buffer = (ctypes.c_uint8 * size)()
            self._buffered = lib.llama_state_seq_get_data(handle, self._buffer, size, source)
        self._held = source if target != self._held else None
        if not lib.llama_state_seq_set_data(handle, self._buffer, self._buffered, target):
            raise DecodeFailed("llama.cpp could not copy a cached sequence")

    def close(self) -> None:
        """Free the memory; the decoding thread must have ended."""
        if self._handle:
            self._lib.llama_free(self._handle)
            self._handle = None


class _Batch:
    """A `llama_batch` over numpy arrays, so that it is filled without a loop over tokens."""

    def __init__(self, lib: Any, size: int) -> None:
        import numpy as np

        self._tokens = np.zeros(size, np.int32)
        self._positions = np.zeros(size, np.int32)
        self._sequences = np.zeros(size, np.int32)
        self._wanted = np.zeros(size, np.int8)
        self._steps = np.arange(size, dtype=np.int32)
        self._ones = np.ones(size, np.int32)
        start = self._sequences.ctypes.data
        self._rows = np.arange(start, start + 4 * size, 4, dtype=np.uintp)  # one sequence per token
        self.struct = lib.llama_batch(
            n_tokens=0,
            token=_pointer(self._tokens, ctypes.c_int32),
            embd=None,
            pos=_pointer(self._positions, ctypes.c_int32),
            n_seq_id=_pointer(self._ones, ctypes.c_int32),
            seq_id=_pointer(self._rows, ctypes.POINTER(ctypes.c_int32)),
            logits=_pointer(self._wanted, ctypes.c_int8),
        )

    def fill(self, spans: Iterable[Span]) -> None:
        at = 0
        for span in spans:
            end = at + len(span.tokens)
            self._tokens[at:end] = span.tokens
            self._positions[at:end] = self._steps[: end - at] + span.position
            self._sequences[at:end] = span.sequence
            self._wanted[at:end] = 0
            self._wanted[end - 1] = span.logits
            span.row = end - 1
            at = end
        self.struct.n_tokens = at


def _pointer(array: Any, kind: Any) -> Any:
    return ctypes.cast(array.ctypes.data, ctypes.POINTER(kind))


def _abort_when(lib: Any) -> Any:
    """A C function `bool f(void *)` that is true where the byte is "1": `atoi`.

    llama.cpp calls it hundreds of times per batch; a Python function would take the GIL each time.
    """
    c = ctypes.cdll.msvcrt if os.name == "nt" else ctypes.CDLL(None)
    return ctypes.cast(c.atoi, lib.ggml_abort_callback)
