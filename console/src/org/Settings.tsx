import { Button, MultiSelect, NativeSelect, NumberInput, Switch, TagsInput, TextInput } from '@mantine/core';
import { IconArrowsExchange, IconTrash } from '@tabler/icons-react';
import { useMutation, useQuery } from '@tanstack/react-query';
import { useBlocker, useNavigate, useParams } from '@tanstack/react-router';
import { type ReactNode, useState } from 'react';
import { api, Failure, read, type Schemas } from '../api/client';
import { catalogueQuery, meQuery, organizationQuery, queryClient } from '../api/queries';
import { config } from '../config';
import { percent } from '../format';
import { same } from '../keys/draft';
import { byName, titleOf } from '../keys/parts';
import { environments, m, when } from '../messages';
import { useMembership } from '../shell/Shell';
import { errorOf, FormDialog } from '../ui/Form';
import { Tag } from '../ui/marks';
import { notify } from '../ui/notify';
import { Loading, PageHead } from '../ui/page';
import { Banner, Failed, FailureBanner } from '../ui/states';
import { shownOf } from '../ui/value';
import css from './org.module.css';

type Organization = Schemas['Organization'] & { etag: string };

/** What the form holds: a setting each, and the name. */
type Draft = Schemas['Settings'] & { name: string };

const draftOf = (o: Organization): Draft => ({ ...o.settings, name: o.name });

/** The rules of an organization. */
export function Settings() {
  const { org } = useParams({ from: '/signed-in/$org/settings' });
  const organization = useQuery({ ...organizationQuery(org), staleTime: 0 });
  const catalogue = useQuery(catalogueQuery);
  if (organization.isError && !organization.data) {
    return (
      <div className="card">
        <Failed error={organization.error} retry={() => void organization.refetch()} />
      </div>
    );
  }
  if (!organization.data || !catalogue.data) return <Loading />;
  return <Form key={org} of={organization.data} catalogue={catalogue.data.permissions} />;
}

/** Each changed setting, in words: what it was and what it will be. */
function changesOf(draft: Draft, before: Draft, titles: (names: string[]) => string): Map<keyof Draft, string> {
  const out = new Map<keyof Draft, string>();
  for (const name of Object.keys(before) as (keyof Draft)[]) {
    if (same(draft[name], before[name])) continue;
    out.set(name, `${m.settings.names[name]}: ${said(name, before[name], titles)} → ${said(name, draft[name], titles)}`);
  }
  return out;
}

function said(name: keyof Draft, value: unknown, titles: (names: string[]) => string): string {
  if (name === 'organizationKeysBy') return m.settings.organizationKeysBy[value as 'admins'];
  if (name === 'personalKeysBy') return m.settings.personalKeysBy[value as 'members'];
  if (name === 'defaultPermissions' || name === 'memberPermissions') {
    return value === null ? m.settings.catalogues : (value as string[]).length === 0 ? m.form.none : titles(value as string[]);
  }
  if (name === 'longestLife') {
    return Object.entries(value as Record<string, string | null>)
      .map(([e, life]) => `${environments[e as 'production']} ${life ?? m.settings.noEnd}`)
      .join(', ');
  }
  if (name === 'sampleRequests') return percent(value as number);
  if (name === 'legacyKeysAccepted') return value ? m.settings.accepted : m.settings.refused;
  return shownOf(value);
}

