import { Button, Checkbox, NativeSelect, TextInput } from '@mantine/core';
import { IconUserMinus, IconUserPlus, IconUsers } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { api, Failure, read, type Schemas } from '../api/client';
import { keysQuery, membersQuery, meQuery, queryClient } from '../api/queries';
import { date } from '../format';
import { m, roles } from '../messages';
import { useMembership } from '../shell/Shell';
import { errorOf, FormDialog } from '../ui/Form';
import { Tag } from '../ui/marks';
import { notify } from '../ui/notify';
import { Listed, PageHead, Table } from '../ui/page';
import { State } from '../ui/states';
import { Time } from '../ui/Time';
import css from './org.module.css';

type Member = Schemas['Member'];
type Role = Member['role'];
type Grant = Member['grants'][number];

/** Who is in the organization, and what they may do. */
export function Members() {
  const { org } = useParams({ from: '/signed-in/$org/members' });
  const membership = useMembership();
  const members = useInfiniteQuery(membersQuery(org));
  const [changing, setChanging] = useState<Member | 'new'>();
  const [removing, setRemoving] = useState<Member>();
  const may = membership.operations;
  return (
    <>
      <PageHead title={m.members.title} about={m.members.about}>
        {may.includes('putMember') && (
          <Button leftSection={<IconUserPlus size={15} stroke={2} aria-hidden />} onClick={() => setChanging('new')}>
            {m.members.add}
          </Button>
        )}
      </PageHead>
      <Listed of={members} nothing={<State icon={<IconUsers size={22} />} tone="mute" title={m.members.none} />}>
        {(rows) => (
          <Table
            caption={m.members.title}
            rows={rows}
            keyOf={(u) => u.email}
            columns={[
              { name: m.members.email, cell: (u) => <span className="strong name">{u.email}</span> },
              { name: m.members.role, cell: (u) => roles[u.role] ?? u.role },
              {
                name: m.members.grants,
                cell: (u) =>
                  u.grants.length === 0 ? (
                    <span className="dim">–</span>
                  ) : (
                    <span className="row wrap">
                      {u.grants.map((g) => (
                        <Tag key={g}>{m.members.grantNames[g]}</Tag>
                      ))}
                    </span>
                  ),
              },
              {
                name: m.members.joined,
                cell: (u) => (u.joinedAt ? <Time at={u.joinedAt} show={date} /> : <Tag tone="warn">{m.members.invited}</Tag>),
              },
              {
                name: m.members.keys,
                cell: (u) =>
                  u.status === 'active' && (
                    <Link to="/$org/keys" params={{ org }} search={{ owner: u.id, ownership: 'personal', status: 'all' }}>
                      {m.members.show}
                      <span className="hidden"> {m.members.keysOf(u.email)}</span>
                    </Link>
                  ),
              },
              {
                name: m.keys.columns.actions,
                hidden: true,
                cell: (u) => (
                  <span className={css.rowActions}>
                    {may.includes('putMember') && (
                      <Button variant="default" size="xs" aria-label={m.members.changeOf(u.email)} onClick={() => setChanging(u)}>
                        {m.members.change}
                      </Button>
                    )}
                    {may.includes('deleteMember') && (
                      <Button variant="default" data-danger size="xs" aria-label={m.members.removeOf(u.email)} onClick={() => setRemoving(u)}>
                        {m.members.remove}
                      </Button>
                    )}
                  </span>
                ),
              },
            ]}
          />
        )}
      </Listed>
      {changing && <MemberDialog org={org} of={changing === 'new' ? undefined : changing} onClose={() => setChanging(undefined)} />}
      {removing && <Remove org={org} of={removing} name={membership.name} onClose={() => setRemoving(undefined)} />}
    </>
  );
}

/** What a member is called in an address: those who were invited have no id yet. */
const userOf = (member: Member) => member.id || member.email;

const membersChanged = (org: string) =>
  Promise.all([
    queryClient.invalidateQueries({ queryKey: [org, 'members'] }),
    queryClient.invalidateQueries({ queryKey: [org, 'keys'] }),
    queryClient.invalidateQueries({ queryKey: meQuery.queryKey }),
  ]);

