import { Button, TextInput } from '@mantine/core';
import { useMutation } from '@tanstack/react-query';
import { Link, useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { api, Failure, read, type Schemas } from '../api/client';
import { meQuery, queryClient } from '../api/queries';
import { useAttempt } from '../api/useAttempt';
import { LostSecret, SecretDialog } from '../keys/SecretDialog';
import { m } from '../messages';
import shellCss from '../shell/shell.module.css';
import { errorOf } from '../ui/Form';
import { FailureBanner } from '../ui/states';
import { useTitle } from '../ui/useTitle';
import css from './org.module.css';

/** Makes an organization, and shows the secret of its default key. */
export function NewOrganization() {
  const [name, setName] = useState('');
  const [id, setId] = useState('');
  const [answer, setAnswer] = useState<Schemas['OrganizationSecret']>();
  const attempt = useAttempt();
  const navigate = useNavigate();
  useTitle(m.newOrganization.title);
  const create = useMutation({
    mutationFn: () =>
      attempt((once) =>
        read(
          api.POST('/v1/organizations', {
            params: { header: { 'Idempotency-Key': once } },
            body: { name: name.trim(), ...(id.trim() ? { id: id.trim() } : {}) },
          }),
        ),
      ),
    gcTime: 0, // the answer has the secret, which only the dialog keeps
    onSuccess: async (made) => {
      setAnswer(made);
      await queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
    },
  });
  const done = () => {
    const org = answer?.organization.id;
    setAnswer(undefined);
    create.reset();
    if (org) void queryClient.fetchQuery({ ...meQuery, staleTime: 0 }).then(() => navigate({ to: '/$org/keys', params: { org }, ignoreBlocker: true }));
  };

  const fields = create.error instanceof Failure && create.error.fields.size > 0;
  const taken = create.error instanceof Failure && create.error.is('duplicate');
  return (
    <main className={shellCss.alone}>
      <form
        className={`card ${css.newOrganization}`}
        noValidate
        onSubmit={(e) => {
          e.preventDefault();
          if (!create.isPending) create.mutate();
        }}
      >
        <div>
          <h1>{m.newOrganization.title}</h1>
          <p className="quiet small">{m.newOrganization.about}</p>
        </div>
        <TextInput
          label={m.newOrganization.name}
          placeholder="Acme"
          maxLength={200}
          value={name}
          error={errorOf(create.error, 'name')}
          onChange={(e) => setName(e.currentTarget.value)}
        />
        <TextInput
          label={m.newOrganization.id}
          description={m.newOrganization.idAbout}
          maxLength={39}
          value={id}
          error={errorOf(create.error, 'id') ?? (taken ? m.newOrganization.taken : undefined)}
          onChange={(e) => setId(e.currentTarget.value)}
        />
        {!fields && !taken && <FailureBanner error={create.error} />}
        <div className={css.rowActions}>
          <Button variant="subtle" component={Link} to="/">
            {m.cancel}
          </Button>
          <Button type="submit" loading={create.isPending}>
            {m.newOrganization.submit}
          </Button>
        </div>
      </form>
      {answer &&
        (answer.secret ? (
          <SecretDialog of={answer.key} secret={answer.secret} onClose={done} />
        ) : (
          <LostSecret regenerated={false} onClose={done} />
        ))}
    </main>
  );
}
