import { Menu, Tooltip } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Link } from '@tanstack/react-router';
import type { ReactNode } from 'react';
import { api, Failure, ifMatch, type Key, read } from '../api/client';
import { keysChanged, operation } from '../api/queries';
import { m } from '../messages';
import { notify } from '../ui/notify';
import type { Action } from './actions';

/** Enables or disables a key. */
function useEnable(key: Key) {
  return useMutation({
    mutationFn: (enabled: boolean) =>
      read(
        api.PATCH('/v1/organizations/{org}/keys/{keyId}', {
          params: { path: { org: key.organizationId, keyId: key.id }, header: { 'If-Match': ifMatch(key.version) } },
          body: { enabled },
        }),
      ),
    onSuccess: (_, enabled) => {
      notify(enabled ? m.key.enabled(key.name) : m.key.disabled(key.name));
      return keysChanged(key.organizationId);
    },
    onError: (error) => {
      notify(error);
      return keysChanged(key.organizationId);
    },
  });
}

/** The rest of what may be done with a key: absent if it is not for who looks, disabled if not now. */
export function KeyMenuItems({ of: key, act, without = [] }: { of: Key; act: (action: Action) => void; without?: string[] }) {
  const enable = useEnable(key);
  const update = operation(key, 'updateKey');
  const revoked = key.revocation !== null;
  const copyId = async () => {
    try {
      await navigator.clipboard.writeText(key.id);
      notify(m.key.idCopied);
    } catch {
      notify(new Failure({ title: m.copyFailed }));
    }
  };

  if (key.deletedAt) return <Menu.Item onClick={() => void copyId()}>{m.key.copyId}</Menu.Item>;
  return (
    <>
      <Menu.Item onClick={() => void copyId()}>{m.key.copyId}</Menu.Item>
      {update && !without.includes('edit') && (
        <Menu.Item component={Link} to="/$org/keys/$keyId/edit" params={{ org: key.organizationId, keyId: key.id } as never}>
          {m.key.edit}
        </Menu.Item>
      )}
      {!without.includes('rotate') && (
        <Item of={key} id="rotateKey" onClick={() => act({ kind: 'rotate', key })}>
          {m.key.rotate}
        </Item>
      )}
      <Item of={key} id="regenerateKey" onClick={() => act({ kind: 'regenerate', key })}>
        {m.key.regenerate}
      </Item>
      {update && (
        <Menu.Item onClick={() => enable.mutate(!key.enabled)}>{key.enabled ? m.key.disable : m.key.enable}</Menu.Item>
      )}
      {!revoked && !without.includes('revoke') && (
        <Item of={key} id="revokeKey" danger onClick={() => act({ kind: 'revoke', key })}>
          {m.key.revoke}
        </Item>
      )}
      {revoked && !without.includes('restore') && (
        <Item of={key} id="restoreKey" onClick={() => act({ kind: 'restore', key })}>
          {m.key.restore}
        </Item>
      )}
      <Item of={key} id="deleteKey" danger onClick={() => act({ kind: 'delete', key })}>
        {m.key.delete}
      </Item>
    </>
  );
}

function Item({
  of: key,
  id,
  danger,
  onClick,
  children,
}: {
  of: Key;
  id: string;
  danger?: boolean;
  onClick: () => void;
  children: ReactNode;
}) {
  const may = operation(key, id);
  if (!may) return null;
  // Not disabled in HTML's sense: who uses the keyboard must reach it to learn why.
  const item = (
    <Menu.Item
      data-danger={danger || undefined}
      aria-disabled={may.refusal ? true : undefined}
      aria-description={may.refusal}
      closeMenuOnClick={!may.refusal}
      onClick={() => !may.refusal && onClick()}
    >
      {children}
    </Menu.Item>
  );
  return may.refusal ? (
    <Tooltip label={may.refusal} position="left">
      {item}
    </Tooltip>
  ) : (
    item
  );
}
