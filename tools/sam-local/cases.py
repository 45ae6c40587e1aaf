"""What `make sam-local` does on both sides, and where `sam local` is known to answer otherwise than `bitting local`."""

# The function that an event is for, by the first word of its file's name.
FUNCTIONS = {
    "authorizer": "ProductionAuthorizer",
    "demo": "DemoProductionBackend",
    "keys": "Keys",
    "organizations": "Organizations",
    "permissions": "Organizations",
    "revocation": "Revocation",
    "rotation": "Rotation",
    "usage": "Usage",
}

# Calls of the APIs: what they show, method, path, key, body, status of `bitting local`.
CALLS = [
    ("demo, no key", "GET", "/messages/42", "", None, 401),
    ("demo, not a key", "GET", "/messages/42", "bt_prod_0123", None, 401),
    ("demo, its key", "GET", "/messages/42", "development", None, 200),
    ("demo, a trailing slash", "GET", "/messages/", "development", None, 404),
    ("demo, its key writes", "POST", "/messages", "development", {"text": "hello"}, 201),
    ("demo, a permission is missing", "GET", "/licenses", "development", None, 403),
    ("demo, the policy denies an escape", "GET", "/messages/%61", "development", None, 403),
    ("demo, the key of another environment", "GET", "/messages/42", "production", None, 401),
    ("demo, within the limit", "GET", "/messages/42", "limited", None, 200),
    ("demo, over the limit", "GET", "/messages/42", "limited", None, 429),
    ("demo, open to all", "GET", "/health", "", None, 200),
    ("demo, no such route", "GET", "/nowhere", "development", None, 404),
    ("demo, another method", "DELETE", "/messages", "development", None, 404),
    ("admin, whoami", "GET", "/v1/whoami", "production", None, 200),
    ("admin, whoami without a key", "GET", "/v1/whoami", "", None, 401),
    ("admin, no key", "GET", "/v1/organizations/acme", "", None, 401),
    ("admin, the operator's key", "GET", "/v1/organizations/acme", "operator", None, 200),
    ("admin, a key without admin permissions", "GET", "/v1/organizations/acme", "production", None, 403),
    ("admin, creates a key", "POST", "/v1/organizations/acme/keys", "admin", {"name": "New", "environment": "production"}, 201),
    ("admin, a wrong field", "POST", "/v1/organizations/acme/keys", "admin", {"name": ""}, 422),
    ("admin, a query", "GET", "/v1/organizations/acme/keys?environment=staging&limit=1", "admin", None, 200),
    ("admin, explains", "POST", "/v1/organizations/acme/keys/{limited}/explain", "admin", {"method": "GET", "path": "/licenses"}, 200),
    ("admin, revokes a key", "POST", "/v1/organizations/acme/keys/{revoked}/revoke", "admin", {"reason": "left"}, 200),
    ("demo, the revoked key", "GET", "/messages/42", "revoked", None, 401),
    ("admin, no such key", "GET", "/v1/organizations/acme/keys/AAAAAAAAAAAAAAAA", "admin", None, 404),
    ("admin, no such route", "GET", "/v1/nowhere", "admin", None, 404),
    ("admin, its document", "GET", "/v1/openapi.json", "", None, 200),
    ("console, its page", "GET", "/console/", "", None, 200),
]

# ---- What is known to differ ----

UNAUTHORIZED = "sam local knows no 401 of an authorizer, and takes it for a failure"
NO_ROUTE = "sam local has 403 for what API Gateway has no route for"
NO_DENY = "sam local passes over an explicit Deny"
NOT_A_GATEWAY = "sam local has no gateway responses, and texts of its own"
ITS_CORS = "sam local puts the origin that a preflight is answered with on each answer of the API"
BACKENDS_CORS = "an HTTP API with CORS takes a backend's own headers of CORS away, which sam local leaves"
NO_GATEWAY = "an event is what the function answers, before an HTTP API takes its headers of CORS away"
STAGE = "an event is of the stage admin, and bitting local serves the admin API as at a domain"
UNGUARDED = "API Gateway sends no such event: bitting local answers the same call with its authorizer"
SAMPLE = "the sample's limit and its 12 seconds are not those of the key"

