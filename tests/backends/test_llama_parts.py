"""Parts of the llama.cpp backend without a model: prefix bookkeeping, text, file headers, names."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.backends.llama_cpp.header import read_header
from artis_sdk.backends.llama_cpp.hub import HubFile, find_model
from artis_sdk.backends.llama_cpp.slots import WORTH_SHARING, SlotChoice, Slots, Wait, common_prefix
from artis_sdk.backends.llama_cpp.text import TextStream
from artis_sdk.errors import ConfigurationError

np = pytest.importorskip("numpy")

TOKENS = st.lists(st.integers(0, 2), max_size=30)


# --- prefixes ---------------------------------------------------------------------------------


@given(TOKENS, TOKENS)
def test_the_common_prefix_is_the_longest(one: list[int], other: list[int]) -> None:
    length = common_prefix(np.array(one, np.int32), np.array(other, np.int32))
    assert one[:length] == other[:length]
    assert length == min(len(one), len(other)) or one[length] != other[length]


FAMILY = list(range(100, 100 + 2 * WORTH_SHARING))
PROMPTS = st.builds(
    lambda shared, rest: [*FAMILY[:shared], *rest, 7],
    st.integers(0, len(FAMILY)),
    st.lists(st.integers(0, 3), max_size=20),
)
ACTIONS = st.lists(st.tuples(PROMPTS, st.sampled_from([None, "a"]), st.booleans()), max_size=40)


@given(ACTIONS, st.integers(1, 4))
def test_a_place_never_claims_more_than_memory_holds(
    actions: list[tuple[list[int], str | None, bool]], count: int
) -> None:
    """Against a model that keeps what each sequence's memory holds: what is said to be shared is there,
    no busy sequence is given away, and nothing crosses from one adapter to another."""
    slots = Slots(count, 200)
    memory: dict[int, tuple[str | None, list[int]]] = {index: (None, []) for index in range(count)}
    busy: list[tuple[SlotChoice, list[int]]] = []
    for prompt, adapter, ends in actions:
        array = np.array(prompt, np.int32)
        place = slots.find(array, adapter)
        if isinstance(place, SlotChoice):
            index = place.slot.index
            assert not place.slot.busy
            source = place.source.index if place.source is not None else index
            held_adapter, held = memory[source]
            assert place.shared < len(prompt)
            assert held[: place.shared] == prompt[: place.shared]
            assert place.shared == 0 or held_adapter == adapter
            slots.take(place, array, adapter)
            place.slot.extend(array[place.shared :])
            place.slot.pending = None
            memory[index] = (adapter, prompt)
            busy.append((place, prompt))
        else:
            assert place is None
            assert len(busy) == count
        if busy and (ends or place is None):
            slots.release(busy.pop(0)[0].slot)
    for slot in slots.all:
        assert memory[slot.index][1] == slot.tokens[: slot.length].tolist()


def prompt(*tail: int) -> Any:
    return np.array([*FAMILY, *tail], np.int32)


def test_who_arrives_while_the_same_prefix_is_computed_waits_for_it() -> None:
    slots = Slots(3, 200)
    leader = slots.find(prompt(1, 2), None)
    assert isinstance(leader, SlotChoice)
    slots.take(leader, prompt(1, 2), None)
    follower = slots.find(prompt(3, 4), None)
    assert follower == Wait(leader.slot, len(FAMILY))
    assert isinstance(slots.find(prompt(3, 4), "adapter"), SlotChoice)
    leader.slot.extend(prompt(1, 2))
    leader.slot.pending = None
    follower = slots.find(prompt(3, 4), None)
    assert isinstance(follower, SlotChoice)
    assert (follower.source, follower.shared) == (leader.slot, len(FAMILY))


def test_a_memory_that_cannot_be_cut_shares_nothing() -> None:
    slots = Slots(2, 200, share=False)
    for _ in range(3):
        place = slots.find(prompt(1), None)
        assert isinstance(place, SlotChoice)
        assert place.shared == 0
        slots.take(place, prompt(1), None)
        place.slot.extend(prompt(1))
        slots.release(place.slot)


def test_the_least_recently_used_goes_first_and_a_continuation_stays_in_place() -> None:
    slots = Slots(2, 200)
    for start in (1000, 2000):
        own = np.arange(start, start + 50, dtype=np.int32)
        place = slots.find(own, None)
        assert isinstance(place, SlotChoice)
        slots.take(place, own, None)
        place.slot.extend(own)
        slots.release(place.slot)
    older = slots.find(np.arange(1000, 1060, dtype=np.int32), None)
    assert isinstance(older, SlotChoice)
    assert (older.slot.index, older.shared, older.source) == (0, 50, None)
    slots.release(older.slot)
    stranger = slots.find(np.arange(5000, 5050, dtype=np.int32), None)
    assert isinstance(stranger, SlotChoice)
    assert stranger.slot.index == 1


def test_requests_with_one_adapter_lie_next_to_each_other_and_what_was_used_last_is_kept() -> None:
    slots = Slots(24, 200)

    def placed(number: int, adapter: str | None) -> int:
        own = np.arange(100 * number, 100 * number + 50, dtype=np.int32)
        place = slots.find(own, adapter)
        assert isinstance(place, SlotChoice)
        slots.take(place, own, adapter)
        place.slot.extend(own)
        place.slot.pending = None
        return place.slot.index

    for number in range(24):  # all sequences hold something, the even ones used last
        placed(number, None)
    released = [*slots.all[1::2], *slots.all[0::2]]
    for slot in released:
        slots.release(slot)
    found: dict[str | None, list[int]] = {None: [], "adapter": []}
    for number in range(100, 108):
        adapter = (None, "adapter")[number % 2]
        found[adapter].append(placed(number, adapter))
    kept = {slot.index for slot in released[-8:]}
    assert kept.isdisjoint({*found[None], *found["adapter"]})
    base, adapted = (sorted(indices) for indices in found.values())
    assert max(base) < min(adapted) or max(adapted) < min(base)
    assert all(max(one) - min(one) <= 8 for one in (base, adapted))


# --- text -------------------------------------------------------------------------------------


@given(st.binary(max_size=60), st.lists(st.integers(1, 5), min_size=1), st.lists(st.text(max_size=3)))
def test_a_stream_shows_its_text_and_ends_before_a_stop_string(
    data: bytes, sizes: list[int], stop: list[str]
) -> None:
    stream = TextStream(tuple(stop))
    shown, at, number, stopped = "", 0, 0, False
    while at < len(data) and not stopped:
        size = sizes[number % len(sizes)]
        stopped = stream.feed(data[at : at + size])
        shown += "" if stopped else stream.show()
        at, number = at + size, number + 1
    stopped = stopped or stream.end()
    assert stream.text.startswith(shown)
    assert not any(text in stream.text for text in stop if text)
    whole = data.decode("utf-8", "replace")
    ends = [whole.find(text) for text in stop if text and text in whole]
    assert stream.text == (whole[: min(ends)] if ends else whole)
    assert stopped == bool(ends)


@given(st.text(min_size=1, max_size=20))
def test_no_half_character_is_shown(text: str) -> None:
    stream, shown = TextStream(), ""
    for byte in text.encode("utf-8", "replace"):
        stream.feed(bytes([byte]))
        shown += stream.show()
    assert shown == text.encode("utf-8", "replace").decode()


def test_nothing_is_shown_from_a_mark_on() -> None:
    stream, shown = TextStream(marks=("<tool_call>",)), ""
    for piece in ("Yes, I", " will <tool", "_call", ">{}</tool_call>", " done"):
        stream.feed(piece.encode())
        shown += stream.show()
    assert shown == "Yes, I will "
    assert stream.text == "Yes, I will <tool_call>{}</tool_call> done"


# --- files ------------------------------------------------------------------------------------


def gguf_file(path: Path, *entries: tuple[str, bytes]) -> Path:
    body = b"".join(struct.pack("<Q", len(key)) + key.encode() + value for key, value in entries)
    path.write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + body)
    return path


def text(value: str) -> bytes:
    return struct.pack("<IQ", 8, len(value.encode())) + value.encode()


def test_a_header_is_read_and_arrays_are_skipped(tmp_path: Path) -> None:
    strings = b"".join(struct.pack("<Q", 2) + b"ab" for _ in range(5))
    path = gguf_file(
        tmp_path / "x.gguf",
        ("general.architecture", text("qwen3")),
        ("tokens", struct.pack("<IIQ", 9, 8, 5) + strings),
        ("numbers", struct.pack("<IIQ", 9, 4, 3) + bytes(12)),
        ("nested", struct.pack("<IIQ", 9, 9, 1) + struct.pack("<IQ", 0, 2) + b"ab"),
        ("flag", struct.pack("<I?", 7, True)),
        ("qwen3.context_length", struct.pack("<II", 4, 4096)),
        ("tokenizer.chat_template", text("{{ ü }}")),
        ("tokenizer.chat_template.tool_use", text("{{ tools }}")),
    )
    header = read_header(path)
    assert (header.architecture, header.context_length) == ("qwen3", 4096)
    assert (header.chat_template, header.kind) == ("{{ ü }}", "model")
    assert header.tool_template == "{{ tools }}"


@given(st.integers(0, 120))
def test_a_file_that_is_cut_off_is_a_configuration_error(size: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        entries = (("general.architecture", text("qwen3")), ("other", text("x" * 60)))
        whole = gguf_file(Path(folder) / "whole.gguf", *entries).read_bytes()
        assert len(whole) > 120
        cut = Path(folder) / "cut.gguf"
        cut.write_bytes(whole[:size])
        with pytest.raises(ConfigurationError, match=r"cut\.gguf"):
            read_header(cut)


def test_names_of_files_and_of_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_model("owner/name-GGUF/*q4.gguf") == HubFile("owner/name-GGUF", "*q4.gguf")
    assert find_model("owner/name/deep/file.gguf") == HubFile("owner/name", "deep/file.gguf")
    for path in ("model.gguf", "models/model.gguf", "/models/a/b.gguf", "./a/b/c.gguf"):
        assert find_model(path) == Path(path)
    (tmp_path / "owner").mkdir()
    assert find_model("owner/name/file.gguf") == Path("owner/name/file.gguf")


def test_a_hub_that_cannot_be_reached_is_a_configuration_error(monkeypatch: pytest.MonkeyPatch) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")

    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr(llama_cpp.Llama, "from_pretrained", unreachable)
    with pytest.raises(ConfigurationError, match="cannot be fetched: no network"):
        HubFile("owner/name", "file.gguf").download("llama_cpp:owner/name/file.gguf")
