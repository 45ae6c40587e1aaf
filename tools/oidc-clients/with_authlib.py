"""Signs in as a server-side web application would with Authlib and Flask."""

import re
import sys
import traceback
from urllib.parse import urljoin

import flask
import requests
from authlib.integrations.flask_client import OAuth, OAuthError

REDIRECT = "http://127.0.0.1:53683/callback"


class Browser(requests.Session):
    """The browser of the application's user: it keeps cookies and follows no redirect by itself."""

    def open(self, address, form=None):
        """Loads an address, or posts a form to it, and returns where it leads to."""
        response = self.request("POST" if form else "GET", address, data=form, allow_redirects=False)
        return response, urljoin(address, response.headers.get("Location", ""))

    def sign_in(self, address, person):
        """Opens the authorization endpoint, picks the person, and returns where that leads to."""
        _, page = self.open(address)
        shown = self.open(page)[0].text
        found = re.search(r'name="id" value="([^"]+)"', shown)
        assert found, "no sign-in page"
        return self.open(urljoin(page, "/oidc/sign-in"), {"id": found[1], "person": person})[1]


def steps(issuer, person):
    browser = Browser()
    refreshed = []
    app = flask.Flask(__name__)
    app.secret_key = "of this test only"
    oauth = OAuth(app, update_token=lambda _name, token, **_: refreshed.append(token))
    oauth.register(
        "bitting",
        client_id="bitting-console",
        server_metadata_url=f"{issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": "openid email profile offline_access",
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": "none",
        },
    )

    @app.get("/login")
    def login():
        return oauth.bitting.authorize_redirect(REDIRECT, **flask.request.args)

    @app.get("/callback")
    def callback():
        return oauth.bitting.authorize_access_token()  # verifies state, nonce and at_hash

    user = app.test_client()

    def authorize(pick, **parameters):
        address = user.get("/login", query_string=parameters).headers["Location"]
        to = browser.sign_in(address, person) if pick else browser.open(address)[1]
        assert to.startswith(REDIRECT + "?"), to
        return user.get("/callback?" + to.partition("?")[2]).get_json()

    app.testing = True  # errors reach the caller
    token = authorize(pick=True)
    claims = token["userinfo"]  # of the verified ID token
    assert claims["email"] == person and claims["at_hash"], claims
    yield "discovery, code with PKCE"

    bearer = {"Authorization": f"Bearer {token['id_token']}"}
    answer = requests.get(urljoin(issuer, "/v1/me"), headers=bearer, timeout=10)
    assert answer.status_code == 200 and answer.json()["email"] == person, answer.text
    yield "admin API"

    with app.app_context():
        info = oauth.bitting.userinfo(token=token)
        assert info["sub"] == claims["sub"] and info["email"] == person, info
        yield "userinfo"

        answer = oauth.bitting.get(f"{issuer}/userinfo", token={**token, "access_token": "x"})
        challenge = answer.headers["WWW-Authenticate"]
        assert answer.status_code == 401 and 'error="invalid_token"' in challenge, challenge
        yield "its refusal"

        oauth.bitting.userinfo(token={**token, "expires_at": 1})  # refreshes it first
        assert len(refreshed) == 1 and refreshed[0]["refresh_token"] != token["refresh_token"]
        yield "refresh"

    silent = authorize(pick=False, prompt="none", id_token_hint=refreshed[0]["id_token"])
    assert silent["userinfo"]["sub"] == claims["sub"]
    yield "silent renewal"

    with app.app_context():
        leave = oauth.bitting.create_logout_url(REDIRECT, silent["id_token"], state="bye")["url"]

    assert browser.open(leave)[1] == f"{REDIRECT}?state=bye"
    try:
        authorize(pick=False, prompt="none")
        raise AssertionError("there is still a session")
    except OAuthError as error:
        assert error.error == "login_required", error

    yield "end of session"


def main():
    done = []
    try:
        for step in steps(*sys.argv[1:]):
            done.append(step)
    except Exception:  # whatever the library raises
        print(f"{'authlib':16} FAILED after {', '.join(done) or 'nothing'}: {traceback.format_exc()}")
        sys.exit(1)

    print(f"{'authlib':16} ok: {', '.join(done)}")


main()
