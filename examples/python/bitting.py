"""Who calls a Lambda function behind API Gateway, as Bitting's authorizer says. Copy this file."""
import functools
import json
import re

DOCS = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#"
LIMIT = re.compile(r"([a-z0-9_-]+);(q=\d+;w=\d+);(r=\d+;t=\d+)")

class Refusal(Exception):
    def __init__(self, status, code, title, retry_after=None, **more):
        self.retry_after = {"Retry-After": retry_after} if retry_after else {}
        self.problem = {"type": DOCS + code, "title": title, "status": status, "code": code, **more}

class Caller:
    """The key of a call. Ask holds and serves: what is too long for the authorizer's answer is cut from its lists."""
    def __init__(self, said):
        self.api, self.key_id, self.key_name, self.owner_id = map(said, ("api", "keyId", "keyName", "ownerId"))
        self.organization_id, self.environment = said("organizationId"), said("environment")
        self.permissions, self.permission, self.customers = map(said, ("permissions", "permission", "customers"))

    def holds(self, permission):
        return permission != "" and (self.permissions == "*" or permission == self.permission
                                     or permission in names(self.permissions))

    def serves(self, customer):
        """Whether the key may act for a customer: any, unless it is scoped to some."""
        return self.customers == "" or customer in names(self.customers)

    def require(self, permission):
        """Ends the call with 403 unless the key holds a permission, where routes are not fine enough."""
        if not self.holds(permission):
            raise Refusal(403, "permission_denied", "The permission is missing", requiredPermission=permission)

def names(joined):  # a list that was cut ends in an ellipsis
    return [name for name in joined.split(",") if name not in ("", "...")]

def protect(handler):
    """Runs a handler for calls that passed the authorizer and are within their key's limits: else 503, 429."""
    @functools.wraps(handler)
    def protected(event, context=None):
        call = event.get("requestContext") or {}
        authorizer = call.get("authorizer") or {}
        authorizer = authorizer.get("lambda") or authorizer  # of payload 2.0, and of 1.0
        said = lambda name: str(authorizer.get(name) or "")
        limits = [m for m in map(LIMIT.fullmatch, said("limits").split(",")) if m]
        headers = {name: ", ".join(f'"{m[1]}";{m[part]}' for m in limits)
                   for name, part in (("RateLimit-Policy", 2), ("RateLimit", 3)) if limits}
        try:
            if not said("keyId"):
                raise Refusal(503, "unavailable", "The call did not pass an authorizer", "5")
            if said("limited").lower() == "true":
                seconds = said("retryAfter") if re.fullmatch(r"[1-9]\d*", said("retryAfter")) else "1"
                raise Refusal(429, said("denialCode"), "Too many requests", seconds, detail=said("denialDetail"))
            answer = handler(event, Caller(said))
            return {**answer, "headers": {**headers, **answer.get("headers", {})}}
        except Refusal as r:
            return {"statusCode": r.problem["status"],
                    "headers": {**headers, **r.retry_after, "Content-Type": "application/problem+json"},
                    "body": json.dumps({**r.problem, "requestId": call.get("requestId", "")})}
    return protected
