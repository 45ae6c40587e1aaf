import { Button } from '@mantine/core';
import { IconBriefcase, IconCircleCheck, IconCircleX, IconClock, IconDownload, IconLoader } from '@tabler/icons-react';
import { useInfiniteQuery, useQuery } from '@tanstack/react-query';
import { Link, useParams } from '@tanstack/react-router';
import { useEffect, useRef } from 'react';
import { Failure, type Schemas } from '../api/client';
import { isOver, jobQuery, jobsQuery, keysChanged, queryClient } from '../api/queries';
import { number, stampOf } from '../format';
import { actorName } from '../keys/parts';
import { m } from '../messages';
import { Listed, Loading, Meter, PageHead, Table } from '../ui/page';
import { announce, Banner, Failed, State } from '../ui/states';
import { Time } from '../ui/Time';
import uiCss from '../ui/ui.module.css';
import css from './org.module.css';

type Job = Schemas['Job'];

const nameOf = (job: Job) => (job.action ? `${m.jobs.kinds[job.kind] ?? job.kind}: ${m.jobs.actions[job.action] ?? job.action}` : (m.jobs.kinds[job.kind] ?? job.kind));

/** What is done in the background. */
export function Jobs() {
  const { org } = useParams({ from: '/signed-in/$org/jobs' });
  const jobs = useInfiniteQuery({ ...jobsQuery(org), refetchInterval: 10_000 });
  return (
    <>
      <PageHead title={m.jobs.title} about={m.jobs.about} />
      <Listed
        of={jobs}
        nothing={
          <State icon={<IconBriefcase size={22} />} tone="mute" title={m.jobs.none}>
            {m.jobs.noneBody}
          </State>
        }
      >
        {(rows) => (
          <Table
            caption={m.jobs.title}
            rows={rows}
            keyOf={(j) => j.id}
            columns={[
              {
                name: m.jobs.job,
                cell: (j) => (
                  <Link className="strong" to="/$org/jobs/$job" params={{ org, job: j.id }}>
                    {nameOf(j)}
                  </Link>
                ),
              },
              { name: m.jobs.state, cell: (j) => <StatePill of={j} /> },
              { name: m.jobs.progress, cell: (j) => <span className="numbers">{m.jobs.of(j.progress.done, j.progress.total)}</span> },
              { name: m.jobs.errors, numeric: true, cell: (j) => number(j.result.failed) },
              { name: m.jobs.by, cell: (j) => <span className="name">{actorName(j.createdBy)}</span> },
              { name: m.jobs.begun, cell: (j) => <Time at={j.createdAt} show={stampOf} /> },
            ]}
          />
        )}
      </Listed>
    </>
  );
}

function StatePill({ of: job }: { of: Job }) {
  const [Icon, tone] = {
    queued: [IconClock, uiCss.mute],
    running: [IconLoader, uiCss.mute],
    done: [IconCircleCheck, uiCss.ok],
    failed: [IconCircleX, uiCss.bad],
  }[job.state] as [typeof IconClock, string];
  return (
    <span className={`${uiCss.pill} ${tone}`}>
      <Icon size={14} stroke={2.2} aria-hidden />
      {m.jobs.states[job.state]}
    </span>
  );
}

/** One job: how far it is, and what went wrong. */
export function JobPage() {
  const { org, job: id } = useParams({ from: '/signed-in/$org/jobs/$job' });
  const { data: job, error, refetch, isPending } = useQuery(jobQuery(org, id));
  const over = job !== undefined && isOver(job);
  const watched = useRef(false);
  useEffect(() => {
    if (job && !over) watched.current = true;
    if (job && over && watched.current) {
      announce(m.jobs.announced(m.jobs.states[job.state] ?? job.state, job.result.changed));
      void keysChanged(org);
      void queryClient.invalidateQueries({ queryKey: [org, 'jobs'] });
    }
  }, [job, over, org]);

  if (isPending) return <Loading />;
  if (!job) {
    return (
      <div className="card">
        {error instanceof Failure && error.is('not_found') ? (
          <State icon={<IconBriefcase size={22} />} tone="mute" title={m.jobs.missing}>
            {m.jobs.missingBody}
          </State>
        ) : (
          <Failed error={error} retry={() => void refetch()} />
        )}
      </div>
    );
  }

  return (
    <>
      <PageHead title={nameOf(job)} about={m.jobs.begunBy(actorName(job.createdBy), stampOf(job.createdAt))}>
        <StatePill of={job} />
      </PageHead>
      <section className={`card ${css.job}`}>
        <Meter of={job.progress.total ? job.progress.done / job.progress.total : over ? 1 : 0} label={m.jobs.progress} />
        <p className="small numbers" aria-live="polite">
          {m.jobs.of(job.progress.done, job.progress.total)}
        </p>
        <dl>
          <dt>{m.jobs.changed}</dt>
          <dd>{number(job.result.changed)}</dd>
          <dt>{m.jobs.unchanged}</dt>
          <dd>{number(job.result.unchanged)}</dd>
          <dt>{m.jobs.errors}</dt>
          <dd>{number(job.result.failed)}</dd>
        </dl>
      </section>
      {job.errors.length > 0 && (
        <section className="card">
          <div className={css.sectionHead}>
            <h2>{m.jobs.errors}</h2>
            <span className="space" />
            <Button variant="default" size="xs" leftSection={<IconDownload size={15} stroke={2} aria-hidden />} onClick={() => saveErrors(job)}>
              {m.usage.csv}
            </Button>
          </div>
          {job.result.failed > job.errors.length && <Banner icon={<IconCircleX size={18} />}>{m.jobs.first(job.errors.length, job.result.failed)}</Banner>}
          <Table
            caption={m.jobs.errors}
            rows={job.errors}
            keyOf={(e) => `${e.keyId} ${e.code}`}
            columns={[
              {
                name: m.requests.key,
                cell: (e) => (
                  <Link className="mono" to="/$org/keys/$keyId" params={{ org, keyId: e.keyId }}>
                    {e.keyId}
                  </Link>
                ),
              },
              { name: m.jobs.code, cell: (e) => <span className="mono">{e.code}</span> },
              { name: m.jobs.detail, cell: (e) => <span className="name">{e.detail}</span> },
            ]}
          />
        </section>
      )}
    </>
  );
}

/** A field of CSV. A text that a spreadsheet would take for a formula is kept from being one. */
const field = (text: string) => `"${text.replace(/^[=+\-@\t\r]/, "'$&").replaceAll('"', '""')}"`;

function saveErrors(job: Job): void {
  const lines = [['keyId', 'code', 'detail'], ...job.errors.map((e) => [e.keyId, e.code, e.detail])];
  const url = URL.createObjectURL(new Blob([lines.map((l) => l.map(field).join(',')).join('\r\n')], { type: 'text/csv' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `job-${job.id}.csv`;
  link.click();
  URL.revokeObjectURL(url);
}
