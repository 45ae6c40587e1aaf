import { Checkbox, Popover, TextInput } from '@mantine/core';
import { useDebouncedValue } from '@mantine/hooks';
import { IconAlertTriangle, IconChevronDown, IconChevronRight, IconLock, IconSearch, IconWorld } from '@tabler/icons-react';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Permission } from '../api/client';
import { keysQuery } from '../api/queries';
import { m } from '../messages';
import { EnvironmentMark, Publishable, Tag } from '../ui/marks';
import { Banner } from '../ui/states';
import uiCss from '../ui/ui.module.css';
import css from './form.module.css';
import { same } from './draft';
import { groupsOf, matches, routesText } from './permissions';

interface Props {
  catalogue: Permission[];
  mayGrant: string[];
  chosen: string[];
  all: boolean;
  held: string[]; // what the key holds already: it may keep that, whoever edits it
  defaults: string[];
  org: string;
  used?: string[] | undefined; // what the key was seen to use, of what it holds
  alone: boolean; // nothing else is in the form, so that it begins here
  error: string | undefined;
  onChange: (permissions: string[], all: boolean) => void;
}

/** Chooses what a key opens. */
export function PermissionPicker({ catalogue, mayGrant, chosen, all, held, defaults, org, used, alone, error, onChange }: Props) {
  const [text, setText] = useState('');
  const [opened, setOpened] = useState<Record<string, boolean>>({});

  const may = (name: string) => mayGrant.includes(name) || held.includes(name);
  // Those of the admin API are for who runs keys by programs: shown where they can be given.
  const offered = catalogue.filter((p) => !p.builtIn || may(p.name));
  const data = offered.filter((p) => !p.builtIn && may(p.name));
  const presets = [
    { label: m.permissions.client, icon: <IconWorld size={15} stroke={2} aria-hidden />, names: data.filter((p) => p.publishable).map((p) => p.name) },
    { label: m.permissions.readOnly, icon: undefined, names: data.filter((p) => p.name.endsWith(':read')).map((p) => p.name) },
    used
      ? { label: m.permissions.onlyUsed, icon: undefined, names: used }
      : { label: m.permissions.defaults, icon: undefined, names: defaults.filter(may) },
  ].filter((preset) => preset.names.length > 0);

  if (all) {
    return (
      <div>
        <span className="label">{m.form.permissions}</span>
        <Banner tone="warn" icon={<IconAlertTriangle size={18} />}>
          <span className="row wrap">
            {m.permissions.all}
            <button type="button" className={css.inline} data-autofocus={alone || undefined} onClick={() => onChange([], false)}>
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
    <fieldset data-field="permissions">
      <legend className="label">{m.form.permissions}</legend>
      <div className={css.presets}>
        {presets.map((preset) => {
          const on = same([...preset.names].sort(), [...chosen].sort());
          return (
            <button key={preset.label} type="button" className={uiCss.chip} aria-pressed={on} data-on={on || undefined} onClick={() => onChange(preset.names, false)}>
              {preset.icon}
              {preset.label}
            </button>
          );
        })}
        <CopyFrom org={org} onChoose={(names) => onChange(names.filter(may), false)} />
        <TextInput
          className={`${css.find} ${uiCss.field}`}
          data-autofocus={alone || undefined}
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
                {resource}
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
                    onToggle={() => {
                      setOpened({ ...opened, [resource]: true }); // it stays open when its last one is unticked
                      toggle(p.name);
                    }}
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

/** Takes the permissions of another key. */
function CopyFrom({ org, onChoose }: { org: string; onChoose: (names: string[]) => void }) {
  const [opened, setOpened] = useState(false);
  const [text, setText] = useState('');
  const [q] = useDebouncedValue(text.trim(), 250);
  const { data } = useInfiniteQuery({ ...keysQuery(org, q ? { q } : {}), enabled: opened });
  const keys = (data?.pages[0]?.items ?? []).filter((key) => !key.allPermissions).slice(0, 8);
  return (
    <Popover opened={opened} onChange={setOpened} position="bottom-start" width={280} trapFocus>
      <Popover.Target>
        <button type="button" className={uiCss.chip} aria-expanded={opened} onClick={() => setOpened((o) => !o)}>
          {m.permissions.copyFrom}
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <TextInput
          aria-label={m.permissions.copySearch}
          placeholder={m.permissions.copySearch}
          leftSection={<IconSearch size={15} stroke={2} />}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
        />
        {data && keys.length === 0 && <p className="small quiet">{m.permissions.copyNothing}</p>}
        {keys.map((key) => (
          <button
            key={key.id}
            type="button"
            className={css.copyRow}
            onClick={() => {
              setOpened(false);
              onChoose(key.permissions);
            }}
          >
            <span className="name">{key.name}</span>
            <EnvironmentMark of={key.environment} />
          </button>
        ))}
      </Popover.Dropdown>
    </Popover>
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
