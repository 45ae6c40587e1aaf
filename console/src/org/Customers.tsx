import { Button, TextInput } from '@mantine/core';
import { IconBuildingStore, IconPlus, IconTrash } from '@tabler/icons-react';
import { useInfiniteQuery, useMutation } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useState } from 'react';
import { api, Failure, read, type Schemas } from '../api/client';
import { customerListQuery, queryClient } from '../api/queries';
import { useAttempt } from '../api/useAttempt';
import { date } from '../format';
import { m } from '../messages';
import { useMembership } from '../shell/Shell';
import { errorOf, FormDialog } from '../ui/Form';
import { notify } from '../ui/notify';
import { Listed, PageHead, Table } from '../ui/page';
import { State } from '../ui/states';
import { Time } from '../ui/Time';
import css from './org.module.css';

type Customer = Schemas['Customer'];

/** The customers that keys can be scoped to. */
export function Customers() {
  const { org } = useParams({ from: '/signed-in/$org/customers' });
  const may = useMembership().operations;
  const customers = useInfiniteQuery(customerListQuery(org));
  const [changing, setChanging] = useState<Customer | 'new'>();
  const [deleting, setDeleting] = useState<Customer>();
  const add = may.includes('createCustomer') && (
    <Button leftSection={<IconPlus size={15} stroke={2} aria-hidden />} onClick={() => setChanging('new')}>
      {m.customers.add}
    </Button>
  );
  return (
    <>
      <PageHead title={m.customers.title} about={m.customers.about}>
        {add}
      </PageHead>
      <Listed
        of={customers}
        nothing={
          <State icon={<IconBuildingStore size={22} />} tone="mute" title={m.customers.none}>
            {m.customers.noneBody}
          </State>
        }
      >
        {(rows) => (
          <Table
            caption={m.customers.title}
            rows={rows}
            keyOf={(c) => c.id}
            columns={[
              { name: m.customers.name, cell: (c) => <span className="strong name">{c.name}</span> },
              { name: m.customers.id, cell: (c) => <span className="mono">{c.id}</span> },
              { name: m.key.created, cell: (c) => <Time at={c.createdAt} show={date} /> },
              {
                name: m.customers.keys,
                cell: (c) => (
                  <Link to="/$org/keys" params={{ org }} search={{ customer: c.id, status: 'all' }}>
                    {m.members.show}
                    <span className="hidden"> {m.customers.keysOf(c.name)}</span>
                  </Link>
                ),
              },
              {
                name: m.keys.columns.actions,
                hidden: true,
                cell: (c) => (
                  <span className={css.rowActions}>
                    {may.includes('updateCustomer') && (
                      <Button variant="default" size="xs" aria-label={m.customers.renameOf(c.name)} onClick={() => setChanging(c)}>
                        {m.customers.rename}
                      </Button>
                    )}
                    {may.includes('deleteCustomer') && (
                      <Button variant="default" data-danger size="xs" aria-label={m.customers.deleteOf(c.name)} onClick={() => setDeleting(c)}>
                        {m.customers.delete}
                      </Button>
                    )}
                  </span>
                ),
              },
            ]}
          />
        )}
      </Listed>
      {changing && <CustomerDialog org={org} of={changing === 'new' ? undefined : changing} onClose={() => setChanging(undefined)} />}
      {deleting && <Delete org={org} of={deleting} onClose={() => setDeleting(undefined)} />}
    </>
  );
}

const customersChanged = (org: string) =>
  Promise.all([queryClient.invalidateQueries({ queryKey: [org, 'customers'] }), queryClient.invalidateQueries({ queryKey: [org, 'keys'] })]);

function CustomerDialog({ org, of: customer, onClose }: { org: string; of: Customer | undefined; onClose: () => void }) {
  const [name, setName] = useState(customer?.name ?? '');
  const [id, setId] = useState('');
  const attempt = useAttempt();
  const save = useMutation({
    mutationFn: async () => {
      if (customer) {
        return read<Customer>(
          api.PATCH('/v1/organizations/{org}/customers/{customer}', {
            params: { path: { org, customer: customer.id } },
            body: { name: name.trim() },
          }),
        );
      }
      return attempt((once) =>
        read<Customer>(
          api.POST('/v1/organizations/{org}/customers', {
            params: { path: { org }, header: { 'Idempotency-Key': once } },
            body: { name: name.trim(), ...(id.trim() ? { id: id.trim() } : {}) },
          }),
        ),
      );
    },
    onSuccess: async (saved) => {
      notify(m.customers.saved(saved.name));
      onClose();
      await customersChanged(org);
    },
  });
  return (
    <FormDialog
      title={customer ? m.customers.renameTitle(customer.name) : m.customers.addTitle}
      error={save.error}
      submit={customer ? m.save : m.customers.add}
      busy={save.isPending}
      onSubmit={() => save.mutate()}
      onClose={onClose}
    >
      <TextInput
        label={m.customers.name}
        data-autofocus
        maxLength={200}
        value={name}
        error={errorOf(save.error, 'name')}
        onChange={(e) => setName(e.currentTarget.value)}
      />
      {!customer && (
        <TextInput
          label={m.customers.id}
          description={m.customers.idAbout}
          maxLength={64}
          value={id}
          error={errorOf(save.error, 'id')}
          onChange={(e) => setId(e.currentTarget.value)}
        />
      )}
    </FormDialog>
  );
}

function Delete({ org, of: customer, onClose }: { org: string; of: Customer; onClose: () => void }) {
  const remove = useMutation({
    mutationFn: (force: boolean) =>
      read(
        api.DELETE('/v1/organizations/{org}/customers/{customer}', {
          params: { path: { org, customer: customer.id }, query: force ? { force: true } : {} },
        }),
      ),
    onSuccess: async () => {
      notify(m.customers.deleted(customer.name));
      onClose();
      await customersChanged(org);
    },
  });
  // Keys that are scoped to it are never widened: they are disabled, if that is said on purpose.
  const inUse = remove.error instanceof Failure && remove.error.is('in_use');
  return (
    <FormDialog
      alert
      danger
      icon={<IconTrash size={22} />}
      title={m.customers.deleteTitle(customer.name)}
      about={inUse ? m.customers.inUse : m.customers.deleteAbout}
      error={inUse ? undefined : remove.error}
      submit={inUse ? m.customers.deleteForce : m.customers.deleteConfirm}
      busy={remove.isPending}
      onSubmit={() => remove.mutate(inUse)}
      onClose={onClose}
    >
      {inUse && remove.error instanceof Failure && (
        <p role="alert" className="small strong">
          {remove.error.problem.detail}
        </p>
      )}
    </FormDialog>
  );
}
