"""Who is let in, and what each role may do: every route of the API, asked by everybody."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from login_provider import CLIENT, LoginProvider, login_provider
from platform_api import OWNER, Api, grant, platform_api

from rung.access import LEAST, Action, NewToken, Role, Throttle
from rung.control.api.door import ACTIONS, NARROWED, PUBLIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

ROUTES = sorted(ACTIONS)
BODIES = {
    "/revisions": {"service": "housing"},
    "/consumers": {"name": "shop"},
    "/tokens": {"name": "x", "role": "viewer", "expires_s": 60},
    "/revisions/{name}/shadow": {"share": 0.5},
}


@pytest.fixture(scope="module")
def provider() -> Iterator[LoginProvider]:
    with login_provider() as running:
        yield running


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory, provider: LoginProvider) -> Iterator[Api]:
    login = f'[login]\nissuer = "{provider.issuer}"\naudience = "{CLIENT}"\nroles = {{ ml = "engineer" }}\n'
    with platform_api(tmp_path_factory.mktemp("door") / "w", login) as running:
        yield running


@pytest.fixture(scope="module")
def tokens(api: Api) -> dict[tuple[str, str], str]:
    """A token of each role, in all services, in one, and in another."""
    services = ("*", "housing", "sentiment")
    return {
        (role, service): api.token(f"{role}-{number}", grant(role, service))
        for number, service in enumerate(services)
        for role in Role
    }


@pytest.fixture(autouse=True)
def patient(api: Api) -> None:
    """Forget the failures of the tests before."""
    api.guard.throttle._full_at.clear()  # noqa: SLF001  tests come from one address


def ask(api: Api, route: tuple[str, str], token: str | None) -> httpx2.Response:
    method, path = route
    names = {"name": "housing.v1.m1", "service": "housing", "consumer": "nobody", "wanted": "nobody"}
    named = path.format(**names, gateway="berlin", notebook="look", major=1, identity="0" * 16, digest="0" * 64)
    body = BODIES.get(path, {"because": "why not"}) if method == "POST" else None
    return api.ask(method, named, token, json=body)


def test_every_route_has_its_action(api: Api):
    shown = api.ask("GET", "/openapi.json", None).json()["paths"]
    found = {(method.upper(), path) for path, methods in shown.items() for method in methods}
    assert found == ACTIONS.keys() | {("GET", "/healthz"), ("GET", "/login")}
    assert ACTIONS.keys() >= NARROWED


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_nobody_unknown_is_let_in(api: Api, route: tuple[str, str]):
    for token in (None, "guessed", f"{OWNER}x", "rung_0123456789abcdef_" + "A" * 43, "a.b.c"):
        answer = ask(api, route, token)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "not_authenticated"
        api.guard.throttle._full_at.clear()  # noqa: SLF001  what is asked here is the door
    assert not api.stopped.is_set()


def test_unknown_paths_are_no_secret_door(api: Api):
    assert api.ask("GET", "/nothing", None).status_code == 401
    assert api.ask("GET", "//status", None).status_code == 401
    assert api.ask("GET", "/healthz/../status", None).status_code == 401
    assert api.ask("OPTIONS", "/status", None).status_code == 401
    assert api.ask("GET", "/nothing").status_code == 404


@pytest.mark.parametrize("path", sorted(PUBLIC))
def test_public_paths_tell_anybody(api: Api, path: str):
    assert api.ask("GET", path, None).status_code == 200


@pytest.mark.parametrize(("route", "role"), list(itertools.product(ROUTES, Role)), ids=str)
def test_roles_open_what_the_table_says(
    api: Api, tokens: dict[tuple[str, str], str], route: tuple[str, str], role: Role
):
    least = LEAST[ACTIONS[route]]
    answer = ask(api, route, tokens[role, "*"])
    if role.is_at_least(least):
        assert answer.status_code not in {401, 403, 500}
    else:
        assert answer.status_code == 403
        told = answer.json()
        assert f"{role} of all services, and to {ACTIONS[route]} needs {least}" in told["detail"]
        assert "an admin gives roles" in told["hint"]
    api.stopped.clear()


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_role_of_another_service_opens_nothing(api: Api, tokens: dict[tuple[str, str], str], route: tuple[str, str]):
    answer = ask(api, route, tokens["admin", "sentiment"])
    if route in NARROWED - {("POST", "/revisions")}:
        assert answer.status_code in {200, 201, 404, 422}  # 422: it was asked for nothing
        assert "housing" not in answer.text
    else:
        assert answer.status_code == 403


OF_ALL = {("GET", path) for path in ("/audit", "/events", "/metrics", "/runs")}  # unless one service is named


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
def test_role_of_a_service_opens_it_alone(api: Api, tokens: dict[tuple[str, str], str], route: tuple[str, str]):
    is_whole = ACTIONS[route] in {Action.ADMINISTER, Action.ROUTE} or route in {*OF_ALL, ("GET", "/gateways")}
    answer = ask(api, route, tokens["admin", "housing"])
    assert (answer.status_code == 403) == is_whole
    if route in OF_ALL:
        assert api.ask("GET", f"{route[1]}?service=housing", tokens["admin", "housing"]).status_code == 200
        assert api.ask("GET", f"{route[1]}?service=sentiment", tokens["admin", "housing"]).status_code == 403


def test_status_shows_what_one_may_see(api: Api, tokens: dict[tuple[str, str], str]):
    for service in ("housing", "sentiment"):
        api.platform.registry.create_revision(service, 1, actor="ada", commit=None, dirty=False)

    def seen(token: str) -> set[str]:
        return {one["name"] for one in api.ask("GET", "/status", token).json()["services"]}

    assert seen(OWNER) == seen(tokens["viewer", "*"]) == {"housing", "sentiment"}
    assert seen(tokens["viewer", "housing"]) == {"housing"}


def test_owner_is_who_they_say(api: Api):
    said = {"grace": "grace", "jürgen": "jürgen", "login:eve": "unknown", "a\tb": "unknown", "": "unknown"}
    for user, actor in said.items():
        assert api.ask("GET", "/me", headers={"x-rung-user": user.encode()}).json()["actor"] == actor


def test_nobody_else_is(api: Api, tokens: dict[tuple[str, str], str]):
    for forged in ({"x-rung-user": "grace"}, {"x-forwarded-for": "10.0.0.1"}, {"x-forwarded-user": "grace"}):
        shown = api.ask("GET", "/me", tokens["engineer", "*"], headers=forged).json()
        assert shown["actor"] == "token:engineer-0"
        assert shown["grants"] == [{"role": "engineer", "service": "*"}]


def test_login_is_let_in(api: Api, provider: LoginProvider):
    shown = api.ask("GET", "/me", provider.token()).json()
    assert shown == {"actor": "login:ada@example.org", "grants": [{"role": "engineer", "service": "*"}]}
    assert api.ask("GET", "/login", None).json() == {"issuer": provider.issuer, "client": CLIENT}


def test_login_without_a_group_is_nobody(api: Api, provider: LoginProvider):
    answer = api.ask("GET", "/status", provider.token(groups=["guests"]))
    assert answer.status_code == 403
    assert "login:ada@example.org has no role" in answer.json()["detail"]


def test_provider_that_is_away_is_a_503(api: Api, provider: LoginProvider):
    key = provider.keys[0]
    provider.keys, provider.is_down = [type(key)("new")], True
    try:
        assert api.ask("GET", "/me", provider.token()).status_code == 503
        assert api.ask("GET", "/me").status_code == 200
    finally:
        provider.keys, provider.is_down = [key], False


def test_token_ends_at_once(api: Api):
    made = api.ask("POST", "/tokens", json={"name": "short", "role": "viewer", "expires_s": 60}).json()
    assert api.ask("GET", "/me", made["token"]).json()["actor"] == "token:short"
    gone = api.ask("POST", f"/tokens/{made['id']}/revocation", json={"because": "it leaked"}).json()
    assert gone["state"] == "revoked"
    answer = api.ask("GET", "/me", made["token"])
    assert answer.status_code == 401
    assert answer.json()["detail"] == f"the token {made['id']} of short was revoked"


def test_expired_token_opens_nothing(api: Api):
    assert api.ask("GET", "/me", api.token("old", grant("admin"), lasts=timedelta(seconds=-1))).status_code == 401


def test_secret_is_shown_once(api: Api, capfd: pytest.CaptureFixture[str]):
    order = {"name": "once", "role": "engineer", "services": ["housing"], "expires_s": 60, "because": "for the builds"}
    made = api.ask("POST", "/tokens", json=order).json()
    _, _, secret = made["token"].split("_", 2)  # it may have underscores of its own
    assert len(secret) == 43
    wrong = made["token"][:-5] + "wrong"
    assert api.ask("GET", "/me", wrong).status_code == 401
    told = [api.ask("GET", path).text for path in ("/tokens", "/audit", "/events")]
    told += capfd.readouterr()
    assert "for the builds" in told[1]
    assert not any(secret[:30] in text or "argon2" in text for text in told)


@pytest.mark.parametrize(
    "order",
    [
        {"name": "a b"},
        {"name": "token:x"},
        {"name": "x" * 81},
        {"role": "owner"},
        {"services": []},
        {"services": ["Housing"]},
        {"expires_s": 0},
        {"expires_s": 1e12},
        {"secret": "mine"},
    ],
    ids=str,
)
def test_strange_tokens_are_not_made(api: Api, order: dict[str, object]):
    body = {"name": "x", "role": "viewer", "expires_s": 60, **order}
    assert api.ask("POST", "/tokens", json=body).status_code == 422


def test_guessing_is_slowed_down(api: Api, tokens: dict[tuple[str, str], str]):
    known = tokens["viewer", "*"]
    assert api.ask("GET", "/me", known).status_code == 200
    answers = [api.ask("GET", "/me", f"rung_{number:016x}_{'A' * 43}") for number in range(15)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429] * 5
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert api.ask("GET", "/me", known).status_code == 200
    assert api.ask("GET", "/me").status_code == 200
    assert api.ask("GET", "/me", api.token("late", grant("viewer"))).status_code == 429


def test_wrong_tokens_are_logged_without_them(api: Api, capfd: pytest.CaptureFixture[str]):
    api.ask("GET", "/me", "a-secret-of-somebody")
    out, err = capfd.readouterr()
    assert "refused" in out + err
    assert "127.0.0.1" in out + err
    assert "a-secret-of-somebody" not in out + err


def test_every_deed_is_in_the_audit_log(api: Api, tokens: dict[tuple[str, str], str]):
    admin = tokens["admin", "*"]
    made = api.ask("POST", "/tokens", admin, json={"name": "deed", "role": "viewer", "expires_s": 60}).json()
    api.ask("POST", f"/tokens/{made['id']}/revocation", admin, json={"because": "not needed"})
    assert api.ask("POST", "/shutdown", admin).status_code == 202
    assert api.stopped.is_set()
    found = api.ask("GET", "/audit", params={"actor": "token:admin-0", "limit": 3}).json()
    assert [(event["kind"], event["subject"]) for event in found] == [
        ("token", "*"),
        ("token_revoked", "*"),
        ("shutdown", "*"),
    ]
    assert all(event["because"] for event in found)
    assert found[0]["data"]["name"] == "deed"


def test_secrets_are_in_no_representation(api: Api):
    assert OWNER not in repr(api.guard)
    assert "hidden" not in repr(NewToken(id="1", spelled="hidden", hash="hidden"))
    assert repr(Throttle())
