// Imports the OpenAPI document as Postman does, and sends every GET of the collection as it stands there, with the
// variables that a person fills in.
import { readFileSync } from "node:fs";
import { promisify } from "node:util";

import converter from "openapi-to-postmanv2";

const { BITTING_URL: url, BITTING_KEY: apiKey, BITTING_ORGANIZATION: org } = process.env;

async function call(method, path, body) {
  const answer = await fetch(url + path, {
    method,
    headers: { "X-Api-Key": apiKey, "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  if (!answer.ok) {
    throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  }
  return answer.json();
}

// what the path variables name
const base = `/v1/organizations/${org}`;
const { keyId } = await call("GET", "/v1/whoami");
const customer = await call("POST", `${base}/customers`, { name: "Imported by Postman" });
const { items: members } = await call("GET", `${base}/members`);
const { job } = await call("POST", `${base}/keys/bulk`, {
  action: "enable",
  filter: { tag: "none" },
  dryRun: false,
  expected: 0,
});

let requests = [];
for (let tries = 0; requests.length === 0 && tries < 50; tries++) {
  requests = (await call("GET", `${base}/keys/${keyId}/requests`)).items;
  await new Promise((resolve) => setTimeout(resolve, 200));
}
const paths = {
  org,
  keyId,
  customer: customer.id,
  user: members[0].email,
  job: job.id,
  requestId: requests[0]?.requestId,
};

const imported = await promisify(converter.convertV2)(
  { type: "string", data: readFileSync("openapi.json", "utf8") },
  {}, // the settings of somebody who changed none
);
if (!imported.result) {
  throw new Error(imported.reason);
}
const collection = imported.output[0].data;

const values = Object.fromEntries(collection.variable.map(({ key, value }) => [key, value]));
const filled = (text) => text.replace(/\{\{(\w+)\}\}/g, (_, name) => ({ ...values, apiKey })[name]);
const requestsOf = (items) => items.flatMap((item) => (item.item ? requestsOf(item.item) : [item]));
const chosen = (list = []) => list.filter(({ disabled }) => !disabled).map(({ key, value }) => [key, value]);

let sent = 0;
for (const { name, request } of requestsOf(collection.item)) {
  const auth = request.auth ?? collection.auth;
  // people's own: no key opens them
  if (request.method !== "GET" || auth.type === "bearer") {
    continue;
  }

  const { key, value } = Object.fromEntries(auth.apikey.map((part) => [part.key, part.value]));
  const path = request.url.path.map((part) =>
    part.startsWith(":") ? encodeURIComponent(paths[part.slice(1)]) : part,
  );
  const target = new URL([filled(request.url.host.join("/")).replace(/\/$/, ""), ...path].join("/"));
  target.search = new URLSearchParams(chosen(request.url.query)).toString();

  const answer = await fetch(target, {
    headers: Object.fromEntries([...chosen(request.header), [key, filled(value)]]),
  });
  const text = await answer.text();
  sent++;
  if (!answer.ok && !(path.at(-1) === "rotation" && JSON.parse(text).code === "no_rotation")) {
    console.error(`${name}: ${target.pathname}${target.search}: ${answer.status} ${text}`);
    process.exitCode = 1;
  }
}

if (sent < 20) {
  throw new Error(`the collection has only ${sent} GETs`);
}
