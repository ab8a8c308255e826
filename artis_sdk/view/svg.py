"""Plots as SVG, made of elements. Texts and attributes are made visible and escaped here and nowhere else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from markupsafe import Markup

from artis_sdk.visible import visible

Point = tuple[float, float]
"""Across and down from the left upper corner, in SVG units."""
Scale = Callable[[float, float], Point]
"""The place of two values."""
_STYLE: Final = (
    ".paper{fill:#fff} text{fill:#222} .grid{stroke:#ddd} "
    "@media (prefers-color-scheme:dark){.paper{fill:#16181c} text{fill:#d8d8d8} .grid{stroke:#3a3d42}}"
)
Attribute = str | float | None
"""Numbers are rounded to a tenth of a unit; None leaves the attribute out."""


def element(tag: str, *inside: str, **attributes: Attribute) -> Markup:
    """An element. Its contents are text, except elements made here, which are `Markup`.

    Args:
        tag: the element's name.
        inside: texts and elements.
        attributes: by name, with `_` for `-`, and one more at the end of a Python keyword: `class_`.
    """
    named = Markup("").join(
        Markup(' {}="{}"').format(name.rstrip("_").replace("_", "-"), _value(value))
        for name, value in attributes.items()
        if value is not None
    )
    if not inside:
        return Markup("<{}{}/>").format(tag, named)
    shown = (text if isinstance(text, Markup) else visible(text) for text in inside)
    return Markup("<{0}{1}>{2}</{0}>").format(tag, named, Markup("").join(shown))


def text(x: float, y: float, *inside: str, **attributes: Attribute) -> Markup:
    """A line of text with its base line at y, from x on; `text_anchor` sets its middle or its end there."""
    return element("text", *inside, x=x, y=y, **attributes)


def line(x1: float, y1: float, x2: float, y2: float, *inside: str, **attributes: Attribute) -> Markup:
    """A straight line."""
    return element("line", *inside, x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def rect(x: float, y: float, width: float, height: float, *inside: str, **attributes: Attribute) -> Markup:
    """A rectangle."""
    return element("rect", *inside, x=x, y=y, width=width, height=height, **attributes)


def circle(x: float, y: float, r: float, *inside: str, **attributes: Attribute) -> Markup:
    """A circle around a point."""
    return element("circle", *inside, cx=x, cy=y, r=r, **attributes)


def polyline(points: Iterable[Point], **attributes: Attribute) -> Markup:
    """A line through points, not filled."""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return element("polyline", points=path, fill="none", **attributes)


def tooltip(said: str) -> Markup:
    """A tooltip for the element around it."""
    return element("title", said)


def figure(width: float, height: float, *inside: str) -> Markup:
    """A plot in a page, whose style sets its colours by class; it shrinks with the page."""
    return element(
        "svg",
        *inside,
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        role="img",
        xmlns="http://www.w3.org/2000/svg",
    )


def document(width: float, height: float, *inside: str, font_size: int = 12) -> str:
    """A standalone plot: the text of a file, for light and dark pages, one element per line.

    Args:
        width, height: pixels.
        inside: its elements.
        font_size: default font size in pixels.
    """
    whole = element(
        "svg",
        Markup("\n").join(
            [element("style", Markup(_STYLE)), rect(0, 0, width, height, class_="paper"), *inside]
        ),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {width:g} {height:g}",
        width=width,
        height=height,
        font_family="sans-serif",
        font_size=font_size,
    )
    return f"{whole}\n"


def _value(value: str | float) -> str:
    return f"{value:.1f}" if isinstance(value, float) else visible(str(value))
