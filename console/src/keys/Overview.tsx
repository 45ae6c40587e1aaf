import { Button } from '@mantine/core';
import { IconAlertTriangle, IconBan, IconTrash } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, Outlet, useParams } from '@tanstack/react-router';
import { type ReactNode, use } from 'react';
import type { Key, Permission } from '../api/client';
import { catalogueQuery, customersQuery, keyQuery, usageQuery, operation } from '../api/queries';
import { date, dayAgo, daysBack, fullDate, limitOf, number, passedOf, percent, quotaOf, until, utcOf } from '../format';
import { m } from '../messages';
import { Tag } from '../ui/marks';
import { Meter } from '../ui/page';
import { Banner, FailureBanner } from '../ui/states';
import { Time } from '../ui/Time';
import uiCss from '../ui/ui.module.css';
import { ActContext } from './actions';
import { CallsChart, type Point } from './CallsChart';
import css from './keys.module.css';
import { actorName, byName, counted, routesOf, sum } from './parts';
import { RotationPanel } from './Rotation';

/** What a key is and does, in one look. */
export function Overview() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId' });
  const { data: key } = useQuery(keyQuery(org, keyId));
  const { data: permissions } = useQuery(catalogueQuery);
  const act = use(ActContext);
  if (!key) return null;
  const catalogue = byName(permissions?.permissions ?? []);
  return (
    <>
      <div className={css.stack}>
        <Facts of={key} />
        {key.rotation && <RotationPanel of={key} act={act} />}
        <div className={css.two}>
          <div className={css.stack}>
            <Use of={key} />
            <Permissions of={key} catalogue={catalogue} />
          </div>
          <div className={css.stack}>
            <Limits of={key} />
            <Details of={key} />
          </div>
        </div>
      </div>
      <Outlet />
    </>
  );
}

/** What is out of the ordinary with a key. */
function Facts({ of: key }: { of: Key }) {
  const facts: ReactNode[] = [];
  if (key.deletedAt) {
    facts.push(
      <Banner key="deleted" icon={<IconTrash size={18} />}>
        {m.key.deleted(fullDate(key.deletedAt))}
      </Banner>,
    );
  }
  if (key.exposure) {
    facts.push(
      <Banner key="exposed" tone="bad" icon={<IconAlertTriangle size={18} />}>
        {m.key.exposed(fullDate(key.exposure.at), key.exposure.action === 'revoked')}
      </Banner>,
    );
  }
  if (key.revocation) {
    facts.push(
      <Banner key="revoked" icon={<IconBan size={18} />}>
        {m.key.revokedBy(actorName(key.revocation.by), fullDate(key.revocation.at))}{' '}
        {key.revocation.reason && m.key.reason(key.revocation.reason)}
      </Banner>,
    );
  }
  return facts;
}

/** How much more or less it is than the week before: in signs, and in words for who does not see them. */
function Change({ of: change }: { of: number }) {
  return (
    <div className="tiny dim">
      {change !== 0 && (
        <span aria-hidden="true" className={css.change}>
          {change > 0 ? '▲' : '▼'} {percent(Math.abs(change))}{' '}
        </span>
      )}
      <span className="hidden">{m.key.changed(change)} </span>
      {change === 0 ? m.key.sameAsBefore : m.key.onBefore}
    </div>
  );
}

/** How many days the page looks back. */
const period = 14;

/** The days of a usage that has only those with calls, each with its calls. */
function everyDay(series: Point[]): Point[] {
  const known = new Map(series.map((point) => [point.at.slice(0, 10), point.values]));
  return daysBack(period).map((day) => {
    const at = day.toISOString();
    return { at, values: known.get(at.slice(0, 10)) ?? {} };
  });
}

