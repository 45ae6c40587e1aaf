import { useDebouncedValue } from '@mantine/hooks';
import {
  IconActivity,
  IconArrowRight,
  IconBan,
  IconPencil,
  IconPlus,
  IconRefresh,
  IconRoute,
  IconSearch,
  IconUpload,
} from '@tabler/icons-react';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useNavigate } from '@tanstack/react-router';
import { type ReactNode, useId, useState } from 'react';
import type { Key, Membership } from '../api/client';
import { keysQuery, operation } from '../api/queries';
import type { Action } from '../keys/actions';
import { m } from '../messages';
import { Dialog, DialogTitle } from '../ui/Dialog';
import { Blade, EnvironmentMark } from '../ui/marks';
import css from './palette.module.css';

interface Item {
  id: string;
  group: string;
  icon: ReactNode;
  label: ReactNode;
  more?: ReactNode;
  go: () => void;
}

/** Whether a text may be the id of a request. */
const isRequest = (text: string) => /^[0-9a-f]{8}-[0-9a-f-]{20,}$/i.test(text) || /^[A-Za-z0-9_=-]{16,}$/.test(text);

/** Goes anywhere by a few letters: to keys, what can be done with them, pages, and requests by their id. */
export default function Palette({ membership, act, onClose }: { membership: Membership; act: (action: Action) => void; onClose: () => void }) {
  const org = membership.id;
  const [text, setText] = useState('');
  const [chosen, setChosen] = useState(0);
  // What is shown fits what is typed at each moment, so that Enter never takes what was there before.
  const q = text.trim();
  const [asked] = useDebouncedValue(q, 150);
  const { data } = useInfiniteQuery({ ...keysQuery(org, { status: 'all', ...(asked ? { q: asked } : {}) }), placeholderData: keepPreviousData });
  const fits = (key: Key) => `${key.name} ${key.id}`.toLowerCase().includes(q.toLowerCase());
  const navigate = useNavigate();
  const id = useId();

  const leave = (go: () => unknown) => () => {
    onClose();
    go();
  };
  const items = [...keyItems(), ...placeItems()];
  const current = Math.min(chosen, items.length - 1);

  function keyItems(): Item[] {
    const keys = (data?.pages[0]?.items ?? []).filter(fits).slice(0, q ? 5 : 3);
    const found = keys.map((key): Item => ({
      id: key.id,
      group: m.palette.keys,
      icon: <Blade id={key.id} tone={key.status === 'active' ? key.environment : undefined} />,
      label: <span className="strong name">{key.name}</span>,
      more: <EnvironmentMark of={key.environment} boxed />,
      go: leave(() => navigate({ to: '/$org/keys/$keyId', params: { org, keyId: key.id } })),
    }));
    const first = keys[0];
    return q && first ? [...found, ...actionItems(first)] : found;
  }

  function actionItems(key: Key): Item[] {
    const group = m.palette.actions(key.name);
    const params = { org, keyId: key.id };
    const free = (op: string) => {
      const may = operation(key, op);
      return may !== undefined && may.refusal === undefined;
    };
    return [
      ...(free('updateKey') && !key.deletedAt
        ? [{ id: 'edit', group, icon: <IconPencil size={17} />, label: m.key.edit, go: leave(() => navigate({ to: '/$org/keys/$keyId/edit', params })) }]
        : []),
      ...(free('rotateKey') ? [{ id: 'rotate', group, icon: <IconRefresh size={17} />, label: m.palette.rotate, go: leave(() => act({ kind: 'rotate', key })) }] : []),
      { id: 'explain', group, icon: <IconRoute size={17} />, label: m.palette.explain, go: leave(() => navigate({ to: '/$org/keys/$keyId/explain', params, search: {} })) },
      ...(free('revokeKey') && !key.revocation
        ? [{ id: 'revoke', group, icon: <IconBan size={17} />, label: m.key.revoke, go: leave(() => act({ kind: 'revoke', key })) }]
        : []),
    ];
  }

  function placeItems(): Item[] {
    const group = m.palette.goTo;
    const places = ['keys', 'usage', 'advice', 'members', 'customers', 'permissions', 'jobs', ...(membership.operations.includes('listHistory') ? ['history'] : []), 'settings'] as const;
    const all: (Item & { words: string })[] = [
      ...(membership.mayCreate.organization || membership.mayCreate.personal
        ? [{ id: 'create', group, icon: <IconPlus size={17} />, label: m.keys.create, words: m.keys.create, go: leave(() => navigate({ to: '/$org/keys/new', params: { org }, search: {} })) }]
        : []),
      ...(membership.operations.includes('importKeys')
        ? [{ id: 'import', group, icon: <IconUpload size={17} />, label: m.import.title, words: m.import.title, go: leave(() => navigate({ to: '/$org/keys/import', params: { org } })) }]
        : []),
      ...places.map((place) => ({
        id: place,
        group,
        icon: <IconArrowRight size={17} />,
        label: m.nav[place as 'keys'],
        words: m.nav[place as 'keys'],
        go: leave(() => navigate({ to: `/$org/${place}` as '/$org/jobs', params: { org } })),
      })),
    ];
    const matching = all.filter(({ words }) => words.toLowerCase().includes(q.toLowerCase()));
    const request: Item[] = isRequest(q)
      ? [
          {
            id: 'request',
            group,
            icon: <IconActivity size={17} />,
            label: m.palette.request(q),
            go: leave(() => navigate({ to: '/$org/requests/$requestId', params: { org, requestId: q } })),
          },
        ]
      : [];
    return [...request, ...matching];
  }

  return (
    <Dialog size={620} onClose={onClose} bare>
      <DialogTitle className="hidden">{m.palette.title}</DialogTitle>
      <div className={css.query}>
        <IconSearch size={19} aria-hidden />
        <input
          data-autofocus
          role="combobox"
          aria-expanded
          aria-controls={`${id}-list`}
          aria-activedescendant={items[current] ? `${id}-${items[current].id}` : undefined}
          aria-label={m.palette.title}
          placeholder={m.palette.placeholder}
          maxLength={100}
          autoComplete="off"
          spellCheck={false}
          value={text}
          onChange={(e) => {
            setText(e.currentTarget.value);
            setChosen(0);
          }}
          onKeyDown={(e) => {
            const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
            if (step) {
              e.preventDefault();
              const next = (current + step + items.length) % items.length;
              setChosen(next);
              document.getElementById(`${id}-${items[next]?.id ?? ''}`)?.scrollIntoView({ block: 'nearest' });
            } else if (e.key === 'Enter') {
              e.preventDefault();
              items[current]?.go();
            }
          }}
        />
        <kbd aria-hidden="true">esc</kbd>
      </div>
      <div className={css.list} role="listbox" id={`${id}-list`} aria-label={m.palette.results}>
        {items.length === 0 && <p className={css.none}>{m.palette.none}</p>}
        {items.map((item, i) => (
          // The field has the focus, and its keys: options are only pointed at.
          // eslint-disable-next-line jsx-a11y/click-events-have-key-events -- see above
          <div key={item.id} role="presentation">
            {item.group !== items[i - 1]?.group && (
              <div className={css.group} role="presentation">
                {item.group}
              </div>
            )}
            <div
              id={`${id}-${item.id}`}
              role="option"
              tabIndex={-1}
              aria-selected={i === current}
              className={css.item}
              onPointerMove={() => setChosen(i)}
              onClick={item.go}
              onKeyDown={() => {}}
            >
              {item.icon}
              <span>{item.label}</span>
              {item.more}
            </div>
          </div>
        ))}
      </div>
    </Dialog>
  );
}
