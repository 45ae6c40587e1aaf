import { ActionIcon, Button, CloseButton, Drawer, MultiSelect, NativeSelect, NumberInput, TagsInput, Textarea, TextInput } from '@mantine/core';
import {
  IconAdjustmentsHorizontal,
  IconBolt,
  IconBuilding,
  IconBuildingStore,
  IconCalendar,
  IconMapPin,
  IconTrash,
  IconUser,
} from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useBlocker } from '@tanstack/react-router';
import { createContext, type ReactNode, use, useEffect, useId, useRef, useState } from 'react';
import { Failure, type Membership, type Permission } from '../api/client';
import { customersQuery } from '../api/queries';
import type { Environment } from '../config';
import { date, fromLocalInput, limitOf, quotaOf } from '../format';
import { environments, environmentUses, m } from '../messages';
import { Cards } from '../ui/Cards';
import { EnvironmentShape, Tag } from '../ui/marks';
import { FailureBanner } from '../ui/states';
import { type Draft, wrongLine } from './draft';
import css from './form.module.css';
import { byName, routesOf } from './parts';
import { PermissionPicker } from './PermissionPicker';

interface Props {
  title: string;
  isNew: boolean;
  draft: Draft;
  onChange: (draft: Draft) => void;
  dirty: boolean;
  membership: Membership;
  catalogue: Permission[];
  defaults: string[];
  held: string[];
  longestLife?: string | undefined;
  error: unknown;
  busy: boolean;
  submit: string;
  canSubmit: boolean;
  changes?: ReactNode;
  only?: 'permissions'; // the part that is shown alone
  about?: string;
  used?: string[] | undefined;
  summary?: string;
  part?: string | undefined; // the part that is open from the start
  onSubmit: () => void;
  onClose: () => void;
}

/** The form of a key, new or changed, in a drawer over what it was opened from. */
export function KeyForm(props: Props) {
  const { draft, onChange, error, membership } = props;
  const set = (change: Partial<Draft>) => onChange({ ...draft, ...change });
  const body = useRef<HTMLDivElement>(null);
  const errors = error instanceof Failure ? error.fields : new Map<string, string>();
  const errorOf = (name: string) => [...errors].find(([at]) => at === name || at.startsWith(`${name}[`) || at.startsWith(`${name}.`))?.[1];

  // The first field that is wrong has the focus.
  useEffect(() => {
    if (!(error instanceof Failure)) return;
    requestAnimationFrame(() => body.current?.querySelector<HTMLElement>('[aria-invalid=true], [data-field][data-wrong] input')?.focus());
  }, [error]);

  // eslint-disable-next-line no-alert -- the browser's own question cannot be covered or missed
  const mayLeave = () => !props.busy && (!props.dirty || window.confirm(m.form.discard));
  const close = () => mayLeave() && props.onClose();
  useBlocker({ shouldBlockFn: () => !mayLeave(), enableBeforeUnload: () => props.dirty });

  const metadataError = wrongLine(draft.metadata);
  return (
    <OpenPart value={props.part}>
    <Drawer.Root opened onClose={close} position="right" size={props.only ? 700 : 620} transitionProps={{ duration: 0 }}>
      <Drawer.Overlay />
      <Drawer.Content>
        <form
          className={css.form}
          noValidate
          onSubmit={(e) => {
            e.preventDefault();
            if (props.canSubmit && !metadataError && !props.busy) props.onSubmit();
          }}
        >
          <div className={css.head}>
            <div>
              <Drawer.Title className="name">{props.title}</Drawer.Title>
              {props.about && <p className="small dim name">{props.about}</p>}
            </div>
            <span className="space" />
            <CloseButton size={34} iconSize={18} aria-label={m.close} onClick={close} />
          </div>
          <div className={css.body} ref={body}>
            {error instanceof Failure && errors.size > 0 ? (
              <div role="alert" className="hidden">
                {m.form.fixErrors(errors.size)}
              </div>
            ) : (
              <FailureBanner error={error} />
            )}
            {!props.only && (
            <TextInput
              label={m.form.name}
              placeholder={m.form.namePlaceholder}
              data-autofocus
              required
              withAsterisk={false}
              maxLength={200}
              value={draft.name}
              error={errorOf('name')}
              onChange={(e) => set({ name: e.currentTarget.value })}
            />
            )}
            {props.isNew && <EnvironmentChoice value={draft.environment} onChange={(environment) => set({ environment })} />}
            {props.isNew && membership.mayCreate.organization && membership.mayCreate.personal && (
              <OwnershipChoice value={draft.ownership} onChange={(ownership) => set({ ownership })} />
            )}
            <PermissionPicker
              catalogue={props.catalogue}
              mayGrant={membership.mayGrant}
              chosen={draft.permissions}
              all={draft.allPermissions}
              held={props.held}
              defaults={props.defaults}
              org={membership.id}
              used={props.used}
              alone={props.only !== undefined}
              error={errorOf('permissions') ?? errorOf('allPermissions')}
              onChange={(permissions, allPermissions) => set({ permissions, allPermissions })}
            />
            {!props.only && (
            <div className={css.rows}>
              <Limits draft={draft} set={set} error={errorOf('rateLimits') ?? errorOf('quota')} />
              <Expiry draft={draft} set={set} isNew={props.isNew} life={props.longestLife} error={errorOf('expiresAt')} />
              <Customers org={membership.id} draft={draft} set={set} error={errorOf('customers')} />
              <Addresses draft={draft} set={set} error={errorOf('allowedAddresses')} />
              <More
                draft={draft}
                set={set}
                errors={{
                  notBefore: errorOf('notBefore'),
                  description: errorOf('description'),
                  tags: errorOf('tags'),
                  metadata: metadataError ? m.form.metadataWrong(metadataError) : errorOf('metadata'),
                }}
              />
            </div>
            )}
          </div>
          <div className={css.changes}>{props.changes}</div>
          <div className={css.foot}>
            {props.summary === undefined ? <Summary draft={draft} catalogue={props.catalogue} /> : <div className="small quiet">{props.summary}</div>}
            <Button variant="subtle" onClick={close} disabled={props.busy}>
              {m.cancel}
            </Button>
            <Button type="submit" loading={props.busy} disabled={!props.canSubmit || metadataError !== undefined}>
              {props.submit}
            </Button>
          </div>
        </form>
      </Drawer.Content>
    </Drawer.Root>
    </OpenPart>
  );
}