function Use({ of: key }: { of: Key }) {
  const usage = useQuery(usageQuery(key.organizationId, key.id, {}));
  if (usage.isError) return <FailureBanner error={usage.error} />;

  const days = everyDay(usage.data?.series ?? []);
  const week = days.slice(-7);
  const calls = sum(week.map((d) => counted(d.values)));
  const before = sum(days.slice(0, 7).map((d) => counted(d.values)));
  const allowed = sum(week.map((d) => d.values.allowed ?? 0));
  const title = (
    <>
      <h2>{m.key.chart}</h2>
      <span className="tiny dim">{m.key.chartPeriod}</span>
    </>
  );
  return (
    <>
      <div className={css.figures}>
        <div className={`card ${uiCss.figure}`}>
          <div className="tiny dim">{m.key.calls}</div>
          <div>{number(calls)}</div>
          {before > 0 && <Change of={calls / before - 1} />}
        </div>
        <div className={`card ${uiCss.figure}`}>
          <div className="tiny dim">{m.key.allowed}</div>
          <div>{calls === 0 ? '–' : percent(allowed / calls)}</div>
          <div className="tiny dim">{m.key.refused(calls - allowed)}</div>
        </div>
        <div className={`card ${uiCss.figure}`}>
          <div className="tiny dim">{m.key.lastUsed}</div>
          <div>{key.lastUsed ? <Time at={key.lastUsed.at} /> : m.keys.never}</div>
          {key.lastUsed && <div className="tiny dim">{m.key.from(key.lastUsed.sourceIp, key.lastUsed.userAgent)}</div>}
        </div>
      </div>
      <section className={`card ${css.section}`}>
        {days.some((d) => sum(Object.values(d.values)) > 0) ? (
          <CallsChart title={title} points={days} by="outcome" granularity="day" />
        ) : (
          <>
            <header>{title}</header>
            <p className="small quiet">{m.key.noCalls}</p>
          </>
        )}
      </section>
    </>
  );
}

/** How many days back a permission counts as used. */
const memory = 90;

