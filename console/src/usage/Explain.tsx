import { Autocomplete, Button, NativeSelect, TextInput } from '@mantine/core';
import { IconCheck, IconCircleCheck, IconHandStop, IconMinus, IconPlayerPlay, IconX } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { api, Failure, type Key, read, type Schemas } from '../api/client';
import { catalogueQuery, keyQuery, operation, requestQuery } from '../api/queries';
import { fromLocalInput, localized, stampOf, toLocalInput } from '../format';
import { byName, titleOf } from '../keys/parts';
import { m } from '../messages';
import { Loading, PageHead } from '../ui/page';
import { CopyButton, Failed, FailureBanner, State } from '../ui/states';
import { Time } from '../ui/Time';
import { OutcomePill } from './Requests';
import css from './usage.module.css';

/** A call that is asked about. */
export interface ExplainSearch {
  method?: string;
  path?: string;
  sourceIp?: string;
  at?: string;
}

const methods = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'];

export function explainSearchOf(search: Record<string, unknown>): ExplainSearch {
  const text = (name: string, most: number) =>
    typeof search[name] === 'string' && search[name] !== '' ? { [name]: search[name].slice(0, most) } : {};
  const method = methods.find((one) => one === search.method);
  return { ...(method ? { method } : {}), ...text('path', 1000), ...text('sourceIp', 60), ...text('at', 40) };
}

/** Says what would become of a call with a key, and why. */
export function KeyExplain() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId/explain' });
  const asked = explainSearchOf(useSearch({ strict: false }));
  const navigate = useNavigate();
  const { data: key } = useQuery(keyQuery(org, keyId));
  const { data: catalogue } = useQuery(catalogueQuery);
  const [draft, setDraft] = useState({ method: 'GET', path: '', sourceIp: '', at: '', ...asked });
  const explanation = useQuery({
    queryKey: [org, 'key', keyId, 'explain', asked],
    queryFn: ({ signal }) =>
      read(
        api.POST('/v1/organizations/{org}/keys/{keyId}/explain', {
          params: { path: { org, keyId } },
          body: {
            method: asked.method ?? 'GET',
            path: asked.path ?? '',
            ...(asked.sourceIp ? { sourceIp: asked.sourceIp } : {}),
            ...(asked.at ? { at: asked.at } : {}),
          },
          signal,
        }),
      ),
    enabled: asked.path !== undefined,
    retry: false,
    staleTime: 0,
  });

  const errors = explanation.error instanceof Failure ? explanation.error.fields : new Map<string, string>();
  const paths = [...new Set((catalogue?.permissions ?? []).flatMap((p) => (p.routes ?? []).map((r) => r.path)))];
  return (
    <>
      <form
        className={css.ask}
        onSubmit={(e) => {
          e.preventDefault();
          const at = fromLocalInput(draft.at) ?? undefined;
          void navigate({ to: '.', search: explainSearchOf({ ...draft, path: draft.path || '/', at }) as never });
          if (asked.path) void explanation.refetch();
        }}
      >
        <NativeSelect label={m.explain.method} data={methods} value={draft.method} onChange={(e) => setDraft({ ...draft, method: e.currentTarget.value })} />
        <Autocomplete
          label={m.explain.path}
          placeholder="/messages"
          data={paths}
          value={draft.path}
          error={errors.get('path')}
          maxLength={1000}
          onChange={(path) => setDraft({ ...draft, path })}
        />
        <TextInput
          label={m.explain.sourceIp}
          placeholder={m.explain.anyAddress}
          value={draft.sourceIp}
          error={errors.get('sourceIp')}
          onChange={(e) => setDraft({ ...draft, sourceIp: e.currentTarget.value })}
        />
        <TextInput
          label={m.explain.at}
          type="datetime-local"
          value={draft.at.endsWith('Z') ? toLocalInput(draft.at) : draft.at}
          error={errors.get('at')}
          onChange={(e) => setDraft({ ...draft, at: e.currentTarget.value })}
        />
        <Button type="submit" loading={explanation.isFetching} leftSection={<IconPlayerPlay size={15} stroke={2} aria-hidden />}>
          {m.explain.submit}
        </Button>
      </form>
      {errors.size === 0 && <FailureBanner error={explanation.error} />}
      {explanation.data && key && asked.path !== undefined && (
        <Verdict
          of={key}
          outcome={explanation.data.outcome}
          status={explanation.data.status}
          call={`${asked.method ?? 'GET'} ${asked.path}`}
          required={explanation.data.requiredPermission}
          steps={explanation.data.steps}
        />
      )}
      {asked.path === undefined && (
        <div className="card">
          <State icon={<IconPlayerPlay size={22} />} tone="mute" title={m.explain.title}>
            {m.explain.body}
          </State>
        </div>
      )}
    </>
  );
}