/** What the key will open, and whether it may be published. */
function Summary({ draft, catalogue }: { draft: Draft; catalogue: Permission[] }) {
  const names = byName(catalogue);
  const routes = routesOf(draft.permissions, draft.allPermissions, names).length;
  const publishable = !draft.allPermissions && draft.permissions.every((name) => names.get(name)?.publishable);
  const limits = [
    ...draft.rateLimits.filter((l) => l.limit !== '').map((l) => limitOf({ ...l, limit: Number(l.limit) })),
    ...(draft.quota ? [quotaOf({ ...draft.quota, limit: Number(draft.quota.limit) })] : []),
  ];
  const ends = fromLocalInput(draft.expiresAt);
  const says = [
    ...(draft.permissions.length > 0 || draft.allPermissions ? [publishable ? m.form.publishable : m.form.secret] : []),
    ...limits.slice(0, 1),
    ...(ends ? [m.form.until(date(ends))] : []),
  ];
  return (
    <div aria-live="polite">
      <div className="small strong">{m.form.opensIn(routes, environments[draft.environment])}</div>
      <div className="tiny dim">{says.join(' · ')}</div>
    </div>
  );
}

function EnvironmentChoice({ value, onChange }: { value: Environment; onChange: (e: Environment) => void }) {
  return (
    <Cards
      legend={
        <>
          {m.form.environment}
          <span className={css.fixed}>{m.form.fixed}</span>
        </>
      }
      name="environment"
      value={value}
      values={(Object.keys(environments) as Environment[]).map((e) => ({
        value: e,
        icon: (
          <span className={css.shape} data-environment={e}>
            <EnvironmentShape of={e} />
          </span>
        ),
        label: environments[e],
        about: environmentUses[e],
      }))}
      onChange={onChange}
    />
  );
}

function OwnershipChoice({ value, onChange }: { value: Draft['ownership']; onChange: (o: Draft['ownership']) => void }) {
  return (
    <Cards
      legend={m.form.whoSees}
      name="ownership"
      value={value}
      values={[
        { value: 'organization', icon: <IconBuilding size={15} aria-hidden />, label: m.form.organization, about: m.form.organizationAbout },
        { value: 'personal', icon: <IconUser size={15} aria-hidden />, label: m.form.personal, about: m.form.personalAbout },
      ]}
      onChange={onChange}
    />
  );
}

/** The part of the form that is open from the start. */
const OpenPart = createContext<string | undefined>(undefined);