function Permissions({ of: key, catalogue }: { of: Key; catalogue: Map<string, Permission> }) {
  const [from] = daysBack(memory);
  const usage = useQuery(usageQuery(key.organizationId, key.id, { by: 'permission', from: from?.toISOString() ?? '' }));
  const series = usage.data?.series ?? [];
  const callsOf = (name: string) => sum(series.slice(-period).map((point) => point.values[name] ?? 0));
  const lastOf = (name: string) => series.findLast((point) => (point.values[name] ?? 0) > 0)?.at;
  const mayEdit = operation(key, 'updateKey') && !key.deletedAt;
  return (
    <section className={`card ${css.section}`}>
      <header>
        <h2>{m.key.permissions}</h2>
        <span className="tiny dim">{m.key.opens(routesOf(key.permissions, key.allPermissions, catalogue).length)}</span>
        <span className="space" />
        {mayEdit && (
          <Button
            variant="default"
            size="xs"
            component={Link}
            to="/$org/keys/$keyId/permissions"
            params={{ org: key.organizationId, keyId: key.id } as never}
          >
            {m.key.edit}
          </Button>
        )}
      </header>
      {key.allPermissions && (
        <Banner tone="warn" icon={<IconAlertTriangle size={18} />}>
          {m.key.allPermissionsNote}
        </Banner>
      )}
      {!key.allPermissions && key.permissions.length === 0 && <p className="small quiet">{m.key.noPermissionNote}</p>}
      <ul className={css.permissionRows}>
        {key.permissions.map((name) => (
          <li key={name}>
            <span>
              <span className="strong">{catalogue.get(name)?.title ?? name}</span> <span className="mono dim">{name}</span>
            </span>
            {usage.data && <Used calls={callsOf(name)} last={lastOf(name)} />}
            {usage.data && !lastOf(name) && mayEdit && (
              <Link to="/$org/keys/$keyId/permissions" params={{ org: key.organizationId, keyId: key.id }} search={{ remove: name } as never} className="small">
                {m.key.remove}
                <span className="hidden"> {catalogue.get(name)?.title ?? name}</span>
              </Link>
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** How much a permission was used, and on which day last: days in UTC are what is counted. */
function Used({ calls, last }: { calls: number; last: string | undefined }) {
  if (!last) return <span className={css.unused}>{m.key.unusedFor(memory)}</span>;
  return (
    <span className={`numbers quiet ${css.used}`}>
      {calls > 0 ? m.key.callsIn(calls) : m.key.noCall} <span className="dim">{dayAgo(last)}</span>
    </span>
  );
}

function Limits({ of: key }: { of: Key }) {
  const usage = useQuery(usageQuery(key.organizationId, key.id, {}));
  const limited = sum((usage.data?.series ?? []).map((p) => (p.values.rate_limited ?? 0) + (p.values.quota_exceeded ?? 0)));
  const quota = usage.data?.limits?.quota;
  return (
    <section className={`card ${css.section}`}>
      <header>
        <h2>{m.key.limits}</h2>
      </header>
      {key.rateLimits.length === 0 && !key.quota && <p className="small quiet">{m.keys.noLimit}</p>}
      {key.rateLimits.map((l) => (
        <p key={l.name} className="small">
          <span className="strong numbers">{limitOf(l)}</span> <span className="dim name">{l.name}</span>
          {l.burst !== undefined && <span className="dim"> · {m.key.burst(l.burst)}</span>}
        </p>
      ))}
      {key.quota && (
        <div className={css.quota}>
          <p className="row small">
            <span className="strong numbers">{quotaOf(key.quota)}</span> <span className="dim">{m.key.perPeriod}</span>
            <span className="space" />
            {quota && quota.remaining !== null && m.key.quotaUsed(percent(1 - quota.remaining / quota.limit))}
          </p>
          {quota && quota.remaining !== null && quota.resetAt && <Pace used={1 - quota.remaining / quota.limit} period={quota.period} ends={quota.resetAt} />}
        </div>
      )}
      {limited > 0 && <p className="tiny dim">{m.key.limited(limited)}</p>}
    </section>
  );
}

/** How much of a quota is used, and how much will be when its period ends, if calls go on as they did. */
function Pace({ used, period, ends }: { used: number; period: 'day' | 'month'; ends: string }) {
  const passed = passedOf(period, ends, Date.now());
  return (
    <>
      <Meter of={used} label={m.key.quotaLabel} />
      <p className="tiny dim">
        {m.key.resets(utcOf(ends))} {passed > 0.02 && m.key.pace(percent(used / passed))}
      </p>
    </>
  );
}

function Details({ of: key }: { of: Key }) {
  const { data: customers } = useQuery({ ...customersQuery(key.organizationId), enabled: key.customers.length > 0 });
  const customerName = (id: string) => customers?.items.find((c) => c.id === id)?.name ?? id;
  return (
    <section className={`card ${css.section}`}>
      <header>
        <h2>{m.key.details}</h2>
      </header>
      <dl className={css.details}>
        <dt>{m.key.owner}</dt>
        <dd className="name">{actorName(key.owner)}</dd>
        {key.notBefore && (
          <>
            <dt>{m.key.startsAt}</dt>
            <dd>
              <Time at={key.notBefore} show={fullDate} />
            </dd>
          </>
        )}
        <dt>{m.key.expires}</dt>
        <dd>
          {key.expiresAt ? (
            <>
              <Time at={key.expiresAt} show={fullDate} />{' '}
              {Date.parse(key.expiresAt) > Date.now() && <span className="dim">{m.key.in(until(key.expiresAt))}</span>}
            </>
          ) : (
            m.key.neverExpires
          )}
        </dd>
        <dt>{m.key.customers}</dt>
        <dd className="name">{key.customers.length === 0 ? m.key.everyCustomer : key.customers.map(customerName).join(', ')}</dd>
        <dt>{m.key.addresses}</dt>
        <dd>
          {key.allowedAddresses.length === 0
            ? m.key.anyAddress
            : key.allowedAddresses.map((a) => (
                <div key={a} className="mono">
                  {a}
                </div>
              ))}
        </dd>
        <dt>{m.key.created}</dt>
        <dd>
          <Time at={key.createdAt} show={date} /> <span className="dim">{m.key.by(actorName(key.createdBy))}</span>
        </dd>
        {key.description && (
          <>
            <dt>{m.key.description}</dt>
            <dd className="name">{key.description}</dd>
          </>
        )}
        {key.tags.length > 0 && (
          <>
            <dt>{m.key.tags}</dt>
            <dd>
              <span className="row wrap">
                {key.tags.map((t) => (
                  <Tag key={t}>
                    <span className="name">{t}</span>
                  </Tag>
                ))}
              </span>
            </dd>
          </>
        )}
        {Object.keys(key.metadata).length > 0 && (
          <>
            <dt>{m.key.metadata}</dt>
            <dd>
              {Object.entries(key.metadata).map(([name, value]) => (
                <div key={name} className="name">
                  <span className="mono">{name}</span>: {value}
                </div>
              ))}
            </dd>
          </>
        )}
      </dl>
    </section>
  );
}
