"""The page on which a person answers about plans: on this machine only, with a token in its address."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from artis_sdk.commit.approver import Approve, Reject
from artis_sdk.gateway.holding import Held, Holding
from artis_sdk.view.page import page_template
from artis_sdk.view.person import user_name
from artis_sdk.view.plan_page import page as plan_page

_TEMPLATES = Path(__file__).parent / "templates"
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "same-origin",  # the token is in the address; `no-referrer` takes a form's origin
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}

Endpoint = Callable[[Request], Awaitable[Response]]


class ApprovalPage:
    """The plans about which a person is asked, each with a form.

    Args:
        port: port on 127.0.0.1 that it is served on.
    """

    def __init__(self, port: int) -> None:
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")
        self._token = secrets.token_urlsafe(32)
        self._by = f"{user_name()} on the page"

    def url(self, held: Held | None = None) -> str:
        """Address of the list, or of one plan, for the person: whoever has it may approve."""
        return f"http://{self._hosts[0]}{self._path(held)}"

    def _path(self, held: Held | None = None) -> str:
        where = "/" if held is None else f"/plans/{quote(held.plan.id, safe='')}"
        return f"{where}?token={self._token}"

    def app(self, holding: Holding) -> Starlette:
        """The application that serves it."""

        async def listed(request: Request) -> Response:
            asked = [held for held in reversed(holding.all) if held.is_asked]
            rows = [
                {
                    "query": held.shown.task.query,
                    "calls": len(held.plan.foreseen),
                    "status": held.status,
                    "href": self._path(held),
                }
                for held in asked
            ]
            return _html(page_template(_TEMPLATES / "waiting.html.j2").render(plans=rows))

        async def one(request: Request) -> Response:
            held = holding[request.path_params["plan"]]
            if held is None or not held.is_asked:
                return _no(404, "There is no such plan. The gateway may have been started again.")
            if request.method == "POST":
                return await self._answered(request, held)
            shown = plan_page(
                held.shown,
                _TEMPLATES / "held.html.j2",
                status=held.status,
                by=None if held.answer is None else held.answer.by,
                action=self._path(held),
                back=self._path(),
            )
            return _html(shown)

        return Starlette(
            routes=[
                Route("/", self._guarded(listed), methods=["GET"]),
                Route("/plans/{plan}", self._guarded(one), methods=["GET", "POST"]),
            ]
        )

    def _guarded(self, endpoint: Endpoint) -> Endpoint:
        """The endpoint for requests by the page's own name, with its token, and from no other page."""

        async def checked(request: Request) -> Response:
            host, origin = request.headers.get("host", ""), request.headers.get("origin")
            if host not in self._hosts:
                return _no(421, "This page is at 127.0.0.1 only.")
            token = request.query_params.get("token", "")
            if not hmac.compare_digest(token.encode(), self._token.encode()):
                return _no(403, "The address lacks its token: open the one that the gateway wrote.")
            if origin is not None and origin != f"http://{host}":
                return _no(403, "The request came from another page.")
            return await endpoint(request)

        return checked

    async def _answered(self, request: Request, held: Held) -> Response:
        form = await request.form(max_files=0, max_fields=3)
        answer, reason = form.get("answer"), form.get("reason")
        if answer not in ("approve", "reject") or form.get("digest") != held.shown.digest:
            return _no(400, "This is no answer about this plan. Open its page again.")
        why = reason if isinstance(reason, str) and reason.strip() else "no reason was given"
        said = Approve(by=self._by) if answer == "approve" else Reject(reason=why, by=self._by)
        if not held.say(said):
            return _no(409, f"It was answered before: it is {held.status}.")
        return RedirectResponse(self._path(held), status_code=303, headers=_HEADERS)


def _html(text: str) -> Response:
    return HTMLResponse(text, headers=_HEADERS)


def _no(status: int, why: str) -> Response:
    return PlainTextResponse(why, status_code=status, headers=_HEADERS)
