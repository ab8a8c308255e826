"""Names, amounts and phrasings of tasks, each in two parts: one to train on and one held out.

The parts have no name, no amount and no wording (opening and form together) in common.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Mapping
from typing import Final, Literal

Part = Literal["train", "held_out"]

_REAL: Final = """\
    Ada Aida Alan Alma Amir Anna Anton Arne Aron Asa Astrid Aziz Bela Berta Bianca Bjorn Boris Bruno Carla
    Cecil Celia Chen Clara Colin Cora Dario Dana David Delia Dora Edda Edgar Ella Elmar Emil Emma Enzo Erik
    Esra Ewa Fadi Felix Femi Finn Flora Frank Gala Gerd Gina Goran Greta Gus Hana Hanno Heidi Helga Hugo Ida
    Igor Ilse Ines Ingo Ira Iris Ivan Jana Jens Jin Joel Jonas Jule Kai Karin Karl Katja Kemal Kira Klara
    Kofi Lara Lars Lea Leo Lena Liam Lina Lotte Luca Luisa Maja Marco Marta Mei Mila Mina Mona Musa Nadia
    Nico Nina Noah Nora Olaf Olga Omar Oskar Otto Paul Petra Pia Rafa Ravi Rita Rosa Ruth Samir Sara Selma
    Sven Tara Theo Tilda Tom Uma Uwe Vera Viktor Wanda Willi Xenia Yara Yusuf Zoe
""".split()  # noqa: SIM905
_HEADS: Final[tuple[str, ...]] = (*"BCDFGHJKLMNPRSTVWXYZ", *("",) * 12, "Br", "Dr", "Kr", "Pl", "Sh", "Tr")
_VOWELS: Final[tuple[str, ...]] = (*"aeiouaeiou", "ai", "ei", "ia", "ie", "au", "ee")
_DOUBLE: Final = ("ll", "nn", "tt", "dd", "rt", "st", "nd", "lm", "sk")
_MIDDLES: Final[tuple[str, ...]] = (*"bdfgklmnrstvz", *"lmnrsst", *_DOUBLE)
_ENDS: Final[tuple[str, ...]] = ("", "", "", "a", "e", "i", "o", "an", "el", "er", "us")
_OPENINGS: Final = ("", "Please ", "Now ", "Kindly ", "Next, ", "Today: ", "Hi, ", "As agreed, ")


def held(text: str, share: int = 5) -> bool:
    """Whether a text is held out: one in `share`, by its checksum, for ever the same."""
    return zlib.crc32(text.encode()) % share == 0


def belongs(text: str, part: Part, share: int = 5) -> bool:
    """Whether a text is in a part."""
    return held(text, share) == (part == "held_out")


def name(rng: random.Random, part: Part) -> str:
    """A person. Held-out people have real first names; in training most have made-up ones."""
    while True:
        made_up = part == "train" and rng.random() < 0.8
        found = _made_up(rng) if made_up else rng.choice(_REAL)
        if belongs(found, part):
            return found


def _made_up(rng: random.Random) -> str:
    """A made-up name, of so many shapes that only copying it letter by letter gets it right."""
    syllables = [rng.choice(_VOWELS) + rng.choice(_MIDDLES) for _ in range(rng.choice((1, 1, 2, 2, 3)))]
    return (rng.choice(_HEADS) + "".join(syllables) + rng.choice(_ENDS)).capitalize()


def amount(rng: random.Random, part: Part, low: int = 10, high: int = 490) -> int:
    """Whole units. Held-out ones are multiples of ten; in training many are any number, so that only
    copying digit by digit gets them right."""
    while True:
        any_number = part == "train" and rng.random() < 0.4
        found = rng.randint(low, high) if any_number else 10 * rng.randint(-(-low // 10), high // 10)
        if belongs(f"amount {found}", part):
            return found


Piece = tuple[tuple[str, ...], Mapping[str, object]]
"""Wordings to choose from (format strings), and their values."""


def phrase(rng: random.Random, part: Part, *pieces: Piece, joins: tuple[str, ...] = ("",)) -> str:
    """An opening and a wording of each piece, put together.

    Args:
        rng, part: see the module.
        pieces: the pieces, in order.
        joins: texts that may join pieces.
    """
    while True:
        opening, join = rng.choice(_OPENINGS), rng.choice(joins)
        forms = [rng.choice(wordings) for wordings, _ in pieces]
        if belongs(opening + join.join(forms), part, share=4):
            break
    told = join.join([form.format(**fields) for form, (_, fields) in zip(forms, pieces, strict=True)])
    return f"{opening}{told}." if opening else f"{told[0].upper()}{told[1:]}."
