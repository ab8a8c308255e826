"""Numbers that a request says several times: each mention is a part that a call should do."""

from __future__ import annotations

import json
from typing import Any

import pytest

from artis_sdk.loop.asked_numbers import MadeNumbers
from artis_sdk.loop.repeated_numbers import said_more_often

PAY = {"amount": 120}
A342 = {"account": "A342"}


def told(query: str, *arguments: dict[str, Any]) -> list[str]:
    return said_more_often(query, MadeNumbers(map(json.dumps, arguments)))


@pytest.mark.parametrize(
    ("query", "arguments", "said"),
    [
        ("Send 120 to Ann and 120 to Bob.", [PAY], ["120: 2 times, in 1 call"]),
        ("Send 120 to Ann, then 120.00 to Bob.", [PAY], ["120: 2 times, in 1 call"]),
        ("Send 120 to Ann, 120 to Bob and 120 to Kim.", [PAY], ["120: 2 times, in 1 call"]),
        ("Send 120 to Ann and 120 to Bob and also 120 to Kim.", [PAY, PAY], ["120: 3 times, in 2 calls"]),
        ("Lock A342, and also pay 90 from A342.", [A342 | {"amount": 90}], ["A342: 2 times, in 1 call"]),
        ("Rename 7; delete 7.", [{"id": 7}], ["7: 2 times, in 1 call"]),
        (
            "Limit A342 to 90 and take 90 from A342.",
            [A342 | {"n": 90}],
            [f"{n}: 2 times, in 1 call" for n in ("A342", 90)],
        ),
        (
            "Take 120 from Ann and give 120 to Bob.",
            [{"source": "ann", "amount": 120}],
            ["120: 2 times, in 1 call"],
        ),
        ("Pay Bob 120 and Kim 120.", [{"to": "bob", "amount": 120}], ["120: 2 times, in 1 call"]),
        ("Order 2 pizzas and then 2 colas, and tell me the price.", [{"n": 2}], ["2: 2 times, in 1 call"]),
    ],
)
def test_a_part_that_fewer_calls_have_is_told(query: str, arguments: list[Any], said: list[str]) -> None:
    assert told(query, *arguments) == said


@pytest.mark.parametrize(
    ("query", "arguments"),
    [
        ("Send 120 to Ann and 120 to Bob.", [PAY, PAY]),
        ("Send 120 to Ann and 120 to Bob.", [{"payments": [PAY, PAY]}]),
        ("Send 120 to Ann and 120 to Bob.", []),  # missing altogether, which is told elsewhere
        ("Wait 2 hours and call, then wait 2 hours.", [{"minutes": 120}]),
        ("Set a timer for 10 seconds. You should use timeout 10.", [{"seconds": 10}]),
        ("Send 120 to Ann and tell Bob of the 120.", [PAY]),
        ("A theater on the 9th of march 2023, march 2023 is 2023 march?", [{"date": "2023-03-09"}]),
        ("A house from 05/12/2023 to 05/18/2023 and for 18 people.", [{"from": "2023-05-12", "people": 18}]),
        ("A speed of 20 m/s, accelerating at 2 m/s^2, and 1 m/s^2.", [{"v": 20, "a": 2, "b": 1}]),
        ("Pay 20 from A175 if A175 has it, and else nothing from A175.", [{"account": "A175"}]),
        ("Pay Ann.", [PAY]),
        ("Give Emil 120 from Igor. 120, not more.", [PAY]),
        ("Give Emil 120, and not more than 120.", [PAY]),
        ("Pay 120 and only 120 to Mei.", [PAY]),
        ("Pay 120, and I mean 120.", [PAY]),
        ("Transfer 120 to Bob and make sure it is exactly 120.", [PAY]),
        ("Move 120 to Bob and leave at least 120 with Ann.", [PAY]),
        ("Refund order 4471 and tell me when order 4471 is refunded.", [{"order": 4471}]),
        ("Cancel booking 88, then confirm that 88 is cancelled.", [{"booking": 88}]),
        ("Lock A342 and let me know how much A342 holds.", [A342]),
        ("Limit A342 to 90 and say what A342 could spend before.", [A342 | {"amount": 90}]),
        ("Delete 7 and nothing but 7.", [{"id": 7}]),
        ("Take 120 from A342 and put 120 into B7.", [{"from": "A342", "to": "B7", "amount": 120}]),
        ("Withdraw 120 out of A342, then pay 120 into B7.", [{"from": "A342", "to": "B7", "amount": 120}]),
        ("Take 120 from Ann and give 120 to Bob.", [{"source": "ann", "target": "bob", "amount": 120}]),
        ("Pay Ann 120 and Bob 120.", [{"to": ["ann", "bob"], "amount": 120}]),
    ],
)
def test_what_calls_have_and_what_is_said_again_is_not(query: str, arguments: list[Any]) -> None:
    assert told(query, *arguments) == []