function MemberDialog({ org, of: member, onClose }: { org: string; of: Member | undefined; onClose: () => void }) {
  const [email, setEmail] = useState(member?.email ?? '');
  const [role, setRole] = useState<Role>(member?.role ?? 'member');
  const [grants, setGrants] = useState<Grant[]>(member?.grants ?? []);
  const membership = useMembership();
  const save = useMutation({
    mutationFn: () =>
      read<Schemas['Member']>(
        api.PUT('/v1/organizations/{org}/members/{user}', {
          params: { path: { org, user: member ? userOf(member) : email.trim() } },
          body: { role, grants: role === 'member' ? grants : [] },
        }),
      ),
    onSuccess: async (saved) => {
      const bounded = saved.boundedKeys ?? [];
      notify(
        bounded.length > 0
          ? m.members.bounded(saved.email, bounded.map((k) => k.name))
          : member
            ? m.members.changed(saved.email)
            : m.members.added(saved.email),
      );
      onClose();
      await membersChanged(org);
    },
  });
  return (
    <FormDialog
      title={member ? m.members.changeTitle(member.email) : m.members.addTitle}
      about={member ? undefined : m.members.addAbout}
      error={save.error}
      submit={member ? m.save : m.members.add}
      busy={save.isPending}
      onSubmit={() => save.mutate()}
      onClose={onClose}
    >
      {save.error instanceof Failure && save.error.is('last_admin') && <p className="small strong">{m.members.lastAdmin(membership.name)}</p>}
      {!member && (
        <TextInput
          label={m.members.email}
          type="email"
          data-autofocus
          autoComplete="off"
          maxLength={254}
          value={email}
          error={errorOf(save.error, 'user') ?? errorOf(save.error, 'path.user')}
          onChange={(e) => setEmail(e.currentTarget.value)}
        />
      )}
      <NativeSelect
        label={m.members.role}
        description={m.members.roleAbout[role]}
        value={role}
        error={errorOf(save.error, 'role')}
        data={(['admin', 'member', 'viewer'] as const).map((value) => ({ value, label: roles[value] ?? value }))}
        onChange={(e) => setRole(e.currentTarget.value as Role)}
      />
      {role === 'member' && (
        <Checkbox.Group label={m.members.grants} value={grants} error={errorOf(save.error, 'grants')} onChange={(v) => setGrants(v as Grant[])}>
          <div className={css.checks}>
            {(['manage_organization_keys', 'manage_others_keys'] as const).map((g) => (
              <Checkbox key={g} value={g} label={m.members.grantNames[g]} description={m.members.grantAbout[g]} />
            ))}
          </div>
        </Checkbox.Group>
      )}
    </FormDialog>
  );
}

function Remove({ org, of: member, name, onClose }: { org: string; of: Member; name: string; onClose: () => void }) {
  const keys = useInfiniteQuery({
    ...keysQuery(org, { owner: member.id, ownership: 'personal' }),
    enabled: member.status === 'active',
    staleTime: 0,
  });
  const { data: me } = useQuery(meQuery);
  const remove = useMutation({
    mutationFn: () => read(api.DELETE('/v1/organizations/{org}/members/{user}', { params: { path: { org, user: userOf(member) } } })),
    onSuccess: async () => {
      notify(m.members.removed(member.email));
      onClose();
      await membersChanged(org);
    },
  });
  const personal = keys.data?.pages.flatMap((p) => p.items) ?? [];
  const lastAdmin = remove.error instanceof Failure && remove.error.is('last_admin');
  return (
    <FormDialog
      alert
      danger
      icon={<IconUserMinus size={22} />}
      title={m.members.removeTitle(member.email)}
      about={m.members.removeAbout(me?.id === member.id)}
      error={lastAdmin ? undefined : remove.error}
      submit={m.members.removeConfirm}
      busy={remove.isPending}
      onSubmit={() => remove.mutate()}
      onClose={onClose}
    >
      {personal.length > 0 && (
        <div className="small">
          {m.members.disables(personal.length, keys.hasNextPage)}
          <ul className={css.plainList}>
            {personal.slice(0, 10).map((k) => (
              <li key={k.id} className="name">
                {k.name}
              </li>
            ))}
          </ul>
        </div>
      )}
      {lastAdmin && (
        <p role="alert" className="strong small">
          {m.members.lastAdmin(name)}
        </p>
      )}
    </FormDialog>
  );
}
