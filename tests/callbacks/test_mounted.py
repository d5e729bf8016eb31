"""Mounted in an application that has routes and a life of its own, with either client."""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from payments_core import AsyncPayoutClient
from payments_core.callbacks import app

Harness = Any


@pytest.mark.parametrize("mount", ["/payouts", "/a/b"])
def test_mounted_app_takes_a_client_made_later(
    make_scene: Callable[..., Harness], serve: Callable[..., Any], mount: str
) -> None:
    """The application's lifespan makes the client; ours is asked for at the first request."""
    harness = make_scene()
    payout = harness.pay("one", "+46733123453")

    @contextlib.asynccontextmanager
    async def lifespan(application: Starlette) -> AsyncIterator[None]:
        async with AsyncPayoutClient.from_config(harness.config) as client:
            application.state.payouts = client
            yield

    routes = [
        Route("/hello", lambda _: PlainTextResponse("hello")),
        Mount(mount, app(lambda: application.state.payouts)),
    ]
    application = Starlette(routes=routes, lifespan=lifespan)
    url = f"http://127.0.0.1:{serve(application).port}"
    body = json.dumps({"externalId": payout.id, "status": "SUCCESSFUL"})

    assert httpx.get(f"{url}/hello").text == "hello"
    assert [httpx.get(f"{url}{mount}{path}").status_code for path in ("/health", "/ready", "/other")] == [200, 200, 404]
    assert [httpx.request(how, f"{url}{mount}{harness.path}", content=body).status_code for how in ("PUT", "POST")] == [
        200,
        200,
    ]
    assert httpx.put(f"{url}{mount}{harness.path}x", content=body).status_code == 404
    harness.until_handled(2)
    assert harness.outcomes() == {"read due": 2}


def test_mounted_app_without_a_client_acknowledges_nothing(
    make_scene: Callable[..., Harness], serve: Callable[..., Any]
) -> None:
    """Mounted where nobody made one, it says so with every request, and loses nothing: 503 comes again."""
    harness = make_scene()
    application = Starlette(routes=[Mount("/payouts", app(lambda: application.state.payouts))])
    url = f"http://127.0.0.1:{serve(application).port}/payouts"

    assert httpx.put(f"{url}{harness.path}", content=b"{}").status_code == 503
    assert [httpx.get(f"{url}{path}").status_code for path in ("/health", "/ready")] == [200, 503]
