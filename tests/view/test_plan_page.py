"""Pages of plans: what is on them, as HTML, without a browser."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest
from helpers.hostile import SAMPLES, texts
from helpers.plans import a_plan, a_result, approved, pay
from hypothesis import given, settings

from artis_sdk.records import ForeseenCall, Plan, Reference, Task
from artis_sdk.view.plan_rows import plan_rows, problems, result_rows, shared_calls
from artis_sdk.view.plan_text import plan_view
from artis_sdk.visible import visible

TAGS = {
    *("html", "head", "meta", "title", "style", "body", "h1", "h2", "h3", "p", "code", "b", "small", "div"),
    *("span", "table", "thead", "tbody", "tr", "th", "td", "section", "article", "details", "summary", "pre"),
    *("dl", "dt", "dd", "ol", "ul", "li", "fieldset", "label", "input", "br"),
}


class Page(HTMLParser):
    """A page's tags and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.text = ""
        self._spaced = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._spaced += " "
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.text += data
        self._spaced += data

    @property
    def words(self) -> str:
        """The text, with a space between elements."""
        return " ".join(self._spaced.split())


PLAN = approved(a_plan(*(pay(n) for n in range(3)), value={"id": "T891"}, notes=("A note.",)))


def test_a_plan_has_all_that_a_person_decides_on() -> None:
    words = Page(PLAN.to_html()).words
    for said in (
        "Pay bob 8.",
        "3 calls foreseen: 1 irreversible, 1 reversible, 1 read only.",
        "2 attempts (hybrid), 1 judged correct.",
        "Recommendation",
        "Calls to be approved",
        'pay who "payee 0" amount 0',
        '{"id": "T891"}',
        "2 of 2",
        "1 of 2",
        "simulated",
        PLAN.digest or "",
        "ann , 2027-01-15 08:00 UTC",
        "A note.",
        "Attempt 1: ✗ judged wrong",
        "Attempt 2: ✓ judged correct (the plan follows it)",
        "What the attempts agree on",
        "State before",
        "State after: no state kept.",
        "State after: 2 places changed",
        "$.accounts.ann 20 12",
    ):
        assert said.replace(" ,", ",") in words.replace(" ,", ","), said


def test_a_result_has_predicted_beside_real_and_marks_what_differs() -> None:
    page = a_result(PLAN).to_html()
    words = Page(page).words
    assert "! 5 not as approved or not as predicted" in words
    for said in ("! diverged", "! changed", "! unforeseen", "! not made", "! missed", "✓ as predicted"):
        assert said in words
    assert page.count('class="changes  odd"') + page.count('class="changes fails odd"') >= 4
    assert 'approved was pay who "payee 2" amount 2' in words


def test_a_commit_that_went_as_approved_says_so() -> None:
    result = a_result(PLAN)
    calls = tuple(call for call in result.calls if call.verdict == "foreseen, as predicted")
    clean = result.model_copy(update={"calls": calls, "not_made": (), "missed": ()})
    assert "✓ none of them diverged or unforeseen" in Page(clean.to_html()).words


def test_an_edited_plan_and_an_approval_of_another_are_named() -> None:
    edited = PLAN.model_copy(update={"guidance": "Pay eve."})
    assert "its digest does not fit" in Page(edited.to_html()).words
    other = PLAN.model_copy(update={"approvals": approved(a_plan(pay(9))).approvals})
    assert list(problems(other)) == ["The approval by ann is of another plan."]
    assert list(problems(PLAN)) == []


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1e300, 1e13, 253402300799.0])
def test_any_moment_in_a_file_is_shown(seconds: float) -> None:
    approval = approved(PLAN).approvals[0].model_copy(update={"at": seconds, "expires": seconds})
    odd = PLAN.model_copy(update={"expires": seconds, "approvals": (approval,)})
    assert f"{seconds:g} seconds after 1970" in Page(odd.to_html()).words or seconds == 253402300799
    assert list(plan_view(odd))


def test_a_plan_that_binds_nothing_shows_what_it_predicts() -> None:
    bare = PLAN.model_copy(update={"digest": None, "foreseen": ()})
    assert [row.call.tool for row in plan_rows(bare)] == ["pay"] * 3
    assert "binds nothing" in Page(bare.to_html()).words
    assert "No calls." in Page(Plan(task=Task(query="q"), strategy="direct").to_html()).words


def test_arguments_that_the_commit_fills_in_are_named() -> None:
    first, second, _ = PLAN.foreseen
    reference = Reference(argument=("who",), call=0, outcome=("id",))
    filled = ForeseenCall(**{**dict(second), "references": (reference,)})
    first = first.model_copy(update={"made_up": (("id",),)})
    plan = PLAN.model_copy(update={"foreseen": (first, filled)})
    assert plan_rows(plan)[0].notes == ("id is made up, the real one differs",)
    assert plan_rows(plan)[1].notes == ("who is the real id of call 1",)


def test_the_attempts_agree_on_calls_and_on_outcomes() -> None:
    shared = shared_calls(PLAN.attempts)
    assert [(one.made, [where for _, where in one.outcomes]) for one in shared] == [
        (2, [(0, 1)]),
        (1, [(1,)]),
        (1, [(1,)]),
    ]


def test_a_changed_call_stands_beside_the_one_that_was_approved() -> None:
    rows = {row.status: row for row in result_rows(a_result(PLAN))}
    assert rows["changed"].instead == PLAN.foreseen[-1].call
    assert rows["not made"].reason == "Paid."


@settings(max_examples=30)
@given(texts())
def test_data_makes_no_element_and_is_all_there(text: str) -> None:
    plan = approved(
        a_plan((text, {text: text}), query=text, advice=text, text=text, value=text, notes=(text,)), by=text
    )
    for html in (plan.to_html(), a_result(plan, text).to_html()):
        page = Page(html)
        assert page.tags <= TAGS
        assert not {name for name in page.attributes if name.startswith("on")}
        assert all(char.isprintable() or char in "\n\t" for char in html)
        if len(text) < 1_000:
            assert visible(text, lines=True) in page.text


@pytest.mark.parametrize("text", SAMPLES)
def test_each_sample_is_on_the_page(text: str) -> None:
    page = Page(a_plan(("send", {"to": text}), query=text, advice=text).to_html())
    assert page.text.count(visible(text, lines=True)) >= 2


def test_a_page_takes_nothing_from_elsewhere() -> None:
    page = PLAN.to_html()
    assert "default-src 'none'" in page
    assert not re.search(r"(?:src|href|url|@import)\s*[=(]", page)
    assert "<script" not in page


def test_a_long_value_is_folded_and_whole() -> None:
    page = a_plan(pay(1, memo="x" * 5_000)).to_html()
    assert "<details>" in page
    assert "x" * 5_000 in page


def test_a_notebook_shows_a_frame_in_which_no_script_runs() -> None:
    cell = Page(a_result(PLAN)._repr_html_())
    assert cell.tags == {"iframe"}
    assert cell.attributes == {"srcdoc", "sandbox", "style"}
