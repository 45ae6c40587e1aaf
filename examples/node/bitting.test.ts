import assert from "node:assert/strict";
import { test } from "node:test";
import { protect } from "./bitting.js";

const said = { keyId: "k", organizationId: "acme", permissions: "a:read,...", permission: "b:write", customers: "1,2,...", limited: "false" };
const call = async (authorizer?: object, handler = protect((_, caller) => ({ statusCode: 200, body: caller.keyId }))) => {
  const answer = await handler({ requestContext: { requestId: "r-1", authorizer: authorizer as Record<string, unknown> } });
  return { ...answer, problem: answer.statusCode === 200 ? undefined : JSON.parse(answer.body!) };
};

test("a call that passed the authorizer is handed over, by either payload", async () => {
  for (const authorizer of [said, { lambda: said }]) assert.equal((await call(authorizer)).body, "k");
});

test("a call that passed no authorizer, or another one, is 503", async () => {
  for (const authorizer of [undefined, {}, { principalId: "x" }, { lambda: null }, { jwt: { claims: {} } }]) {
    const { statusCode, headers, problem } = await call(authorizer);
    assert.deepEqual([statusCode, headers!["Retry-After"], problem.code, problem.requestId], [503, "5", "unavailable", "r-1"]);
  }
});

test("a call over a limit is 429, and what is left is told of every call", async () => {
  const limits = 'burst;q=100;w=60;r=42;t=18,bad",quota;q=1000;w=86400;r=7;t=600';
  const told = { "RateLimit-Policy": '"burst";q=100;w=60, "quota";q=1000;w=86400', RateLimit: '"burst";r=42;t=18, "quota";r=7;t=600' };
  assert.deepEqual((await call({ ...said, limits })).headers, told);

  for (const limited of ["true", true]) {
    const { statusCode, headers, problem } = await call({ ...said, limits, limited, retryAfter: "12", denialCode: "quota_exceeded" });
    assert.deepEqual([statusCode, problem.code], [429, "quota_exceeded"]);
    assert.deepEqual(headers, { ...told, "Content-Type": "application/problem+json", "Retry-After": "12" });
  }
  assert.equal((await call({ ...said, limited: "true", retryAfter: "soon\r\nX: y" })).headers!["Retry-After"], "1");
});

test("permissions and customers are those that were handed over, whole names only", async () => {
  const asked = async (context: object, ask: "holds" | "serves", name: string) =>
    (await call({ ...said, ...context }, protect((_, caller) => ({ statusCode: 200, body: String(caller[ask](name)) })))).body;
  for (const [context, ask, name, want] of [
    [{}, "holds", "a:read", true], [{}, "holds", "b:write", true], [{}, "holds", "a:rea", false], [{}, "holds", "...", false],
    [{}, "holds", "", false], [{ permissions: "*" }, "holds", "c:x", true], [{ permissions: "a:read,*" }, "holds", "c:x", false],
    [{}, "serves", "2", true], [{}, "serves", "3", false], [{}, "serves", "...", false], [{}, "serves", "", false],
    [{ customers: "" }, "serves", "3", true],
  ] as const) assert.equal(await asked(context, ask, name), String(want), `${ask} ${name}`);
});

test("a permission that is missing is 403, and a fault of the handler is its own", async () => {
  const { statusCode, problem } = await call(said, protect((_, caller) => { caller.require("orders:refund"); return { statusCode: 200 }; }));
  assert.deepEqual([statusCode, problem.code, problem.requiredPermission], [403, "permission_denied", "orders:refund"]);
  await assert.rejects(call(said, protect(() => { throw new Error("mine"); })), /mine/);
});
