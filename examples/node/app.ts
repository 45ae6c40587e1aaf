// A backend of three routes: anybody with a key that opens the route lists and places orders; a refund needs a
// permission that the gateway, which sees one route for all changes of an order, cannot tell apart.
import { protect, type Answer, type Caller, type Event } from "./bitting.js";

type Call = Event & { body?: string | null; pathParameters?: { orderId?: string } | null; httpMethod?: string; routeKey?: string };

const json = (statusCode: number, body: unknown): Answer => ({
  statusCode,
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(body),
});

export const handler = protect((call: Call, caller: Caller) => {
  const by = { api: caller.api, key: caller.keyId, organization: caller.organizationId };
  const method = call.httpMethod ?? call.routeKey?.split(" ")[0];
  if (method === "GET") return json(200, { orders: [], by });
  if (!call.pathParameters?.orderId) return json(201, { placed: true, by });

  const change = JSON.parse(call.body ?? "{}") as { refund?: boolean };
  if (change.refund) caller.require("orders:refund");
  return json(200, { changed: call.pathParameters.orderId, by });
});
