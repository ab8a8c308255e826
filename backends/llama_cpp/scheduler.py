"""The one thread that owns a context: continuous batching with chunked prefill.

Each step is one batch: the last token of every decoding sequence, and a chunk of the prompts in prefill,
small enough not to delay decoding for long. A prompt with the prefix of another one waits until that
prefix is in memory and takes it over. Jobs with different adapters cannot be in one batch, since
llama.cpp sets adapters per context and not per sequence; they take turns in the same context. (A context
per adapter would duplicate every prefix cache and compute buffer without computing any faster.) After
each change of the adapter llama.cpp plans its graph again, which takes as long as a token of a small
model, so a turn is several batches if they are short.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterable
from typing import Literal

from artis_sdk.backends.llama_cpp.context import Aborted, Context, DecodeFailed, NoRoom, Span
from artis_sdk.backends.llama_cpp.grammar import GrammarRefused
from artis_sdk.backends.llama_cpp.job import Generation, Job
from artis_sdk.backends.llama_cpp.model import Model
from artis_sdk.backends.llama_cpp.slots import Slots, Wait
from artis_sdk.errors import BackendClosed, BackendError, ContextOverflow, EngineDead, RequestRejected

_TURN = 0.05  # seconds of one adapter's batches while other adapters wait
_News = tuple[Job, str | Generation | BackendError]


class Scheduler:
    """Scheduler of jobs on its own context.

    Args:
        name: the backend's name, for errors.
        model: the context's model.
        context: a context that only the scheduler's thread uses from now on; `close` frees it.
        slots: the slots of the context, one per sequence.
        prompt_chunk: maximum prefill tokens in a batch while other sequences decode.
    """

    def __init__(self, name: str, model: Model, context: Context, slots: Slots, *, prompt_chunk: int) -> None:
        self._name = name
        self._model = model
        self._context = context
        self._slots = slots
        self._chunk = prompt_chunk
        self._wake = threading.Condition()
        self._arrived: list[Job] = []
        self._waiting: list[Job] = []
        self._live: list[Job] = []
        self._batch: list[tuple[Job, Span]] = []
        self._news: list[_News] = []
        self._orders = 0
        self._closing = False
        self._error: BackendError | None = None
        self._thread = threading.Thread(target=self._run, name="artis-llama", daemon=True)
        self._thread.start()

    # --- from any thread ----------------------------------------------------------------------

    def submit(self, job: Job) -> None:
        """Add a job. Raises: BackendClosed, EngineDead: the scheduler is closed or its thread has ended."""
        with self._wake:
            if self._error is not None or self._closing:
                raise self._error or BackendClosed(self._name, "the backend is closed")
            self._orders += 1
            job.order = self._orders
            self._arrived.append(job)
            self._wake.notify()

    def cancel(self, job: Job) -> None:
        """Drop a job; a running batch that is mostly for cancelled jobs is stopped."""
        with self._wake:
            job.cancelled = True
            mine = sum(len(span.tokens) for other, span in self._batch if other.cancelled)
            if 2 * mine > sum(len(span.tokens) for _, span in self._batch):
                self._context.abort()
            self._wake.notify()

    def close(self) -> None:
        """End all jobs and the thread, and free the context. Blocks for less than one batch."""
        with self._wake:
            self._closing = True
            self._context.abort()
            self._wake.notify()
        self._thread.join()
        self._context.close()

    @property
    def live(self) -> int:
        """Number of running and waiting jobs."""
        return len(self._arrived) + len(self._waiting) + len(self._live)

    # --- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._receive():
                self._drop_cancelled()
                self._admit()
                for adapter in sorted({job.adapter or "" for job in self._live}):
                    self._turn(adapter or None)
        except DecodeFailed as error:
            self._error = EngineDead(self._name, f"{error}; make a new backend")
        finally:
            self._end_all(sys.exception())

    def _receive(self) -> bool:
        """Move arrived jobs to the waiting ones; blocks while there is no job. False after `close`."""
        with self._wake:
            while not (self._arrived or self._live or self._waiting or self._closing):
                self._wake.wait()
            self._waiting += self._arrived
            self._arrived.clear()
            return not self._closing

    def _drop_cancelled(self) -> None:
        for job in [job for job in self._live if job.cancelled]:
            self._release_slot(job)
        for job in [job for job in self._waiting if job.cancelled]:
            self._waiting.remove(job)

    def _admit(self) -> None:
        for job in sorted(self._waiting, key=lambda job: job.rank):
            if job.is_held_up:
                continue
            place = self._slots.find(job.prompt, job.adapter)
            if place is None:
                break
            if isinstance(place, Wait):
                job.waits = place.slot, place.shared, place.slot.pending
                continue
            if place.source is not None:
                self._context.copy(place.source.index, place.slot.index)
            self._context.truncate(place.slot.index, place.shared)
            self._slots.take(place, job.prompt, job.adapter)
            job.slot, job.cached = place.slot, place.shared
            self._waiting.remove(job)
            self._live.append(job)

    def _turn(self, adapter: str | None) -> None:
        """Compute batches of one adapter's jobs: at least one, then until there is other work."""
        until = time.monotonic() + _TURN
        while any(job.adapter == adapter for job in self._live):
            self._step(adapter)
            self._deliver()
            news = self._arrived or self._waiting or self._closing
            if news or time.monotonic() > until or any(job.cancelled for job in self._live):
                return

    def _step(self, adapter: str | None) -> None:
        """Compute one batch of one adapter's jobs, and sample their next tokens."""
        jobs = [job for job in self._live if job.adapter == adapter]
        with self._wake:
            self._batch = self._plan(jobs)
        if not self._batch:
            return
        self._context.use_adapter(adapter)
        began = time.thread_time()
        try:
            self._context.decode(span for _, span in self._batch)
        except Aborted:
            for _, span in self._batch:
                self._context.truncate(span.sequence, span.position)
            return
        except NoRoom:
            self._make_room(jobs)
            return
        finally:
            with self._wake:
                computed, self._batch = self._batch, []
        a_token = self._context.n_threads * (time.thread_time() - began)
        a_token /= sum(len(span.tokens) for _, span in computed)
        for job, span in computed:
            assert job.slot is not None
            job.cpu_seconds += a_token * len(span.tokens)
            job.slot.extend(span.tokens)
            del job.undecoded[: len(span.tokens)]
            if span.logits:
                job.slot.pending = None
                self._draw(job, span.row)

    def _plan(self, jobs: list[Job]) -> list[tuple[Job, Span]]:
        generating = any(job.undecoded for job in self._live)
        room = self._chunk if generating else self._context.n_batch
        room = min(room, self._context.n_batch - len(jobs))
        spans = []
        for job in sorted(jobs, key=lambda job: job.rank):
            assert job.slot is not None
            size = self._span_size(job, room)
            if not size:
                continue
            room -= size - bool(job.undecoded)
            spans.append((job, self._span(job, size)))
        return sorted(spans, key=lambda pair: pair[1].sequence)

    def _span_size(self, job: Job, room: int) -> int:
        """Number of a job's tokens for a batch: of an answer, one that has its place, and as many as there is
        room for; prefill stops at a length that other jobs wait for."""
        slot = job.slot
        assert slot is not None
        if job.undecoded:
            return min(len(job.undecoded), 1 + max(room, 0))
        waits = [other.waits for other in self._waiting if other.waits is not None]
        stops = [length for at, length, prompt in waits if at is slot and prompt is slot.pending]
        ends = [stop for stop in stops if stop > slot.length]
        return min(min(ends, default=len(job.prompt)) - slot.length, max(room, 0))

    @staticmethod
    def _span(job: Job, size: int) -> Span:
        import numpy as np

        slot = job.slot
        assert slot is not None
        if job.undecoded:
            answer = np.array(job.undecoded[:size], np.int32)
            return Span(slot.index, slot.length, answer, logits=size == len(job.undecoded))
        tokens = job.prompt[slot.length : slot.length + size]
        return Span(slot.index, slot.length, tokens, logits=slot.length + size == len(job.prompt))

    def _draw(self, job: Job, row: int) -> None:
        slot = job.slot
        assert slot is not None
        began = time.thread_time()
        try:
            drawn = job.sampler.draw(self._context.logits(row))
        except GrammarRefused as error:
            self._release_slot(job)
            refused = RequestRejected(self._name, f"the schema is too large to hold an answer to: {error}")
            self._news.append((job, refused))
            return
        job.cpu_seconds += time.thread_time() - began
        finish = self._write(job, drawn)
        if finish is not None:
            self._release_slot(job)
            self._news.append((job, job.generated(finish)))
        elif job.streamed and (text := job.stream.show()):
            self._news.append((job, text))

    def _write(self, job: Job, drawn: list[tuple[int, float | None]]) -> Literal["stop", "length"] | None:
        """Add tokens to an answer. Returns why it ends with one of them, if it does."""
        whole = len(job.tokens) + len(drawn) <= job.limit
        for token, logprob in drawn[: job.limit - len(job.tokens)]:
            job.tokens.append(token)
            job.undecoded.append(token)
            if logprob is not None:
                job.logprobs.append(logprob)
            if self._model.ends(token) or job.stream.feed(self._model.piece(token)):
                return "stop"
        if whole and job.sampler.finished:
            return "stop"
        return "length" if len(job.tokens) >= job.limit else None

    def _make_room(self, jobs: list[Job]) -> None:
        """Free cells if the memory is full although every slot has room, as with some architectures."""
        idle = self._slots.forget_idle()
        for slot in idle:
            self._context.truncate(slot.index, 0)
        if not idle:
            last = max(jobs, key=lambda job: job.rank)
            self._release_slot(last)
            error = ContextOverflow(
                self._name,
                f"the KV cache is full with {len(self._live) + 1} sequences; lower max_concurrency",
            )
            self._news.append((last, error))

    def _release_slot(self, job: Job) -> None:
        assert job.slot is not None
        self._slots.release(job.slot)
        job.slot = None
        self._live.remove(job)

    def _deliver(self) -> None:
        news, self._news = self._news, []
        for loop in {job.loop for job, _ in news}:
            self._call(loop, [item for item in news if item[0].loop is loop])

    @staticmethod
    def _call(loop: asyncio.AbstractEventLoop, news: list[_News]) -> None:
        try:
            loop.call_soon_threadsafe(_deliver, news)
        except RuntimeError:  # the loop is closed, so no caller waits
            return

    def _end_all(self, error: BaseException | None) -> None:
        """Deliver the final error to every job."""
        with self._wake:
            if self._error is None and error is not None:
                self._error = EngineDead(
                    self._name, f"the engine's thread ended with {error!r}; make a new backend"
                )
            end = self._error or BackendClosed(self._name, "the backend was closed")
            jobs: Iterable[Job] = [*self._arrived, *self._waiting, *self._live]
            for job in jobs:
                self._news.append((job, end))
            self._arrived, self._waiting, self._live = [], [], []
        self._deliver()


def _deliver(news: list[_News]) -> None:
    """Put news into their jobs' queues; runs on the event loop."""
    for job, item in news:
        job.news.put_nowait(item)
