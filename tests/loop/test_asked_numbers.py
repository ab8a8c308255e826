"""Numbers of a request beside those of the calls: as they stand, or as a tool's units want them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artis_sdk.loop.asked_numbers import MadeNumbers, not_made

IN_CENTS = ["amount: amount in cents"]


def missing(query: str, arguments: dict[str, Any], documents: list[str] | None = None) -> list[str]:
    return not_made(query, documents or [], MadeNumbers([json.dumps(arguments)]))[1]


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("Remind me on the 5th of December 2026 at 3pm.", {"date": "2026-12-05", "time": "15:00"}),
        ("Remind me on 5.12.2026 at 3:30 p.m.", {"date": "2026-12-05", "time": "15:30"}),
        ("Wake me at 9.30.", {"time": "09:30"}),
        ("At 12am.", {"time": "00:00"}),
        ("At 12 pm.", {"time": "12:00"}),
        ("At 3:05 pm.", {"time": "15:05"}),
        ("At 4pm.", {"time": "4 pm"}),
        ("At 4 pm.", {"time": "4:00 PM"}),
        ("Lunch at 1.", {"time": "13:00"}),
        ("Breakfast at 8.", {"time": "08:00"}),
        ("Book the room for 2 hours.", {"minutes": 120}),
        ("Book the room for 2h.", {"minutes": 120}),
        ("A 90-minute slot.", {"hours": 1.5}),
        ("1 hour and 30 minutes.", {"minutes": 90}),
        ("1h 30min.", {"seconds": 5400}),
        ("1 day, 2 hours and 30 minutes.", {"minutes": 1590}),
        ("Wait 3 days.", {"hours": 72}),
        ("Für 2 Stunden.", {"minutes": 120}),
        ("Pendant 3 jours.", {"hours": 72}),
        ("Subscribe for 2 years.", {"months": 24}),
        ("In 2 weeks.", {"days": 14}),
        ("Ship 2 kg.", {"grams": 2000}),
        ("Run 5km.", {"metres": 5000}),
        ("Send 3k.", {"amount": 3000}),
        ("Send 1.5 million.", {"amount": 1_500_000}),
        ("A dozen and 2 dozen eggs.", {"eggs": 24}),
        ("A discount of 15%.", {"rate": 0.15}),
        ("Refund half of the 80.", {"amount": 40}),
        ("Refund a third of my 90 euros.", {"amount": 30}),
        ("Pay twice the 40.", {"amount": 80}),
        ("Pay 15 percent of the 200.", {"amount": 30}),
        ("Split the 90 among the three.", {"amount": 30}),
        ("Pay 80 plus 15 of fees.", {"amount": 95}),
        ("Find a flight under 500, to Rome.", {"to": "Rome"}),
        ("A hotel for at most 120 a night.", {"stars": "three"}),
        ("My budget is 300. Book the cheapest.", {"which": "cheapest"}),
        ("Raise the price by 10 percent.", {"price": 55}),
        ("Call +49 170 123-4567.", {"number": "+491701234567"}),
        ("Call (030) 1234 567.", {"number": "0301234567"}),
        ("Charge 4111 1111 1111 1111.", {"card": "4111111111111111"}),
        ("Cancel ab12.", {"order": "AB12"}),
        ("My passport starts with US, numbered 9148817941.", {"passport": "US9148817941"}),
        ("I'm free. My user id is 'USR002'. Tell Ann.", {"receiver": "Ann"}),
        ("Book the flight at a cost of $850.", {"flight": "to Rome"}),
        ("If there are more than 20 lines, set it to 3, else to 2.", {"priority": 2}),
        ("Pay, if any tire falls short of 30 psi.", {"paid": "nothing"}),
    ],
)
def test_what_a_tools_units_make_of_a_number_is_found(query: str, arguments: dict[str, Any]) -> None:
    assert missing(query, arguments) == []
    numbers = not_made(query, [], MadeNumbers([json.dumps({"nothing": "of it"})]))[1]
    assert numbers or not_made(query, [], MadeNumbers([]))[0] == 0  # or it need not stand in a call


@pytest.mark.parametrize(
    ("query", "arguments", "left"),
    [
        ("Refund half of the 80.", {"amount": 80}, ["80"]),
        ("Refund half of the 80.", {"amount": 20}, ["80"]),
        ("Book the room for 2 hours.", {"minutes": 60}, ["2"]),
        ("1 hour and 30 minutes.", {"minutes": 60}, ["30"]),
        ("Remind me on the 5th at 3pm.", {"date": "2026-12-06", "time": "15:00"}, ["5th"]),
        ("Remind me on the 5th at 3pm.", {"date": "2026-12-05", "time": "16:00"}, ["3pm"]),
        ("Remind me at 4pm.", {"time": "04:00"}, ["4pm"]),
        ("Remind me at 4 am.", {"time": "16:00"}, ["4"]),
        ("Remind me on 5.12.2026.", {"date": "2026-12-06"}, ["5.12.2026"]),
        ("Pay 15 percent of the 200.", {"amount": 15}, ["200"]),
        ("Pay 80 plus 15 of fees.", {"amount": 80}, ["15"]),
        ("Pay 80 and 15.", {"amount": 95}, ["80", "15"]),
        ("Call +49 170 123-4567.", {"number": "+491701234568"}, ["49", "170", "123", "4567"]),
        ("Pay 80 to B7.", {"account": "B8", "amount": 80}, ["B7"]),
        ("Pay 80, pay 80, pay 81.", {"amount": 80}, ["81"]),
        ("Pay 50 dollars.", {"amount": 5000}, ["50"]),
        ("Pay 50 dollars.", {"amount": 600}, ["50"]),
        ("Look first. If it is there, buy it. Pay 50 for it.", {"amount": 60}, ["50"]),
        ("Call 9148817941.", {"number": "91488179410"}, ["9148817941"]),
        ("Für 2 Stunden.", {"minutes": 90}, ["2"]),
    ],
)
def test_another_number_is_missing(query: str, arguments: dict[str, Any], left: list[str]) -> None:
    assert missing(query, arguments) == left


def test_a_count_is_that_of_the_calls() -> None:
    def left(query: str, tools: list[str]) -> list[str]:
        return not_made(query, [], MadeNumbers(["{}"] * len(tools), tools))[1]

    assert left("Book 2 rooms.", ["look", "book", "book"]) == []
    assert left("Book 3 rooms.", ["look", "book", "book"]) == ["3"]
    assert left("Book 1 room.", ["look", "book"]) == ["1"]
    assert left("Pay 2 euros.", ["pay", "pay"]) == ["2"]


@pytest.mark.parametrize("said", ["50 dollars", "$50", "USD 50", "50 EUR", "50€", "£ 50", "50 bucks"])
def test_money_is_in_cents_where_the_tools_say_so(said: str) -> None:
    assert missing(f"Refund {said}.", {"amount": 5000}, IN_CENTS) == []
    assert missing(f"Refund {said}.", {"amount": 500}, IN_CENTS) == ["50"]
    assert missing(f"Refund {said}.", {"amount": 5000}, ["amount: amount in euros"]) == ["50"]
    assert missing("Refund 50 cents.", {"amount": 0.5}) == []


def test_a_number_that_need_not_be_made_is_not_said_to_be_made() -> None:
    """The judge hears neither that all are there nor that one is missing."""
    query = "A flight under 500 to gate 7."
    assert not_made(query, [], MadeNumbers(['{"gate": 7, "limit": 500}'])) == (2, [])
    assert not_made(query, [], MadeNumbers(['{"gate": 7}'])) == (0, [])
    assert not_made(query, [], MadeNumbers(['{"gate": 8}'])) == (2, ["7"])
    assert not_made("A flight.", [], MadeNumbers(['{"gate": 8}'])) == (0, [])


@given(st.text(alphabet="0123456789.,:%$ -+()hkmthpaf", max_size=60), st.text(max_size=20))
def test_any_request_is_read(query: str, text: str) -> None:
    count, left = not_made(query, [text], MadeNumbers([json.dumps({"text": text})]))
    assert count >= len(left)
    assert all(each in query for each in left)
    assert missing(query, {"said": query}) == []  # all of it stands in the call


def test_a_long_request_takes_no_time() -> None:
    query = "Half of the 80% of 7 hours and 30 minutes at most 5pm, 1 2 3 4 5. " * 2000
    begun = time.process_time()
    missing(query, {"amount": 1})
    assert time.process_time() - begun < 30
