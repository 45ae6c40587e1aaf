import { useMutation, useQuery } from '@tanstack/react-query';
import { useNavigate, useParams, useSearch } from '@tanstack/react-router';
import { useState } from 'react';
import { api, type KeySecret, read } from '../api/client';
import { catalogueQuery, keysChanged, organizationQuery } from '../api/queries';
import { useAttempt } from '../api/useAttempt';
import { m } from '../messages';
import { useMembership } from '../shell/Shell';
import { Failed } from '../ui/states';
import { useReturnFocus } from '../ui/useReturnFocus';
import { type Draft, newKeyOf, same } from './draft';
import { filtersOf } from './filters';
import { KeyForm } from './KeyForm';
import { LostSecret, SecretDialog } from './SecretDialog';

/** Makes a key, in a drawer over the list, then shows its secret. */
export function CreateKey() {
  const { org } = useParams({ from: '/signed-in/$org/keys/new' });
  useReturnFocus();
  const asked = useSearch({ from: '/signed-in/$org/keys/new' });
  const navigate = useNavigate();
  const membership = useMembership();
  const catalogue = useQuery(catalogueQuery);
  const organization = useQuery(organizationQuery(org));
  const [draft, setDraft] = useState<Draft>();
  const [answer, setAnswer] = useState<KeySecret>();
  const attempt = useAttempt();

  const close = () => void navigate({ to: '/$org/keys', params: { org }, search: filtersOf(asked), replace: true, ignoreBlocker: true });
  const create = useMutation({
    mutationFn: (made: Draft) =>
      attempt((once) =>
        read(
          api.POST('/v1/organizations/{org}/keys', {
            params: { path: { org }, header: { 'Idempotency-Key': once } },
            body: newKeyOf(made),
          }),
        ),
      ),
    gcTime: 0, // the answer has the secret, which only the dialog keeps
    onSuccess: async (made) => {
      setAnswer(made);
      await keysChanged(org);
    },
  });

  const done = () => {
    setAnswer(undefined);
    create.reset();
    close();
  };

  if (!membership.mayCreate.organization && !membership.mayCreate.personal) return null;
  if (answer) {
    return answer.secret ? (
      <SecretDialog of={answer.key} secret={answer.secret} onClose={done} />
    ) : (
      <LostSecret regenerated={false} onClose={done} />
    );
  }
  if (catalogue.isError) return <Failed error={catalogue.error} retry={() => void catalogue.refetch()} />;
  if (!catalogue.data || organization.isPending) return null;

  const permissions = catalogue.data.permissions;
  const settings = organization.data?.settings;
  const defaults = settings?.defaultPermissions ?? permissions.filter((p) => p.default).map((p) => p.name);
  const initial: Draft = {
    name: asked.name ?? '',
    environment: asked.environment ?? 'production',
    ownership: asked.ownership === 'personal' && membership.mayCreate.personal ? 'personal' : membership.mayCreate.organization ? 'organization' : 'personal',
    permissions: (asked.permission ? [asked.permission] : defaults).filter((p) => membership.mayGrant.includes(p)),
    allPermissions: false,
    rateLimits: [],
    quota: undefined,
    expiresAt: '',
    notBefore: '',
    customers: [],
    allowedAddresses: [],
    description: '',
    tags: [],
    metadata: '',
  };
  const shown = draft ?? initial;
  return (
    <KeyForm
      title={m.form.createTitle}
      isNew
      draft={shown}
      onChange={setDraft}
      dirty={draft !== undefined && !same(draft, initial)}
      membership={membership}
      catalogue={permissions}
      defaults={defaults}
      held={[]}
      longestLife={settings?.longestLife[shown.environment] ?? undefined}
      error={create.error}
      busy={create.isPending}
      submit={m.keys.create}
      canSubmit
      onSubmit={() => create.mutate(shown)}
      onClose={close}
    />
  );
}
