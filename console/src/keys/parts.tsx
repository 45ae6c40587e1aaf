import { Popover } from '@mantine/core';
import { IconAlertTriangle, IconWorld } from '@tabler/icons-react';
import type { Key, Permission, Schemas } from '../api/client';
import { limitOf, number, quotaOf } from '../format';
import { m } from '../messages';
import { Tag } from '../ui/marks';
import uiCss from '../ui/ui.module.css';

/** The catalogue by name. */
export const byName = (permissions: Permission[]) => new Map(permissions.map((p) => [p.name, p]));

export const titleOf = (catalogue: Map<string, Permission>, name: string) => catalogue.get(name)?.title || name;

/** What a key opens, in as few words as say it. */
export function PermissionTags({ of: key, catalogue }: { of: Key; catalogue: Map<string, Permission> }) {
  if (key.allPermissions) {
    return (
      <Tag tone="warn">
        <IconAlertTriangle size={13} aria-hidden />
        {m.keys.allPermissions}
      </Tag>
    );
  }

  const [first, ...rest] = key.permissions;
  if (first === undefined) return <span className="dim">{m.keys.noPermission}</span>;
  const publishable = key.permissions.every((name) => catalogue.get(name)?.publishable);
  return (
    <span className="row">
      <Tag>
        {publishable && <IconWorld size={13} aria-label={m.permissions.publishable} role="img" />}
        {titleOf(catalogue, first)}
      </Tag>
      {rest.length > 0 && (
        <Popover position="bottom-start" width={260}>
          <Popover.Target>
            <button type="button" className={uiCss.tag} aria-label={m.keys.morePermissions(rest.length)}>
              +{number(rest.length)}
            </button>
          </Popover.Target>
          <Popover.Dropdown>
            {key.permissions.map((name) => (
              <div key={name} className="small">
                {titleOf(catalogue, name)} <span className="mono dim">{name}</span>
              </div>
            ))}
          </Popover.Dropdown>
        </Popover>
      )}
    </span>
  );
}

/** The limits of a key as texts: its rate limits, then its quota. */
export const limitsOf = (key: Pick<Key, 'rateLimits' | 'quota'>) => [
  ...key.rateLimits.map(limitOf),
  ...(key.quota ? [quotaOf(key.quota)] : []),
];

/** Who did or owns something, in a word. */
export function actorName(actor: Schemas['Actor']): string {
  if (actor.email) return actor.email;
  if (actor.keyName) return m.key.keyCaller(actor.keyName);
  return actor.id || actor.type;
}

/** The routes that permissions open, each once. */
export function routesOf(names: string[], all: boolean, catalogue: Map<string, Permission>): string[] {
  const chosen = all ? [...catalogue.values()].filter((p) => !p.builtIn) : names.flatMap((n) => catalogue.get(n) ?? []);
  return [...new Set(chosen.flatMap((p) => (p.routes ?? []).map((r) => `${r.method} ${r.path}`)))];
}

export const sum = (numbers: Iterable<number>) => [...numbers].reduce((a, b) => a + b, 0);

/** What a button says to all who use it, where the state of a thing refuses it: disabled, but still to be reached. */
export const refusalProps = (refusal: string | undefined) =>
  refusal ? { 'aria-disabled': true, 'aria-description': refusal, title: refusal } : {};

/** The calls that count: what outsiders can cause is none of the key's. */
export const counted = (values: Record<string, number>) =>
  sum(Object.entries(values).flatMap(([outcome, n]) => (outcome === 'wrong_secret' ? [] : [n])));