/** What is said of a part of the form in a line, until it is opened. */
function Part({
  part,
  icon,
  title,
  values,
  verb,
  wrong,
  children,
}: {
  part?: string;
  icon: ReactNode;
  title: string;
  values: ReactNode;
  verb: string;
  wrong: boolean;
  children: ReactNode;
}) {
  const asked = use(OpenPart);
  const [opened, setOpened] = useState(asked !== undefined && asked === part);
  const id = useId();
  const open = opened || wrong;
  return (
    <div className={css.summary}>
      <div>
        {icon}
        <span className="strong small" id={id}>
          {title}
        </span>
        <span className={css.values}>{values}</span>
        {!open && (
          <Button variant="subtle" data-link size="xs" aria-label={`${verb}: ${title}`} onClick={() => setOpened(true)}>
            {verb}
          </Button>
        )}
      </div>
      {open && (
        <div className={css.inside} role="group" aria-labelledby={id}>
          {children}
        </div>
      )}
    </div>
  );
}

interface PartProps {
  draft: Draft;
  set: (change: Partial<Draft>) => void;
  error: string | undefined;
}

function Limits({ draft, set, error }: PartProps) {
  const limits = draft.rateLimits;
  const change = (i: number, to: Partial<Draft['rateLimits'][number]>) =>
    set({ rateLimits: limits.map((l, at) => (at === i ? { ...l, ...to } : l)) });
  const add = () => {
    const names = new Set(limits.map((l) => l.name));
    const name = ['burst', 'steady', 'limit-3', 'limit-4', 'limit-5'].find((n) => !names.has(n)) ?? 'limit';
    set({ rateLimits: [...limits, { name, limit: '', window: limits.length === 0 ? '1m' : '1h' }] });
  };
  return (
    <Part
      part="rateLimits"
      icon={<IconBolt size={18} stroke={1.75} aria-hidden />}
      title={m.form.limits}
      verb={m.form.change}
      wrong={error !== undefined}
      values={
        limits.length === 0 && !draft.quota ? (
          m.form.none
        ) : (
          <>
            {limits.map((l) => l.limit !== '' && <Tag key={l.name}>{limitOf({ ...l, limit: Number(l.limit) })}</Tag>)}
            {draft.quota?.limit && <Tag>{quotaOf({ ...draft.quota, limit: Number(draft.quota.limit) })}</Tag>}
          </>
        )
      }
    >
      {limits.map((l, i) => (
        <Amount
          key={l.name}
          label={m.form.limitNumber(i + 1)}
          placeholder={m.form.rateLimit}
          value={l.limit}
          onChange={(limit) => change(i, { limit })}
          unitLabel={m.form.windowNumber(i + 1)}
          unit={l.window}
          units={{
            ...Object.fromEntries(Object.entries(m.form.windows).map(([window, word]) => [window, m.form.windowOf(word)])),
            ...(l.window in m.form.windows ? {} : { [l.window]: l.window }),
          }}
          onUnit={(window) => change(i, { window })}
        >
          <ActionIcon
            variant="subtle"
            size={34}
            aria-label={m.form.removeLimit(i + 1)}
            onClick={() => set({ rateLimits: limits.filter((_, at) => at !== i) })}
          >
            <IconTrash size={18} stroke={1.75} />
          </ActionIcon>
        </Amount>
      ))}
      {limits.length < 5 && (
        <div>
          <Button variant="default" size="xs" onClick={add}>
            {m.form.addLimit}
          </Button>
        </div>
      )}
      <Amount
        label={m.form.quota}
        placeholder={m.form.quotaNone}
        value={draft.quota?.limit ?? ''}
        onChange={(limit) => set({ quota: limit === '' ? undefined : { limit, period: draft.quota?.period ?? 'month' } })}
        unitLabel={m.form.quotaPeriod}
        unit={draft.quota?.period ?? 'month'}
        units={m.form.periods}
        onUnit={draft.quota && ((period) => set({ quota: { limit: draft.quota?.limit ?? '', period: period as 'day' | 'month' } }))}
      />
      {error && (
        <p className={css.error} role="alert">
          {error}
        </p>
      )}
    </Part>
  );
}

/** So many calls in a time; without onUnit the time cannot be chosen. */
function Amount({
  label,
  placeholder,
  value,
  onChange,
  unitLabel,
  unit,
  units,
  onUnit,
  children,
}: {
  label: string;
  placeholder: string;
  value: string;
  onChange: (value: string) => void;
  unitLabel: string;
  unit: string;
  units: Record<string, string>;
  onUnit: ((unit: string) => void) | undefined;
  children?: ReactNode;
}) {
  return (
    <div className={css.limit}>
      <NumberInput
        aria-label={label}
        placeholder={placeholder}
        hideControls
        allowDecimal={false}
        allowNegative={false}
        thousandSeparator=","
        value={value}
        onChange={(n) => onChange(String(n))}
      />
      <NativeSelect
        aria-label={unitLabel}
        data={Object.entries(units).map(([value, label]) => ({ value, label }))}
        value={unit}
        disabled={!onUnit}
        onChange={(e) => onUnit?.(e.currentTarget.value)}
      />
      {children}
    </div>
  );
}