const order = ['secret', 'environment', 'status', 'address', 'route', 'customer', 'permission', 'policy', 'limits'];

function Verdict({
  of: key,
  outcome,
  status,
  call,
  required,
  steps,
}: {
  of: Key;
  outcome: Schemas['Explanation']['outcome'];
  status: number;
  call: string;
  required: string | undefined;
  steps: Schemas['CheckStep'][];
}) {
  const { data: catalogue } = useQuery(catalogueQuery);
  const names = byName(catalogue?.permissions ?? []);
  const allowed = outcome === 'allowed';
  const failed = steps.find((s) => !s.passed);
  const reached = new Set(steps.map((s) => s.check));
  const skipped = failed ? order.slice(order.indexOf(failed.check) + 1).filter((s) => !reached.has(s) && s !== 'policy') : [];
  return (
    <div className={css.two}>
      <section className="card" aria-label={m.explain.verdict}>
        <div className={css.verdict} data-allowed={allowed || undefined} role="status">
          {allowed ? <IconCircleCheck size={22} aria-hidden /> : <IconHandStop size={22} aria-hidden />}
          <div>
            <h2>{allowed ? m.explain.allowed : m.explain.refused(status, (m.outcomes[outcome] ?? outcome).replace(/ \(\d+\)$/, '').toLowerCase())}</h2>
            <p className="small">
              <span className="mono name" dir="ltr">
                {call}
              </span>
              {failed && <> · {localized(failed.detail)}</>}
            </p>
          </div>
        </div>
        <ol className={css.steps}>
          {steps.map((s) => (
            <li key={s.check} data-step={s.passed ? 'passed' : 'failed'}>
              <span aria-hidden="true">{s.passed ? <IconCheck size={15} stroke={2.2} /> : <IconX size={15} stroke={2.2} />}</span>
              <span className="strong">{m.explain.steps[s.check] ?? s.check}</span>
              <span className="name">{localized(s.detail)}</span>
              <span className="small">{s.passed ? m.explain.passed : <b>{m.explain.failed}</b>}</span>
            </li>
          ))}
          {skipped.map((name) => (
            <li key={name} data-step="skipped">
              <span aria-hidden="true">
                <IconMinus size={15} stroke={2.2} />
              </span>
              <span className="strong">{m.explain.steps[name] ?? name}</span>
              <span>{m.explain.notReached}</span>
              <span className="small">{m.explain.skipped}</span>
            </li>
          ))}
        </ol>
      </section>
      <div className={css.aside}>
        {!allowed && (
          <section className="card">
            <h2>{m.explain.todo}</h2>
            <p className="small quiet">{m.explain.advice[outcome] ?? m.explain.adviceElse}</p>
            <Actions of={key} outcome={outcome} required={required} title={required ? titleOf(names, required) : undefined} />
          </section>
        )}
        <section className="card">
          <h2>{m.explain.caller}</h2>
          <pre dir="ltr" tabIndex={0}>
            {answerOf(outcome, status, required)}
          </pre>
          {status === 401 && <p className="tiny dim">{m.explain.sameFor401}</p>}
        </section>
      </div>
    </div>
  );
}

/** What a refused caller gets to see. */
function answerOf(outcome: string, status: number, required: string | undefined): string {
  if (outcome === 'allowed') return m.explain.backend;
  const code = status === 401 ? 'invalid_key' : status === 503 ? 'unavailable' : outcome === 'path_not_supported' ? 'permission_denied' : outcome;
  const body = { code, ...(required ? { requiredPermission: required } : {}), requestId: '…' };
  return `${status} application/problem+json\n${JSON.stringify(body, null, 2)}`;
}

