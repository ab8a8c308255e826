"""The checks of tool calls."""

from __future__ import annotations

import re

from artis_sdk.backends.conformance.laws import (
    MOST_CALLS,
    TOOLS,
    Profile,
    answered,
    ask,
    check_known_calls,
    need,
    opened,
    two_calls_answered,
    uncut,
)
from artis_sdk.records import Message, Request
from artis_sdk.records.thinking import OPENED


async def tools_offered(profile: Profile) -> None:
    """With tools on offer the model may call them or not; its answer is well formed."""
    async with opened(profile, tools_offered) as backend:
        need(backend.capabilities.native_tools, "no native tools")
        request = Request(messages=ask("Go north."), tools=TOOLS, max_tokens=profile.structured_tokens)
        await answered(backend, request)


async def tools_required(profile: Profile) -> None:
    """`tool_choice="required"` leads to calls of the offered tools with arguments that fit them."""
    async with opened(profile, tools_required) as backend:
        need(backend.capabilities.native_tools, "no native tools")
        completion = await uncut(
            backend,
            Request(
                messages=ask("Go north."),
                tools=TOOLS,
                tool_choice="required",
                max_tokens=profile.structured_tokens,
            ),
        )
        assert completion.tool_calls, f"no call in {completion.raw!r}"
        check_known_calls(completion)


async def required_calls_end(profile: Profile) -> None:
    """On a backend that holds calls to their schemas, `tool_choice="required"` ends with at least one call,
    and every call fits, whatever the weights prefer."""
    async with opened(profile, required_calls_end) as backend:
        need(backend.capabilities.held_calls, "calls are not held to their schemas")
        for seed in range(4):
            request = Request(
                messages=ask(f"Go north, then look. ({seed})"),
                tools=TOOLS,
                tool_choice="required",
                seed=seed,
                max_tokens=profile.structured_tokens,
            )
            completion = await uncut(backend, request)
            assert 1 <= len(completion.tool_calls) <= MOST_CALLS
            assert not completion.text.strip(), f"text beside the calls: {completion.text!r}"
            check_known_calls(completion)


async def offered_calls_fit(profile: Profile) -> None:
    """On such a backend, an answer to offered tools is text, or calls that fit; at any temperature. In a
    thought, which random weights may open anywhere, nothing is a call."""
    async with opened(profile, offered_calls_fit) as backend:
        need(backend.capabilities.held_calls, "calls are not held to their schemas")
        for seed, temperature in enumerate((0.0, 1.0, 1.0, 2.0)):
            request = Request(
                messages=ask("Go north. Call a function, and say nothing else."),
                tools=TOOLS,
                temperature=temperature,
                seed=seed,
                max_tokens=profile.structured_tokens,
            )
            completion = await answered(backend, request)
            if completion.finish_reason != "length" and not re.search(OPENED, completion.raw or ""):
                check_known_calls(completion)


async def tools_refused(profile: Profile) -> None:
    """`tool_choice="none"` leads to no call."""
    async with opened(profile, tools_refused) as backend:
        need(backend.capabilities.native_tools, "no native tools")
        request = Request(
            messages=ask("Go north."), tools=TOOLS, tool_choice="none", max_tokens=profile.max_tokens
        )
        assert (await answered(backend, request)).tool_calls == ()


async def parallel_tool_calls(profile: Profile) -> None:
    """A turn of two calls and their two results is understood, and may be followed by more calls."""
    async with opened(profile, parallel_tool_calls) as backend:
        need(backend.capabilities.native_tools, "no native tools")
        window = backend.capabilities.context_window
        # The first answer is part of the second prompt, where random text may take twice its tokens.
        room = min(profile.structured_tokens, window // 4) if window else profile.structured_tokens
        request = Request(messages=two_calls_answered(), tools=TOOLS, max_tokens=room)
        first = await answered(backend, request)
        said = Message(role="assistant", content=first.text, tool_calls=first.tool_calls, raw=first.raw)
        results = tuple(
            Message(role="tool", tool_call_id=call.id, content="null") for call in first.tool_calls
        )
        again = Message(role="user", content="Once more.")
        await answered(
            backend,
            Request(
                messages=(*request.messages, said, *results, again),
                tools=TOOLS,
                max_tokens=room,
            ),
        )