function Expiry({ draft, set, error, isNew, life }: PartProps & { isNew: boolean; life: string | undefined }) {
  const ends = fromLocalInput(draft.expiresAt);
  return (
    <Part
      part="expiresAt"
      icon={<IconCalendar size={18} stroke={1.75} aria-hidden />}
      title={m.form.expires}
      verb={m.form.change}
      wrong={error !== undefined}
      values={ends ? date(ends) : m.key.neverExpires}
    >
      <TextInput
        type="datetime-local"
        label={m.form.expiresAt}
        description={isNew ? m.form.expiresHelp(life) : m.form.expiresEdit}
        value={draft.expiresAt}
        error={error}
        onChange={(e) => set({ expiresAt: e.currentTarget.value })}
      />
    </Part>
  );
}

function Customers({ org, draft, set, error }: PartProps & { org: string }) {
  const { data } = useQuery(customersQuery(org));
  const known = data?.items ?? [];
  const options = [
    ...known.map((c) => ({ value: c.id, label: c.name })),
    ...draft.customers.filter((id) => !known.some((c) => c.id === id)).map((id) => ({ value: id, label: id })),
  ];
  return (
    <Part
      part="customers"
      icon={<IconBuildingStore size={18} stroke={1.75} aria-hidden />}
      title={m.form.customers}
      verb={m.form.narrow}
      wrong={error !== undefined}
      values={
        draft.customers.length === 0
          ? m.key.everyCustomer
          : draft.customers.map((id) => <Tag key={id}>{options.find((o) => o.value === id)?.label ?? id}</Tag>)
      }
    >
      <MultiSelect
        aria-label={m.form.customers}
        description={m.form.customersHelp}
        nothingFoundMessage={m.form.customersNone}
        searchable
        data={options}
        value={draft.customers}
        error={error}
        comboboxProps={{ withinPortal: true }}
        onChange={(customers) => set({ customers })}
      />
    </Part>
  );
}

function Addresses({ draft, set, error }: PartProps) {
  return (
    <Part
      part="allowedAddresses"
      icon={<IconMapPin size={18} stroke={1.75} aria-hidden />}
      title={m.form.addresses}
      verb={m.form.narrow}
      wrong={error !== undefined}
      values={draft.allowedAddresses.length === 0 ? m.key.anyAddress : draft.allowedAddresses.map((a) => <Tag key={a}>{a}</Tag>)}
    >
      <TagsInput
        aria-label={m.form.addresses}
        description={m.form.addressesHelp}
        value={draft.allowedAddresses}
        error={error}
        splitChars={[',', ' ']}
        acceptValueOnBlur
        onChange={(allowedAddresses) => set({ allowedAddresses })}
      />
    </Part>
  );
}

function More({
  draft,
  set,
  errors,
}: Omit<PartProps, 'error'> & { errors: Record<'notBefore' | 'description' | 'tags' | 'metadata', string | undefined> }) {
  const starts = fromLocalInput(draft.notBefore);
  return (
    <Part
      part="notBefore"
      icon={<IconAdjustmentsHorizontal size={18} stroke={1.75} aria-hidden />}
      title={m.form.more}
      verb={m.form.add}
      wrong={Object.values(errors).some((e) => e !== undefined)}
      values={
        <>
          {starts && <Tag>{m.status.starts(date(starts))}</Tag>}
          {draft.tags.map((t) => (
            <Tag key={t}>{t}</Tag>
          ))}
        </>
      }
    >
      <TextInput
        type="datetime-local"
        label={m.form.notBefore}
        value={draft.notBefore}
        error={errors.notBefore}
        onChange={(e) => set({ notBefore: e.currentTarget.value })}
      />
      <Textarea
        label={m.form.description}
        rows={2}
        maxLength={1000}
        value={draft.description}
        error={errors.description}
        onChange={(e) => set({ description: e.currentTarget.value })}
      />
      <TagsInput
        label={m.form.tags}
        description={m.form.tagsHelp}
        value={draft.tags}
        error={errors.tags}
        acceptValueOnBlur
        onChange={(tags) => set({ tags })}
      />
      <Textarea
        label={m.form.metadata}
        description={m.form.metadataHelp}
        rows={2}
        value={draft.metadata}
        error={errors.metadata}
        onChange={(e) => set({ metadata: e.currentTarget.value })}
      />
    </Part>
  );
}