function Actions({ of: key, outcome, required, title }: { of: Key; outcome: string; required: string | undefined; title: string | undefined }) {
  const params = { org: key.organizationId, keyId: key.id };
  const edit = operation(key, 'updateKey') && !key.deletedAt;
  const links: ReactNode[] = [];
  if (required && edit) {
    links.push(
      <Button key="add" component={Link} to="/$org/keys/$keyId/permissions" params={params as never} search={{ add: required } as never}>
        {m.explain.add(title ?? required)}
      </Button>,
    );
  }
  if (required) {
    links.push(
      <Button
        key="others"
        variant="default"
        component={Link}
        to="/$org/keys"
        params={{ org: key.organizationId } as never}
        search={{ permission: required, environment: key.environment } as never}
      >
        {m.explain.others}
      </Button>,
    );
  }
  const part = { address_not_allowed: 'allowedAddresses', customer_not_allowed: 'customers', expired: 'expiresAt', not_yet_valid: 'notBefore', rate_limited: 'rateLimits', quota_exceeded: 'rateLimits' }[outcome];
  if (part && edit) {
    links.push(
      <Button key="edit" component={Link} to="/$org/keys/$keyId/edit" params={params as never} search={{ part } as never}>
        {m.explain.edit}
      </Button>,
    );
  }
  if (outcome === 'inactive') {
    links.push(
      <Button key="look" variant="default" component={Link} to="/$org/keys/$keyId" params={params as never}>
        {m.explain.look}
      </Button>,
    );
  }
  return links.length > 0 ? <div className={css.actions}>{links}</div> : null;
}

/** Says what became of a call that happened: why was it refused? */
export function RequestPage() {
  const { org, requestId } = useParams({ from: '/signed-in/$org/requests/$requestId' });
  const request = useQuery({ ...requestQuery(org, requestId), retry: false });
  const { data: key } = useQuery({ ...keyQuery(org, request.data?.keyId ?? ''), enabled: request.data !== undefined });
  const call = request.data;
  return (
    <>
      <PageHead title={m.requests.title} about={<span className="mono">{requestId}</span>} />
      {request.isPending ? (
        <Loading />
      ) : !call ? (
        <div className="card">
          {request.error instanceof Failure && request.error.is('not_found') ? (
            <State icon={<IconX size={22} />} tone="mute" title={m.requests.missing}>
              {m.requests.missingBody}
            </State>
          ) : (
            <Failed error={request.error} retry={() => void request.refetch()} />
          )}
        </div>
      ) : (
        <>
          <section className={`card ${css.call}`}>
            <dl>
              <dt>{m.requests.call}</dt>
              <dd className="mono" dir="ltr">
                {call.method} {call.path}
              </dd>
              <dt>{m.requests.outcome}</dt>
              <dd>
                <OutcomePill of={call.outcome} />
              </dd>
              <dt>{m.requests.time}</dt>
              <dd>
                <Time at={call.at} show={stampOf} />
              </dd>
              <dt>{m.requests.status}</dt>
              <dd className="numbers">{call.status}</dd>
              <dt>{m.requests.key}</dt>
              <dd>
                <Link className="name" to="/$org/keys/$keyId" params={{ org, keyId: call.keyId }}>
                  {key?.name ?? call.keyId}
                </Link>
              </dd>
              <dt>{m.requests.from}</dt>
              <dd>
                <span className="mono">{call.sourceIp}</span>
                {call.userAgent && <span className="dim name"> · {call.userAgent}</span>}
              </dd>
              <dt>{m.request}</dt>
              <dd className="row">
                <span className="mono">{call.requestId}</span>
                <CopyButton text={call.requestId} label={m.copyRequestId} />
              </dd>
              <dt>{m.requests.secret}</dt>
              <dd>{call.oldSecret ? m.rotation.oldSecret : m.requests.current}</dd>
            </dl>
          </section>
          {key && (
            <Verdict
              of={key}
              outcome={call.outcome}
              status={call.status}
              call={`${call.method} ${call.path}`}
              required={call.outcome === 'permission_denied' ? call.permission || undefined : undefined}
              steps={call.steps ?? []}
            />
          )}
          {key && (
            <p className="small">
              <Link
                to="/$org/keys/$keyId/explain"
                params={{ org, keyId: call.keyId }}
                search={explainSearchOf({ method: call.method, path: call.path, sourceIp: call.sourceIp })}
              >
                {m.requests.askAgain}
              </Link>
            </p>
          )}
        </>
      )}
    </>
  );
}
