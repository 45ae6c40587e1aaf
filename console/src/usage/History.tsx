import { Button, Popover } from '@mantine/core';
import { IconArrowRight, IconHistory, IconX } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Link, useNavigate, useParams, useSearch } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import type { Schemas } from '../api/client';
import { type HistoryFilter, historyQuery, keyHistoryQuery } from '../api/queries';
import { number, stampOf } from '../format';
import { actorName } from '../keys/parts';
import { m } from '../messages';
import { Choice } from '../ui/Choice';
import { itemsOf, Listed, PageHead, Table } from '../ui/page';
import { CopyButton, State } from '../ui/states';
import { Time } from '../ui/Time';
import uiCss from '../ui/ui.module.css';
import { own, shownOf } from '../ui/value';
import css from './usage.module.css';

type Entry = Schemas['HistoryEntry'];

/** The filter of an address. What it has besides, or wrongly, is left out. */
export function historyFilterOf(search: Record<string, unknown>): HistoryFilter {
  const text = (name: string) => (typeof search[name] === 'string' && search[name] !== '' ? { [name]: search[name].slice(0, 200) } : {});
  return { ...text('actor'), ...(Object.hasOwn(m.history.actions, String(search.action)) ? text('action') : {}), ...text('object') };
}

const nothing = (
  <State icon={<IconHistory size={22} />} tone="mute" title={m.history.none}>
    {m.history.noneBody}
  </State>
);

/** What was done to a key, and by whom. */
export function KeyHistory() {
  const { org, keyId } = useParams({ from: '/signed-in/$org/keys/$keyId/history' });
  const entries = useInfiniteQuery(keyHistoryQuery(org, keyId));
  return (
    <Listed of={entries} nothing={nothing}>
      {(rows) => <Entries rows={rows} org={org} withObject={false} />}
    </Listed>
  );
}

/** What was done in an organization, and by whom. */
export function OrganizationHistory() {
  const { org } = useParams({ from: '/signed-in/$org/history' });
  const filter = historyFilterOf(useSearch({ strict: false }));
  const navigate = useNavigate();
  const entries = useInfiniteQuery(historyQuery(org, filter));
  const { data: latest } = useInfiniteQuery(historyQuery(org, {})); // whose names there are to choose from
  const known = [...itemsOf(entries), ...(latest?.pages.flatMap((p) => p.items) ?? [])];
  const set = (change: Record<string, string>) =>
    void navigate({ to: '.', search: historyFilterOf({ ...filter, ...change }) as never, replace: true });
  const options = (values: [string, string][]): Record<string, string> => ({
    '': m.requests.any,
    ...Object.fromEntries(values.sort(([, a], [, b]) => a.localeCompare(b))),
  });

  const actors = options(known.map((e) => [e.actor.id, actorName(e.actor)]));
  const objects = options(known.map((e) => [e.object.id, objectName(e)]));
  const actions = options(Object.entries(m.history.actions));
  const narrowed = Object.keys(filter).length > 0;
  return (
    <>
      <PageHead title={m.history.title} about={m.history.about} />
      <div className={css.bar}>
        <Choice on={Boolean(filter.actor)} label={nameIn(actors, filter.actor) ?? m.history.person} values={actors} value={filter.actor ?? ''} onChange={(actor) => set({ actor })} />
        <Choice on={Boolean(filter.action)} label={nameIn(actions, filter.action) ?? m.history.action} values={actions} value={filter.action ?? ''} onChange={(action) => set({ action })} />
        <Choice on={Boolean(filter.object)} label={nameIn(objects, filter.object) ?? m.history.object} values={objects} value={filter.object ?? ''} onChange={(object) => set({ object })} />
        {narrowed && (
          <Button variant="subtle" size="xs" leftSection={<IconX size={14} aria-hidden />} onClick={() => set({ actor: '', action: '', object: '' })}>
            {m.keys.clearFilters}
          </Button>
        )}
      </div>
      <Listed
        of={entries}
        nothing={nothing}
        filtered={narrowed}
      >
        {(rows) => <Entries rows={rows} org={org} withObject />}
      </Listed>
    </>
  );
}

/** What a filter is set to, in words if there are any. */
const nameIn = (names: Record<string, string>, id: string | undefined) => (id === undefined ? undefined : (own(names, id) ?? id));

const objectName = (e: Entry) => e.object.name || e.object.id;

function Entries({ rows, org, withObject }: { rows: Entry[]; org: string; withObject: boolean }) {
  const object = {
    name: m.history.object,
    cell: (e: Entry): ReactNode =>
      e.object.type === 'key' ? (
        <Link className="name" to="/$org/keys/$keyId" params={{ org, keyId: e.object.id }}>
          {objectName(e)}
        </Link>
      ) : (
        <span className="name">{objectName(e)}</span>
      ),
  };
  return (
    <Table
      caption={m.history.title}
      rows={rows}
      keyOf={(e) => e.id}
      columns={[
        { name: m.requests.time, cell: (e) => <Time at={e.at} show={stampOf} /> },
        {
          name: m.history.action,
          cell: (e) => (
            <span>
              <span className="strong">{m.history.actions[e.action] ?? e.action}</span>
              {e.reason && <div className="tiny quiet name">{m.key.reason(e.reason)}</div>}
            </span>
          ),
        },
        ...(withObject ? [object] : []),
        { name: m.history.changes, cell: (e) => <Changes of={e} /> },
        { name: m.history.who, cell: (e) => <Who of={e} /> },
      ]}
    />
  );
}

/** Each field that changed: what it was, and what it is. */
function Changes({ of: entry }: { of: Entry }) {
  const known = Object.keys(m.history.fields);
  const place = (c: Schemas['FieldChange']) => (known.includes(c.field) ? known.indexOf(c.field) : known.length);
  const changes = [...(entry.changes ?? [])].filter((c) => c.field !== 'createdBy').sort((a, b) => place(a) - place(b));
  if (changes.length === 0) return <span className="dim">–</span>;
  const [first, ...rest] = changes;
  return (
    <span className={css.changes}>
      {first && <Change of={first} />}
      {rest.length > 0 && (
        <Popover position="bottom-end" width={420}>
          <Popover.Target>
            <button type="button" className={uiCss.tag} aria-label={m.history.more(rest.length)}>
              +{number(rest.length)}
            </button>
          </Popover.Target>
          <Popover.Dropdown>
            <div className={css.changeList}>
              {changes.map((c) => (
                <Change key={c.field} of={c} />
              ))}
            </div>
          </Popover.Dropdown>
        </Popover>
      )}
    </span>
  );
}

function Change({ of: change }: { of: Schemas['FieldChange'] }) {
  return (
    <span className={css.change}>
      <span className="dim">{m.history.fields[change.field] ?? change.field}</span>
      {change.before !== null && change.before !== undefined && (
        <>
          <s className="name">{shownOf(change.before)}</s>
          <IconArrowRight size={13} aria-label={m.history.became} role="img" />
        </>
      )}
      <span className="name">{shownOf(change.after)}</span>
    </span>
  );
}

function Who({ of: entry }: { of: Entry }) {
  return (
    <span>
      <span className="name">{actorName(entry.actor)}</span>
      <span className="row tiny dim wrap">
        {m.history.credentials[entry.actor.type]}
        {entry.sourceIp && <span className="mono">{entry.sourceIp}</span>}
        {entry.requestId && <CopyButton text={entry.requestId} label={m.copyRequestId} />}
      </span>
    </span>
  );
}
