// What ../diy does, by the AWS SDK for JavaScript. The loop below is in place of Lambda's own runtime client, which costs more.
import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';

const db = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const routes = [
  ['GET', /^\/messages$/, 'messages:read'],
  ['GET', /^\/messages\/[^/]+$/, 'messages:read'],
  ['POST', /^\/messages$/, 'messages:write'],
  ['DELETE', /^\/messages\/[^/]+$/, 'messages:write'],
  ['GET', /^\/orders$/, 'orders:read'],
  ['GET', /^\/orders\/[^/]+$/, 'orders:read'],
  ['POST', /^\/orders$/, 'orders:write'],
  ['PATCH', /^\/orders\/[^/]+$/, 'orders:write'],
  ['GET', /^\/invoices$/, 'invoices:read'],
  ['GET', /^\/invoices\/[^/]+\/lines$/, 'invoices:read'],
];

async function handle(event) {
  const [, secret = ''] = Object.entries(event.headers).find(([name]) => name.toLowerCase() === 'x-api-key') ?? [];
  const pk = createHash('sha256').update(secret).digest('hex');
  const { Item: key } = await db.send(
    new GetCommand({ TableName: process.env.TABLE, Key: { pk, sk: 'key' }, ConsistentRead: true }),
  );
  if (!key?.enabled || (key.expiresAt > 0 && key.expiresAt < Date.now() / 1000)) throw new Error('Unauthorized');
  const wanted = routes.find(([method, path]) => method === event.httpMethod && path.test(event.path))?.[2];
  const allowed = key.permissions.includes(wanted);
  return {
    principalId: key.id,
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', Effect: allowed ? 'Allow' : 'Deny', Resource: event.methodArn }],
    },
    context: { keyId: key.id, keyName: key.name, environment: key.environment },
  };
}

const agent = new Agent({ keepAlive: true });
const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime/invocation/`;
const call = (method, path, body) =>
  new Promise((resolve, reject) => {
    const sent = request(base + path, { agent, method }, (got) => {
      let text = '';
      got.setEncoding('utf8');
      got.on('data', (part) => (text += part));
      got.on('end', () => resolve({ text, id: got.headers['lambda-runtime-aws-request-id'] }));
    });
    sent.on('error', reject);
    sent.end(body);
  });

for (;;) {
  const { text, id } = await call('GET', 'next');
  try {
    await call('POST', `${id}/response`, JSON.stringify(await handle(JSON.parse(text))));
  } catch (e) {
    await call('POST', `${id}/error`, JSON.stringify({ errorType: e.name, errorMessage: e.message }));
  }
}
