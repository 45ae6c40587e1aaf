import { Checkbox, TextInput } from '@mantine/core';
import { IconAlertTriangle, IconChevronDown, IconChevronRight, IconLock, IconSearch, IconWorld } from '@tabler/icons-react';
import { useState } from 'react';
import type { Permission } from '../api/client';
import { m } from '../messages';
import { Publishable, Tag } from '../ui/marks';
import { Banner } from '../ui/states';
import css from './form.module.css';
import { same } from './draft';

const resourceOf = (name: string) => name.split(':')[0] ?? name;
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Permissions by what they are about, in the catalogue's order. */
function groupsOf(permissions: Permission[]): Map<string, Permission[]> {
  const groups = new Map<string, Permission[]>();
  for (const p of permissions) {
    const resource = resourceOf(p.name);
    groups.set(resource, [...(groups.get(resource) ?? []), p]);
  }
  return groups;
}

const routesText = (p: Permission) => (p.routes ?? []).map((r) => `${r.method} ${r.path}`).join(' · ');

const matches = (p: Permission, text: string) =>
  `${p.name} ${p.title} ${p.description} ${routesText(p)}`.toLowerCase().includes(text.toLowerCase());

interface Props {
  catalogue: Permission[];
  mayGrant: string[];
  chosen: string[];
  all: boolean;
  held: string[]; // what the key holds already: it may keep that, whoever edits it
  defaults: string[];
  error: string | undefined;
  onChange: (permissions: string[], all: boolean) => void;
}

/** Chooses what a key opens. */
export function PermissionPicker({ catalogue, mayGrant, chosen, all, held, defaults, error, onChange }: Props) {
  const [text, setText] = useState('');
  const [opened, setOpened] = useState<Record<string, boolean>>({});

  const may = (name: string) => mayGrant.includes(name) || held.includes(name);
  // Those of the admin API are for who runs keys by programs: shown where they can be given.
  const offered = catalogue.filter((p) => !p.builtIn || may(p.name));
  const data = offered.filter((p) => !p.builtIn && may(p.name));
  const presets = [
    { label: m.permissions.client, icon: <IconWorld size={15} stroke={2} aria-hidden />, names: data.filter((p) => p.publishable).map((p) => p.name) },
    { label: m.permissions.readOnly, icon: undefined, names: data.filter((p) => p.name.endsWith(':read')).map((p) => p.name) },
    { label: m.permissions.defaults, icon: undefined, names: defaults.filter(may) },
  ].filter((preset) => preset.names.length > 0);

  if (all) {
    return (
      <div>
        <span className="label">{m.form.permissions}</span>
        <Banner tone="warn" icon={<IconAlertTriangle size={18} />}>
          <span className="row wrap">
            {m.permissions.all}
            <button type="button" className={css.inline} onClick={() => onChange([], false)}>
              {m.permissions.choose}
            </button>
          </span>
        </Banner>
      </div>
    );
  }

  const shown = [...groupsOf(offered.filter((p) => matches(p, text)))];
  const toggle = (name: string) =>
    onChange(chosen.includes(name) ? chosen.filter((n) => n !== name) : [...chosen, name], false);
  return (
    <fieldset className={css.fieldset} data-field="permissions">
      <legend className="label">{m.form.permissions}</legend>
      <div className={css.presets}>
        {presets.map((preset) => {
          const on = same([...preset.names].sort(), [...chosen].sort());
          return (
            <button key={preset.label} type="button" className={css.preset} aria-pressed={on} onClick={() => onChange(preset.names, false)}>
              {preset.icon}
              {preset.label}
            </button>
          );
        })}
        <span className="space" />
        <TextInput
          className={css.find}
          aria-label={m.permissions.search}
          placeholder={m.permissions.search}
          leftSection={<IconSearch size={15} stroke={2} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
        />
      </div>
      {error && (
        <p className={css.error} role="alert">
          {error}
        </p>
      )}
      <div className={css.groups}>
        {shown.length === 0 && <p className={css.nothing}>{m.permissions.noMatch}</p>}
        {shown.map(([resource, permissions]) => {
          const ticked = permissions.filter((p) => chosen.includes(p.name)).length;
          const open = text !== '' || (opened[resource] ?? ticked > 0);
          return (
            <div key={resource} className={css.group}>
              <button
                type="button"
                className={css.groupHead}
                aria-expanded={open}
                onClick={() => setOpened({ ...opened, [resource]: !open })}
              >
                {open ? <IconChevronDown size={15} aria-hidden /> : <IconChevronRight size={15} aria-hidden />}
                {capital(resource)}
                <span className="space" />
                <span className="dim">{m.permissions.of(ticked, permissions.length)}</span>
              </button>
              {open &&
                permissions.map((p) => (
                  <PermissionRow
                    key={p.name}
                    of={p}
                    on={chosen.includes(p.name)}
                    locked={!may(p.name)}
                    byDefault={defaults.includes(p.name)}
                    onToggle={() => toggle(p.name)}
                  />
                ))}
            </div>
          );
        })}
      </div>
      {chosen.length === 0 && <p className={css.nothing}>{m.permissions.none}</p>}
    </fieldset>
  );
}

function PermissionRow({
  of: p,
  on,
  locked,
  byDefault,
  onToggle,
}: {
  of: Permission;
  on: boolean;
  locked: boolean;
  byDefault: boolean;
  onToggle: () => void;
}) {
  return (
    <div className={css.permission} data-on={on || undefined}>
      <Checkbox
        checked={on}
        disabled={locked && !on}
        onChange={onToggle}
        label={
          <>
            <span className="strong">{p.title || p.name}</span> <span className="mono tiny dim">{p.name}</span>
          </>
        }
        description={
          <>
            {p.description && <span className={css.about}>{p.description}</span>}
            {routesText(p) && <span className="mono tiny">{routesText(p)}</span>}
            {locked && !on && (
              <span className={css.locked}>
                <IconLock size={13} aria-hidden /> {m.permissions.locked}
              </span>
            )}
          </>
        }
      />
      <span className={css.marks}>
        {p.publishable && <Publishable />}
        {byDefault && <Tag>{m.permissions.default}</Tag>}
      </span>
    </div>
  );
}
