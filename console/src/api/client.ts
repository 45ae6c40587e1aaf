import createClient from 'openapi-fetch';
import { apiAddress } from '../base';
import { patience } from '../config';
import { session } from '../session';
import type { components, paths } from './schema';

export type Schemas = components['schemas'];
export type Key = Schemas['Key'];
export type KeySecret = Schemas['KeySecret'];
export type Permission = Schemas['Permission'];
export type Membership = Schemas['MyMembership'];
export type Problem = Pick<Schemas['Problem'], 'title'> & Partial<Omit<Schemas['Problem'], 'title'>>;

/** An answer that is no success, or none at all. */
export class Failure extends Error {
  readonly problem: Problem;
  readonly retryAfter: number | undefined; // seconds

  constructor(problem: Problem, retryAfter?: number) {
    super(problem.title);
    this.problem = problem;
    this.retryAfter = retryAfter;
  }

  is(code: Schemas['Problem']['code']): boolean {
    return this.problem.code === code;
  }

  /** Whether the request was refused, so that nothing was done. */
  get refused(): boolean {
    return this.problem.status !== undefined && this.problem.status < 500;
  }

  /** What is wrong with the fields of the body, by their paths, such as rateLimits[0].window. */
  get fields(): Map<string, string> {
    return new Map((this.problem.errors ?? []).map((e) => [e.location.replace(/^body\.?/, ''), e.message]));
  }
}

const unreachable: Problem = {
  title: 'The service cannot be reached',
  detail: 'Check your connection, then try again.',
};

// A token may expire, or stop being accepted, while the page is open. It is renewed silently if
// that can be done; if not, the person signs in beside the page, and tries again.
async function send(request: Request): Promise<Response> {
  const attempt = async () => {
    const token = await session()?.token();
    const one = new Request(request.clone(), { signal: AbortSignal.any([request.signal, AbortSignal.timeout(patience * 1000)]) });
    if (token) one.headers.set('Authorization', `Bearer ${token}`);
    return fetch(one);
  };

  const answer = await attempt();
  if (answer.status !== 401) return answer;
  if (await session()?.renew()) return attempt();
  session()?.end();
  return answer;
}

export const api = createClient<paths>({ baseUrl: apiAddress, fetch: send, credentials: 'omit', cache: 'no-store' });

interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a success. Error: Failure. */
export async function read<T>(call: Promise<Answer<T>>): Promise<T> {
  return (await answered(call)).data as T;
}

/** The body of a success, with its ETag. Error: Failure. */
export async function readTagged<T extends object>(call: Promise<Answer<T>>): Promise<T & { etag: string }> {
  const answer = await answered(call);
  return { ...(answer.data as T), etag: answer.response.headers.get('ETag') ?? '' };
}

async function answered<T>(call: Promise<Answer<T>>): Promise<Answer<T>> {
  let answer: Answer<T>;
  try {
    answer = await call;
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') throw error; // nobody waits any more
    throw new Failure(unreachable);
  }

  if (!answer.response.ok) {
    const problem = isProblem(answer.error) ? answer.error : { title: 'The service answered with an error', status: answer.response.status };
    const after = Number(answer.response.headers.get('Retry-After'));
    throw new Failure(problem, after > 0 ? after : undefined);
  }

  return answer;
}

function isProblem(error: unknown): error is Problem {
  return typeof error === 'object' && error !== null && typeof (error as Problem).title === 'string';
}

/** Two calls with one of these change something once. */
export const newIdempotencyKey = () => crypto.randomUUID();

/** The If-Match of a change that starts from a version. */
export const ifMatch = (version: number) => `"${version}"`;
