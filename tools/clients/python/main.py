"""Uses a client that openapi-python-client generated from the OpenAPI document."""

import json
import os

from admin import AuthenticatedClient
from admin.api.keys import create_key, get_key, list_keys, update_key
from admin.api.revocation import revoke_key
from admin.api.rotation import rotate_key
from admin.models import (
    CreateKeyRequest,
    CreateKeyRequestEnvironment,
    Key,
    KeyPage,
    KeySecret,
    Problem,
    RevokedKey,
    RevokeRequest,
    RotateRequest,
    UpdateKeyRequest,
)
from admin.types import UNSET, Unset

ORG = os.environ["BITTING_ORGANIZATION"]


def client(key: str) -> AuthenticatedClient:
    return AuthenticatedClient(
        base_url=os.environ["BITTING_URL"], token=key, prefix="", auth_header_name="X-Api-Key"
    )


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
stale = update_key.sync(ORG, key.id, client=api, body=change, if_match='"0"')
assert isinstance(stale, Problem) and stale.code == "stale", stale

changed = update_key.sync(ORG, key.id, client=api, body=change, if_match=f'"{key.version}"')
assert isinstance(changed, Key) and changed.name == "Renamed", changed

rotated = rotate_key.sync(ORG, key.id, client=api, body=RotateRequest())
assert isinstance(rotated, KeySecret) and rotated.secret, rotated

revoked = revoke_key.sync(ORG, key.id, client=api, body=RevokeRequest())
assert isinstance(revoked, RevokedKey) and revoked.key.revocation, revoked

invalid = create_key.sync(
    ORG,
    client=api,
    body=CreateKeyRequest(name="", environment=CreateKeyRequestEnvironment.STAGING),
)
assert isinstance(invalid, Problem) and invalid.code == "validation", invalid

missing = get_key.sync(ORG, "0000000000000000", client=api)
assert isinstance(missing, Problem) and missing.code == "not_found", missing

nobody = get_key.sync_detailed(
    ORG, key.id, client=client("bt_prod_0000000000000000_00000000000000000000000000000000000000")
)
assert nobody.status_code == 401 and isinstance(nobody.parsed, Problem), nobody
