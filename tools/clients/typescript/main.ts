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

function refusedAs(code: Problem["code"], problem: Problem | undefined): void {
  must(problem?.code === code, `expected ${code}`, problem);
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
refusedAs("stale", stale.error);

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
refusedAs("validation", invalid.error);

const missing = await api.GET("/v1/organizations/{org}/keys/{keyId}", {
  params: { path: { org, keyId: "0000000000000000" } },
});
refusedAs("not_found", missing.error);

const nobody = await api.GET("/v1/organizations/{org}/keys/{keyId}", {
  params: { path },
  headers: { "X-Api-Key": "bt_prod_0000000000000000_00000000000000000000000000000000000000" },
});
must(nobody.response.status === 401 && nobody.error !== undefined, "a key that nobody made", nobody.data);