function Form({ of: current, catalogue }: { of: Organization; catalogue: Schemas['Permission'][] }) {
  const org = current.id;
  const may = useMembership().operations.includes('updateOrganization');
  const mayDelete = useMembership().operations.includes('deleteOrganization');
  // What the editing began from: the page may read the settings anew meanwhile.
  const [before, setBefore] = useState(current);
  const [draft, setDraft] = useState(() => draftOf(current));
  const [theirs, setTheirs] = useState<Organization>();
  const [deleting, setDeleting] = useState(false);
  const names = byName(catalogue);
  const titles = (list: string[]) => list.map((name) => titleOf(names, name)).join(', ');
  const changes = changesOf(draft, draftOf(before), titles);
  const set = (change: Partial<Draft>) => setDraft({ ...draft, ...change });

  useBlocker({
    // eslint-disable-next-line no-alert -- the browser's own question cannot be covered or missed
    shouldBlockFn: () => changes.size > 0 && !window.confirm(m.form.discard),
    enableBeforeUnload: () => changes.size > 0,
  });

  const save = useMutation({
    mutationFn: (base: Organization) => {
      const { name, ...settings } = Object.fromEntries([...changes.keys()].map((k) => [k, draft[k]])) as Partial<Draft>;
      return read(
        api.PATCH('/v1/organizations/{org}', {
          params: { path: { org }, header: { 'If-Match': base.etag } },
          body: { ...(name === undefined ? {} : { name: name.trim() }), settings: settings as Schemas['SettingsChange'] },
        }),
      );
    },
    onSuccess: async () => {
      const now = await queryClient.fetchQuery({ ...organizationQuery(org), staleTime: 0 });
      setBefore(now);
      setDraft(draftOf(now));
      setTheirs(undefined);
      notify(m.settings.saved);
      await queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
    },
    onError: async (error) => {
      if (error instanceof Failure && error.is('stale')) setTheirs(await queryClient.fetchQuery({ ...organizationQuery(org), staleTime: 0 }));
    },
  });
  const error = (field: string) => errorOf(save.error, `settings.${field}`) ?? errorOf(save.error, field);
  const anywhere = save.error instanceof Failure && save.error.fields.size > 0;
  const grantable = catalogue.filter((p) => !p.builtIn).map((p) => ({ value: p.name, label: p.title || p.name }));
  const row = { changes };
  return (
    <div className={css.settings}>
      <PageHead title={m.settings.title} about={may ? m.settings.about(before.name) : m.settings.aboutReader} />
      <section className="card">
        <Row {...row} field="name" about={m.settings.nameAbout}>
          <TextInput aria-label={m.settings.names.name} disabled={!may} maxLength={200} value={draft.name} error={error('name')} onChange={(e) => set({ name: e.currentTarget.value })} />
        </Row>
        <Row {...row} field="organizationKeysBy" about={m.settings.organizationKeysAbout}>
          <NativeSelect
            aria-label={m.settings.names.organizationKeysBy}
            disabled={!may}
            data={Object.entries(m.settings.organizationKeysBy).map(([value, label]) => ({ value, label }))}
            value={draft.organizationKeysBy}
            onChange={(e) => set({ organizationKeysBy: e.currentTarget.value as Draft['organizationKeysBy'] })}
          />
        </Row>
        <Row {...row} field="personalKeysBy" about={m.settings.personalKeysAbout}>
          <NativeSelect
            aria-label={m.settings.names.personalKeysBy}
            disabled={!may}
            data={Object.entries(m.settings.personalKeysBy).map(([value, label]) => ({ value, label }))}
            value={draft.personalKeysBy}
            onChange={(e) => set({ personalKeysBy: e.currentTarget.value as Draft['personalKeysBy'] })}
          />
        </Row>
        {(['defaultPermissions', 'memberPermissions'] as const).map((field) => (
          <Row key={field} {...row} field={field} about={field === 'defaultPermissions' ? m.settings.defaultsAbout : m.settings.memberPermissionsAbout}>
            <NativeSelect
              aria-label={m.settings.whose(m.settings.names[field])}
              disabled={!may}
              data={[
                { value: 'catalogue', label: m.settings.catalogueSays[field] },
                { value: 'own', label: m.settings.these },
              ]}
              value={draft[field] === null ? 'catalogue' : 'own'}
              onChange={(e) =>
                set({
                  [field]:
                    e.currentTarget.value === 'catalogue'
                      ? null
                      : catalogue.filter((p) => !p.builtIn && (field === 'memberPermissions' || p.default)).map((p) => p.name),
                })
              }
            />
            {draft[field] !== null && (
              <MultiSelect
                mt={8}
                aria-label={m.settings.names[field]}
                disabled={!may}
                searchable
                data={grantable}
                value={draft[field] ?? []}
                error={error(field)}
                onChange={(v) => set({ [field]: v })}
              />
            )}
          </Row>
        ))}
      </section>
      <section className="card">
        <Row {...row} field="longestLife" about={m.settings.lifeAbout}>
          <div className={css.lives}>
            {(['production', 'staging', 'development'] as const).map((e) => (
              <NumberInput
                key={e}
                label={environments[e]}
                disabled={!may}
                min={1}
                max={3650}
                allowDecimal={false}
                suffix=" d"
                placeholder={m.settings.noEnd}
                value={draft.longestLife[e] === null ? '' : Number.parseInt(draft.longestLife[e] ?? '', 10)}
                error={error(`longestLife.${e}`)}
                onChange={(n) => set({ longestLife: { ...draft.longestLife, [e]: n === '' ? null : `${n}d` } })}
              />
            ))}
          </div>
        </Row>
        <Row {...row} field="allowedAddresses" about={m.settings.addressesAbout}>
          <TagsInput
            aria-label={m.settings.names.allowedAddresses}
            disabled={!may}
            acceptValueOnBlur
            placeholder={draft.allowedAddresses.length === 0 ? m.key.anyAddress : ''}
            value={draft.allowedAddresses}
            error={[...(save.error instanceof Failure ? save.error.fields : [])].find(([at]) => at.includes('allowedAddresses'))?.[1]}
            onChange={(v) => set({ allowedAddresses: v })}
          />
        </Row>
        <Row {...row} field="legacyKeysAccepted" about={m.settings.legacyAbout}>
          <Switch
            label={draft.legacyKeysAccepted ? m.settings.accepted : m.settings.refused}
            disabled={!may}
            checked={draft.legacyKeysAccepted}
            onChange={(e) => set({ legacyKeysAccepted: e.currentTarget.checked })}
          />
        </Row>
        <Row {...row} field="sampleRequests" about={m.settings.sampleAbout}>
          <NumberInput
            aria-label={m.settings.names.sampleRequests}
            disabled={!may}
            min={0}
            max={100}
            suffix=" %"
            decimalScale={1}
            value={Math.round(draft.sampleRequests * 1000) / 10}
            error={error('sampleRequests')}
            onChange={(n) => set({ sampleRequests: Number(n) / 100 })}
          />
        </Row>
      </section>
      {mayDelete && (
        <section className={`card ${css.danger}`}>
          <div className={css.setting}>
            <div>
              <h2>{m.settings.deleteTitle}</h2>
              <p className="small quiet">{m.settings.deleteAbout(before.name, when[config().profile])}</p>
            </div>
            <div className={css.rowActions}>
              <Button variant="default" data-danger leftSection={<IconTrash size={15} stroke={2} aria-hidden />} onClick={() => setDeleting(true)}>
                {m.settings.delete}
              </Button>
            </div>
          </div>
        </section>
      )}
      {theirs && (
        <div role="alert">
          <Banner tone="warn" icon={<IconArrowsExchange size={18} />}>
            <b>{m.settings.stale}</b>
            <div className="small">{[...changesOf(draftOf(theirs), draftOf(before), titles).values()].join('; ')}</div>
            <span className="row wrap">
              <Button
                size="xs"
                onClick={() => {
                  const mine = Object.fromEntries([...changes.keys()].map((k) => [k, draft[k]]));
                  setBefore(theirs);
                  setDraft({ ...draftOf(theirs), ...mine });
                  setTheirs(undefined);
                  save.mutate(theirs);
                }}
              >
                {m.form.applyMine}
              </Button>
              <Button
                size="xs"
                variant="default"
                onClick={() => {
                  setBefore(theirs);
                  setDraft(draftOf(theirs));
                  setTheirs(undefined);
                  save.reset();
                }}
              >
                {m.form.discardMine}
              </Button>
            </span>
          </Banner>
        </div>
      )}
      {!theirs && !anywhere && <FailureBanner error={save.error} />}
      {changes.size > 0 && (
        <div className={css.saveBar} role="region" aria-label={m.settings.unsaved(changes.size)}>
          <span className={css.dot} aria-hidden="true" />
          <b className="small">{m.settings.unsaved(changes.size)}</b>
          <ul>
            {[...changes].map(([name, text]) => (
              <li key={name} className="name">
                {text}
              </li>
            ))}
          </ul>
          <span className="space" />
          <Button
            variant="subtle"
            disabled={save.isPending}
            onClick={() => {
              setDraft(draftOf(before));
              save.reset();
            }}
          >
            {m.discard}
          </Button>
          <Button loading={save.isPending} disabled={theirs !== undefined} onClick={() => save.mutate(before)}>
            {m.save}
          </Button>
        </div>
      )}
      {deleting && <Delete of={before} onClose={() => setDeleting(false)} />}
    </div>
  );
}

