import { Button, FileButton, Textarea } from '@mantine/core';
import { IconCircleCheck, IconCircleX, IconFileUpload, IconInfoCircle, IconUpload } from '@tabler/icons-react';
import { useMutation } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useMemo, useState } from 'react';
import { api, read, type Schemas } from '../api/client';
import { keysChanged } from '../api/queries';
import { useAttempt } from '../api/useAttempt';
import { m } from '../messages';
import { useMembership } from '../shell/Shell';
import { PageHead, Table } from '../ui/page';
import { Banner, FailureBanner, State } from '../ui/states';
import uiCss from '../ui/ui.module.css';
import { most, type Row, rowsOf } from './importing';
import css from './org.module.css';

/** Brings keys of another system, by their hashes, and says of each what became of it. */
export function Import() {
  const { org } = useParams({ from: '/signed-in/$org/keys/import' });
  const membership = useMembership();
  const [text, setText] = useState('');
  const [sent, setSent] = useState<Row[]>([]);
  const attempt = useAttempt();
  const rows = useMemo(() => rowsOf(text), [text]);
  const good = rows.filter((r) => 'entry' in r);
  const wrong = rows.filter((r) => 'wrong' in r);
  const bring = useMutation({
    mutationFn: (entries: Row[]) =>
      attempt((once) =>
        read<Schemas['ImportResult']>(
          api.POST('/v1/organizations/{org}/keys/import', {
            params: { path: { org }, header: { 'Idempotency-Key': once } },
            body: { keys: entries.flatMap((r) => ('entry' in r ? [r.entry] : [])) },
          }),
        ),
      ),
    onSuccess: async (_, entries) => {
      setSent(entries);
      await keysChanged(org);
    },
  });

  if (!membership.operations.includes('importKeys')) {
    return (
      <div className="card">
        <State icon={<IconUpload size={22} />} tone="mute" title={m.import.title}>
          {m.keys.emptyViewer}
        </State>
      </div>
    );
  }

  const result = bring.data;
  const outcomes = result && sent.map((row, i) => ({ row, failed: result.failed.find((f) => f.index === i) }));
  return (
    <div className={css.import}>
      <PageHead title={m.import.title} about={m.import.about} />
      <section className="card">
        <Banner tone="info" icon={<IconInfoCircle size={18} />}>
          {m.import.hashes}
        </Banner>
        <Textarea
          label={m.import.paste}
          description={m.import.format}
          placeholder={'name,environment,hash,permissions\nBilling,production,9f86d081884c7d65…,messages:read messages:write'}
          rows={8}
          spellCheck={false}
          value={text}
          onChange={(e) => setText(e.currentTarget.value)}
        />
        <div className="row wrap">
          <FileButton accept=".csv,.json,text/csv,application/json" onChange={(file) => void file?.text().then(setText)}>
            {(props) => (
              <Button {...props} variant="default" leftSection={<IconFileUpload size={15} stroke={2} aria-hidden />}>
                {m.import.file}
              </Button>
            )}
          </FileButton>
          <span className="small quiet" role="status">
            {rows.length > 0 && m.import.ready(good.length, wrong.length)}
          </span>
          <span className="space" />
          <Button
            loading={bring.isPending}
            disabled={good.length === 0 || wrong.length > 0 || good.length > most}
            leftSection={<IconUpload size={15} stroke={2} aria-hidden />}
            onClick={() => bring.mutate(good)}
          >
            {m.import.submit(good.length)}
          </Button>
        </div>
        {good.length > most && <p className="small strong">{m.import.tooMany(most)}</p>}
        <FailureBanner error={bring.error} />
      </section>
      {wrong.length > 0 && (
        <section className="card" aria-label={m.import.wrong}>
          <h2>{m.import.wrong}</h2>
          <Table
            caption={m.import.wrong}
            rows={wrong.slice(0, 100)}
            keyOf={(r) => String(r.line)}
            columns={[
              { name: m.import.line, cell: (r) => <span className="numbers">{r.line}</span> },
              { name: m.keys.columns.name, cell: (r) => <span className="name">{r.name || '–'}</span> },
              { name: m.jobs.detail, cell: (r) => ('wrong' in r ? r.wrong : '') },
            ]}
          />
        </section>
      )}
      {result && outcomes && (
        <section className="card" aria-label={m.import.result}>
          <div role="status">
            <h2>{m.import.done(result.imported, result.failed.length)}</h2>
          </div>
          <Table
            caption={m.import.result}
            rows={outcomes.slice(0, 200)}
            keyOf={(o) => String(o.row.line)}
            columns={[
              { name: m.import.line, cell: (o) => <span className="numbers">{o.row.line}</span> },
              { name: m.keys.columns.name, cell: (o) => <span className="name">{o.row.name}</span> },
              {
                name: m.import.result,
                cell: (o) =>
                  o.failed ? (
                    <span className={`${uiCss.pill} ${o.failed.code === 'duplicate' ? uiCss.mute : uiCss.bad}`}>
                      <IconCircleX size={14} stroke={2.2} aria-hidden />
                      {o.failed.code === 'duplicate' ? m.import.duplicate : m.import.refused}
                    </span>
                  ) : (
                    <span className={`${uiCss.pill} ${uiCss.ok}`}>
                      <IconCircleCheck size={14} stroke={2.2} aria-hidden />
                      {m.import.imported}
                    </span>
                  ),
              },
              { name: m.jobs.detail, cell: (o) => <span className="name">{o.failed?.detail ?? ''}</span> },
            ]}
          />
          <p className="small">
            <Link to="/$org/keys" params={{ org }} search={{}}>
              {m.key.back}
            </Link>
          </p>
        </section>
      )}
    </div>
  );
}
