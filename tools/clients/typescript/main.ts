// Uses a client that openapi-typescript generated from the OpenAPI document.
import createClient from "openapi-fetch";

import type { components, paths } from "./admin.js";

type Problem = components["schemas"]["Problem"];

const { BITTING_URL: baseUrl = "", BITTING_KEY: key = "", BITTING_ORGANIZATION: org = "" } = process.env;
const api = createClient<paths>({ baseUrl, headers: { "X-Api-Key": key } });

function must(holds: boolean, what: string, seen: unknown): asserts holds {
  if (!holds) {
    throw new Error(`${what}: ${JSON.stringify(seen)}`);
  }
}

function refusedAs(status: number, code: Problem["code"], seen: { response: Response; error?: Problem }): void {
  must(
    seen.response.status === status && seen.error?.status === status && seen.error.code === code,
    `expected ${status} ${code}`,
    seen.error,
  );
}

const made = await api.POST("/v1/organizations/{org}/keys", {
  params: { path: { org } },
  body: { name: "Generated in TypeScript", environment: "staging", permissions: [] },
});
must(made.data !== undefined && made.data.secret !== null, "create", made.error);
const { key: created } = made.data;
const path = { org, keyId: created.id };

let found = false;
for (let cursor: string | null | undefined; !found && cursor !== null; ) {
  const page = await api.GET("/v1/organizations/{org}/keys", {
    params: { path: { org }, query: { limit: 1, ...(cursor ? { cursor } : {}) } },
  });
  must(page.data !== undefined, "list", page.error);
  found = page.data.items.some((item) => item.id === created.id);
  cursor = page.data.nextCursor;
}
must(found, "the new key is on no page", created.id);

const body = { name: "Renamed" };
const stale = await api.PATCH("/v1/organizations/{org}/keys/{keyId}", {
  params: { path, header: { "If-Match": '"0"' } },
  body,
});
refusedAs(412, "stale", stale);

const changed = await api.PATCH("/v1/organizations/{org}/keys/{keyId}", {
  params: { path, header: { "If-Match": `"${created.version}"` } },
  body,
});
must(changed.data?.name === body.name, "change", changed.error);

const rotated = await api.POST("/v1/organizations/{org}/keys/{keyId}/rotate", { params: { path } });
must(typeof rotated.data?.secret === "string", "rotate", rotated.error);

const revoked = await api.POST("/v1/organizations/{org}/keys/{keyId}/revoke", { params: { path } });
must(revoked.data?.key.revocation?.compromised === false, "revoke", revoked.error);

const invalid = await api.POST("/v1/organizations/{org}/keys", {
  params: { path: { org } },
  body: { name: "", environment: "staging" },
});
refusedAs(422, "validation", invalid);

const missing = await api.GET("/v1/organizations/{org}/keys/{keyId}", {
  params: { path: { org, keyId: "0000000000000000" } },
});
refusedAs(404, "not_found", missing);

const nobody = await api.GET("/v1/organizations/{org}/keys/{keyId}", {
  params: { path },
  headers: { "X-Api-Key": "bt_prod_0000000000000000_00000000000000000000000000000000000000" },
});
refusedAs(401, "unauthenticated", nobody);

const unread = await api.POST("/v1/organizations/{org}/keys", {
  params: { path: { org } },
  body: { name: "Not JSON", environment: "staging" },
  headers: { "Content-Type": "text/plain" },
});
refusedAs(415, "unsupported_media_type", unread);

const customer = await api.POST("/v1/organizations/{org}/customers", {
  params: { path: { org } },
  body: { name: "Generated in TypeScript" },
});
must(customer.data !== undefined, "customer", customer.error);

const twice = await api.POST("/v1/organizations/{org}/customers", {
  params: { path: { org } },
  body: { id: customer.data.id, name: "Again" },
});
refusedAs(409, "duplicate", twice);

const little = await api.POST("/v1/organizations/{org}/keys", {
  params: { path: { org } },
  body: {
    name: "Limited in TypeScript",
    environment: "production",
    permissions: ["keys:read"],
    rateLimits: [{ name: "few", limit: 1, window: "1h" }],
  },
});
must(typeof little.data?.secret === "string", "create", little.error);
const headers = { "X-Api-Key": little.data.secret };

const denied = await api.POST("/v1/organizations/{org}/customers", {
  params: { path: { org } },
  body: { name: "Denied" },
  headers,
});
refusedAs(403, "permission_denied", denied);

const once = { params: { path: { org, keyId: little.data.key.id } }, headers };
let over = await api.GET("/v1/organizations/{org}/keys/{keyId}", once);
// instances hold a limit together within a bound
for (let tries = 0; over.data !== undefined && tries < 50; tries++) {
  over = await api.GET("/v1/organizations/{org}/keys/{keyId}", once);
}
refusedAs(429, "rate_limited", over);
must(over.response.headers.has("Retry-After"), "Retry-After", over.error);