function Row({ field, about, changes, children }: { field: keyof Draft; about: ReactNode; changes: Map<keyof Draft, string>; children: ReactNode }) {
  return (
    <div className={css.setting}>
      <div>
        <div className="row strong">
          {m.settings.names[field]}
          {changes.has(field) && <Tag>{m.settings.changed}</Tag>}
        </div>
        <p className="small quiet">{about}</p>
      </div>
      <div>{children}</div>
    </div>
  );
}

function Delete({ of: organization, onClose }: { of: Organization; onClose: () => void }) {
  const [typed, setTyped] = useState('');
  const navigate = useNavigate();
  const remove = useMutation({
    mutationFn: () => read(api.DELETE('/v1/organizations/{org}', { params: { path: { org: organization.id }, header: { 'If-Match': organization.etag } } })),
    onSuccess: async () => {
      notify(m.settings.deleted(organization.name));
      await queryClient.invalidateQueries({ queryKey: meQuery.queryKey });
      queryClient.removeQueries({ queryKey: [organization.id] });
      await navigate({ to: '/', ignoreBlocker: true });
    },
  });
  return (
    <FormDialog
      alert
      danger
      icon={<IconTrash size={22} />}
      title={m.settings.deleteAsk(organization.name)}
      about={m.settings.deleteBody(when[config().profile])}
      error={remove.error}
      submit={m.settings.deleteConfirm}
      blocked={typed.trim() !== organization.id}
      busy={remove.isPending}
      onSubmit={() => remove.mutate()}
      onClose={onClose}
    >
      <TextInput label={m.delete.type(organization.id)} autoComplete="off" spellCheck={false} value={typed} onChange={(e) => setTyped(e.currentTarget.value)} />
    </FormDialog>
  );
}
