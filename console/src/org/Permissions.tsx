import { TextInput } from '@mantine/core';
import { IconListCheck, IconSearch } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import type { Permission } from '../api/client';
import { catalogueQuery, meQuery } from '../api/queries';
import { groupsOf, matches, routesText } from '../keys/permissions';
import { m } from '../messages';
import { Publishable, Tag } from '../ui/marks';
import { Loading, PageHead } from '../ui/page';
import { Failed, State } from '../ui/states';
import uiCss from '../ui/ui.module.css';
import css from './org.module.css';

/** What there is to be permitted. Operators change it; everybody may read it. */
export function Permissions() {
  const { org } = useParams({ from: '/signed-in/$org/permissions' });
  const catalogue = useQuery(catalogueQuery);
  const { data: me } = useQuery(meQuery);
  const [text, setText] = useState('');
  const all = catalogue.data?.permissions ?? [];
  const shown = groupsOf(all.filter((p) => matches(p, text)));
  return (
    <>
      <PageHead title={m.catalogue.title} about={m.catalogue.about}>
        <TextInput
          className={uiCss.field ?? ''}
          type="search"
          w={220}
          aria-label={m.permissions.search}
          placeholder={m.permissions.search}
          leftSection={<IconSearch size={15} stroke={2} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
        />
      </PageHead>
      {catalogue.isPending ? (
        <Loading />
      ) : catalogue.isError && !catalogue.data ? (
        <div className="card">
          <Failed error={catalogue.error} retry={() => void catalogue.refetch()} />
        </div>
      ) : shown.size === 0 ? (
        <div className="card">
          <State icon={<IconListCheck size={22} />} tone="mute" title={m.permissions.noMatch} />
        </div>
      ) : (
        <div className={css.groups}>
          {[...shown].map(([resource, permissions]) => (
            <section key={resource} className="card">
              <h2>{resource}</h2>
              <ul>
                {permissions.map((p) => (
                  <Row key={p.name} of={p} org={org} />
                ))}
              </ul>
            </section>
          ))}
        </div>
      )}
      {me?.operator && (
        <p className="small dim">
          {m.catalogue.operators} <code className="mono">bitting permissions import openapi.yaml</code>
        </p>
      )}
    </>
  );
}

function Row({ of: p, org }: { of: Permission; org: string }) {
  return (
    <li>
      <div>
        <div className="row wrap">
          <span className="strong">{p.title || p.name}</span>
          <span className="mono tiny dim">{p.name}</span>
          {p.publishable && <Publishable />}
          {p.default && <Tag>{m.permissions.default}</Tag>}
          {p.builtIn && <Tag>{m.catalogue.builtIn}</Tag>}
        </div>
        {p.description && <p className="small quiet name">{p.description}</p>}
        {routesText(p) && (
          <p className="mono tiny quiet" dir="ltr">
            {routesText(p)}
          </p>
        )}
      </div>
      <Link className="small line" to="/$org/keys" params={{ org }} search={{ permission: p.name }}>
        {m.catalogue.keys}
        <span className="hidden"> {m.catalogue.keysWith(p.title || p.name)}</span>
      </Link>
    </li>
  );
}
