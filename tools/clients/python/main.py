"""Uses a client that openapi-python-client generated from the OpenAPI document."""

import os
from typing import Any

import httpx

from admin import AuthenticatedClient
from admin.api.keys import create_key, get_key, list_keys, update_key
from admin.api.organizations import create_customer
from admin.api.revocation import revoke_key
from admin.api.rotation import rotate_key
from admin.models import (
    CreateCustomerRequest,
    CreateKeyRequest,
    CreateKeyRequestEnvironment,
    CustomerAnswer,
    Key,
    KeyPage,
    KeySecret,
    Problem,
    RateLimit,
    RevokedKey,
    RevokeRequest,
    RotateRequest,
    UpdateKeyRequest,
)
from admin.types import UNSET, Response, Unset

ORG = os.environ["BITTING_ORGANIZATION"]


def client(key: str) -> AuthenticatedClient:
    return AuthenticatedClient(
        base_url=os.environ["BITTING_URL"], token=key, prefix="", auth_header_name="X-Api-Key"
    )


def refused_as(status: int, code: str, got: Response[Any]) -> None:
    problem = got.parsed
    assert isinstance(problem, Problem), got
    assert (got.status_code, problem.status, problem.code) == (status, status, code), got


api = client(os.environ["BITTING_KEY"])

made = create_key.sync(
    ORG,
    client=api,
    body=CreateKeyRequest(
        name="Generated in Python", environment=CreateKeyRequestEnvironment.STAGING, permissions=[]
    ),
)
assert isinstance(made, KeySecret) and made.secret, made
key = made.key

found = False
cursor: str | Unset = UNSET
while not found:
    page = list_keys.sync(ORG, client=api, limit=1, cursor=cursor)
    assert isinstance(page, KeyPage), page
    found = any(item.id == key.id for item in page.items)
    assert found or page.next_cursor, "the new key is on no page"
    cursor = page.next_cursor or UNSET

change = UpdateKeyRequest(name="Renamed")
stale = update_key.sync_detailed(ORG, key.id, client=api, body=change, if_match='"0"')
refused_as(412, "stale", stale)

changed = update_key.sync(ORG, key.id, client=api, body=change, if_match=f'"{key.version}"')
assert isinstance(changed, Key) and changed.name == "Renamed", changed

rotated = rotate_key.sync(ORG, key.id, client=api, body=RotateRequest())
assert isinstance(rotated, KeySecret) and rotated.secret, rotated

revoked = revoke_key.sync(ORG, key.id, client=api, body=RevokeRequest())
assert isinstance(revoked, RevokedKey) and revoked.key.revocation, revoked

staging = CreateKeyRequest(name="", environment=CreateKeyRequestEnvironment.STAGING)
refused_as(422, "validation", create_key.sync_detailed(ORG, client=api, body=staging))
refused_as(404, "not_found", get_key.sync_detailed(ORG, "0000000000000000", client=api))

nobody = client("bt_prod_0000000000000000_00000000000000000000000000000000000000")
refused_as(401, "unauthenticated", get_key.sync_detailed(ORG, key.id, client=nobody))


def as_text(request: httpx.Request) -> None:
    request.headers["Content-Type"] = "text/plain"


unread = client(os.environ["BITTING_KEY"])
unread.set_httpx_client(
    httpx.Client(
        base_url=os.environ["BITTING_URL"],
        headers={"X-Api-Key": os.environ["BITTING_KEY"]},
        event_hooks={"request": [as_text]},
    )
)
refused_as(
    415, "unsupported_media_type", create_key.sync_detailed(ORG, client=unread, body=staging)
)

new = CreateCustomerRequest(name="Generated in Python")
customer = create_customer.sync(ORG, client=api, body=new)
assert isinstance(customer, CustomerAnswer), customer
again = CreateCustomerRequest(id=customer.id, name="Again")
refused_as(409, "duplicate", create_customer.sync_detailed(ORG, client=api, body=again))

little = create_key.sync(
    ORG,
    client=api,
    body=CreateKeyRequest(
        name="Limited in Python",
        environment=CreateKeyRequestEnvironment.PRODUCTION,
        permissions=["keys:read"],
        rate_limits=[RateLimit(name="few", limit=1, window="1h")],
    ),
)
assert isinstance(little, KeySecret) and little.secret, little
limited = client(little.secret)
refused_as(403, "permission_denied", create_customer.sync_detailed(ORG, client=limited, body=new))

for _ in range(50):  # instances hold a limit together within a bound
    over = get_key.sync_detailed(ORG, little.key.id, client=limited)
    if over.status_code != 200:
        break
refused_as(429, "rate_limited", over)
assert "Retry-After" in over.headers, over