ORIGIN = "header access-control-allow-origin: *, not nothing"
EXPOSED = "header access-control-expose-headers: Retry-After, RateLimit-Policy, RateLimit, not nothing"


def principal(key: str) -> str:
    return f"body.authorizer.principalId: ID of {key}, not nothing"


# A case, why it differs, and each difference as it is printed. Whatever else differs fails, and so does what is here and does not
# differ any more.
KNOWN: dict[str, tuple[str, list[str]]] = {
    "demo-get-message-http.json": (NO_GATEWAY, [ORIGIN, EXPOSED]),
    "demo-limited-http.json": (f"{NO_GATEWAY}; {SAMPLE}", [
        ORIGIN, EXPOSED,
        "header retry-after: 12, not HOUR",
        'header ratelimit-policy: nothing, not "once";q=1;w=HOUR',
        'header ratelimit: nothing, not "once";r=0;t=HOUR',
        "body.detail: The key is over its limit of requests, not The key is over its limit once.",
    ]),
    "demo-no-authorizer-http.json": (UNGUARDED, ["status: 503, not 200"]),
    "demo-no-authorizer.json": (UNGUARDED, ["status: 503, not 200"]),
    "keys-create.json": (STAGE, ["header location: /admin/v1/organizations/acme/keys/ID, not /v1/organizations/acme/keys/ID"]),
    "organizations-create.json": (STAGE, ["header location: /admin/v1/organizations/umbrella, not /v1/organizations/umbrella"]),
    "demo, no key": (UNAUTHORIZED, ["status: 502, not 401"]),
    "demo, not a key": (UNAUTHORIZED, ["status: 502, not 401"]),
    "demo, its key": (f"{BACKENDS_CORS}; and adds to the context", [ORIGIN, EXPOSED, principal("development")]),
    "demo, a trailing slash": ("sam local has one route for both", ["status: 200, not 404"]),
    "demo, its key writes": (f"{BACKENDS_CORS}; and adds to the context", [ORIGIN, EXPOSED, principal("development")]),
    "demo, a permission is missing": (NOT_A_GATEWAY, ["body.message: User is not authorized to access this resource, not Forbidden"]),
    "demo, the policy denies an escape": (NO_DENY, ["status: 200, not 403"]),
    "demo, the key of another environment": (UNAUTHORIZED, ["status: 502, not 401"]),
    "demo, within the limit": (f"{BACKENDS_CORS}; and adds to the context", [ORIGIN, EXPOSED, principal("limited")]),
    "demo, over the limit": (BACKENDS_CORS, [ORIGIN, EXPOSED]),
    "demo, open to all": (BACKENDS_CORS, [ORIGIN, EXPOSED]),
    "demo, no such route": (NO_ROUTE, ["status: 403, not 404"]),
    "demo, another method": (NO_ROUTE, ["status: 403, not 404"]),
    "demo, the revoked key": (UNAUTHORIZED, ["status: 502, not 401"]),
    "admin, whoami without a key": ("a REST API gives it another name, x-amzn-Remapped-WWW-Authenticate",
                                    ['header www-authenticate: Bearer realm="bitting", not nothing']),
    "admin, no key": (UNAUTHORIZED, ["status: 502, not 401"]),
    "admin, the operator's key": (ITS_CORS, [ORIGIN]),
    "admin, a key without admin permissions": (f"{NO_DENY}: the function answers", [
        ORIGIN,
        "header cache-control: no-store, not nothing",
        "body.detail: The key has no permission of the admin API., not The key does not hold a permission for this route.",
        'body.requiredPermission: nothing, not ""',
        "body.title: The permission is missing, not The API key may not make this call",
    ]),
    "admin, creates a key": (ITS_CORS, [ORIGIN]),
    "admin, a wrong field": (ITS_CORS, [ORIGIN]),
    "admin, a query": (ITS_CORS, [ORIGIN]),
    "admin, explains": (ITS_CORS, [ORIGIN]),
    "admin, revokes a key": (ITS_CORS, [ORIGIN]),
    "admin, no such key": (ITS_CORS, [ORIGIN]),
    "admin, no such route": (NO_ROUTE, ["status: 403, not 404"]),
    "console, its page": (ITS_CORS, [ORIGIN]),
}
