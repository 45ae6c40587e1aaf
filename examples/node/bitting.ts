// Who calls a Lambda function behind API Gateway, as Bitting's authorizer says. Copy this file.
type Said = Record<string, unknown>;
type Context = { requestId?: string; authorizer?: Said & { lambda?: Said } };
export type Event = { requestContext?: Context };
export type Answer = { statusCode: number; headers?: Record<string, string>; body?: string };
export type Caller = ReturnType<typeof callerOf>;

class Refusal extends Error {
  constructor(readonly status: number, readonly code: string, title: string, readonly more = {}) { super(title); }
}

// A list that is too long for the authorizer's answer ends in an ellipsis: what was cut is refused.
const names = (list: string) => list.split(",").filter((name) => name !== "" && name !== "...");

const callerOf = (said: (name: string) => string) => ({
  api: said("api"), keyId: said("keyId"), keyName: said("keyName"), ownerId: said("ownerId"),
  organizationId: said("organizationId"), environment: said("environment"),
  holds: (permission: string) => permission !== "" && (said("permissions") === "*" ||
    permission === said("permission") || names(said("permissions")).includes(permission)),
  /** Whether the key may act for a customer: any, unless it is scoped to some. */
  serves: (customer: string) => said("customers") === "" || names(said("customers")).includes(customer),
  /** Ends the call with 403 unless the key holds a permission, where routes are not fine enough. */
  require(permission: string) {
    if (!this.holds(permission)) {
      throw new Refusal(403, "permission_denied", "The permission is missing", { requiredPermission: permission });
    }
  },
});

const docs = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#";
const limit = /^([a-z0-9_-]+);(q=\d+;w=\d+);(r=\d+;t=\d+)$/;

/** Runs a handler for calls that passed the authorizer and are within their key's limits: else 503, 429. */
export const protect = <E extends Event>(handler: (event: E, caller: Caller) => Answer | Promise<Answer>) =>
  async (event: E): Promise<Answer> => {
    const { authorizer, requestId = "" } = event.requestContext ?? {};
    const context = authorizer?.lambda ?? authorizer ?? {}; // of payload 2.0, and of 1.0
    const said = (name: string) => String(context[name] ?? "");
    const headers: Record<string, string> = {};
    const limits = said("limits").split(",").flatMap((text) => [limit.exec(text) ?? []]).filter((m) => m[1]);
    if (limits.length > 0) {
      headers["RateLimit-Policy"] = limits.map((m) => `"${m[1]}";${m[2]}`).join(", ");
      headers["RateLimit"] = limits.map((m) => `"${m[1]}";${m[3]}`).join(", ");
    }
    try {
      if (said("keyId") === "") throw new Refusal(503, "unavailable", "The call did not pass an authorizer");
      if (said("limited") === "true") {
        throw new Refusal(429, said("denialCode") || "rate_limited", "Too many requests", { detail: said("denialDetail") });
      }
      const answer = await handler(event, callerOf(said));
      return { ...answer, headers: { ...headers, ...answer.headers } };
    } catch (r) {
      if (!(r instanceof Refusal)) throw r;
      headers["Content-Type"] = "application/problem+json";
      if (r.status !== 403) headers["Retry-After"] = r.status === 429 ? String(parseInt(said("retryAfter")) || 1) : "5";
      const problem = { type: docs + r.code, title: r.message, status: r.status, code: r.code, ...r.more, requestId };
      return { statusCode: r.status, headers, body: JSON.stringify(problem) };
    }
  };
