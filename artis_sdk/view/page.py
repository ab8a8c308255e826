"""Pages for a browser: one file each, without scripts and without links to elsewhere, light and dark."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from artis_sdk.visible import visible

if TYPE_CHECKING:
    from jinja2 import Template

_TEMPLATES = Path(__file__).parent / "templates"


@cache
def page_template(path: Path, **filters: Callable[..., Any]) -> Template:
    """A page's template, which extends `page.html.j2` by the blocks `title`, `style` and `body`.

    Everything that it prints is made visible and escaped, except `Markup` such as the plots of `view.svg`.
    An undefined name is an error.

    Args:
        path: the template's file.
        filters: additional filters, by name.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader([path.parent, _TEMPLATES]),
        autoescape=True,
        finalize=_shown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= filters
    return environment.get_template(path.name)


def _shown(value: Any) -> Any:
    return visible(value, lines=True) if isinstance(value, str) and not isinstance(value, Markup) else value
