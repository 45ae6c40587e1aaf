"""A backend of three routes: anybody with a key that opens the route lists and places orders; a refund needs a permission
that the gateway, which sees one route for all changes of an order, cannot tell apart."""

import json

from bitting import protect


def answer(status, body):
    return {"statusCode": status, "headers": {"Content-Type": "application/json"}, "body": json.dumps(body)}


@protect
def handler(event, caller):
    by = {"api": caller.api, "key": caller.key_id, "organization": caller.organization_id}
    method = event.get("httpMethod") or event["routeKey"].split(" ")[0]
    order = (event.get("pathParameters") or {}).get("orderId")
    if method == "GET":
        return answer(200, {"orders": [], "by": by})
    if not order:
        return answer(201, {"placed": True, "by": by})

    if json.loads(event.get("body") or "{}").get("refund"):
        caller.require("orders:refund")
    return answer(200, {"changed": order, "by": by})
