import { Button, Checkbox } from '@mantine/core';
import { IconAlertTriangle, IconCheck, IconCopy, IconFileDownload, IconLock } from '@tabler/icons-react';
import { useQuery } from '@tanstack/react-query';
import { useBlocker } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import type { Key } from '../api/client';
import { catalogueQuery } from '../api/queries';
import { config } from '../config';
import { m } from '../messages';
import { Dialog, DialogTitle } from '../ui/Dialog';
import { Blade } from '../ui/marks';
import { Banner, useCopy } from '../ui/states';
import uiCss from '../ui/ui.module.css';
import css from './dialogs.module.css';
import { byName } from './parts';
import { fileName, filled, masked, snippetsOf } from './snippets';

/**
 * Shows a secret, this once. It is in the state of this dialog's owner and nowhere else: not in a
 * cache, a storage or an address. The way out is to say that it was stored, or that it was not.
 */
export function SecretDialog({ of: key, secret, onClose }: { of: Key; secret: string; onClose: () => void }) {
  const { data } = useQuery(catalogueQuery);
  const [stored, setStored] = useState(false);
  const [leaving, setLeaving] = useState(false);
  const [tab, setTab] = useState(0);
  const gate = useRef<HTMLInputElement>(null);
  const main = useCopy();
  const example = useCopy();

  // Leaving the page loses the secret: the browser asks first. A page that is kept for "back" must
  // not keep it.
  useEffect(() => {
    const warn = (e: BeforeUnloadEvent) => e.preventDefault();
    window.addEventListener('beforeunload', warn);
    window.addEventListener('pagehide', onClose);
    return () => {
      window.removeEventListener('beforeunload', warn);
      window.removeEventListener('pagehide', onClose);
    };
  }, [onClose]);

  // So does going elsewhere within the console, such as back.
  useBlocker({
    shouldBlockFn: () => {
      gate.current?.focus();
      return true;
    },
    enableBeforeUnload: false,
  });

  const snippets = snippetsOf(key, byName(data?.permissions ?? []), config());
  const snippet = snippets[tab] ?? snippets[0];
  if (!snippet) return null;

  const download = () => {
    const url = URL.createObjectURL(new Blob([`BITTING_API_KEY=${secret}\n`], { type: 'text/plain' }));
    const link = document.createElement('a');
    link.href = url;
    link.download = fileName(key);
    link.click();
    URL.revokeObjectURL(url);
  };

  const [before, name, after] = m.secret.body(key.name);
  return (
    <Dialog size={716} onClose={() => gate.current?.focus()}>
      <div className={css.secretHead}>
        <Blade id={key.id} tone={key.environment} large />
        <div>
          <DialogTitle className={css.title}>{m.secret.title}</DialogTitle>
          <p className="quiet">
            {before}
            <b className="name">{name}</b>
            {after}
          </p>
        </div>
      </div>

      <div className={css.secret}>
        <code translate="no" dir="ltr" aria-label={m.secret.secret} tabIndex={0}>
          {secret}
        </code>
        <Button
          data-autofocus
          leftSection={main.copied ? <IconCheck size={16} /> : <IconCopy size={16} />}
          onClick={() => void main.copy(secret)}
        >
          {main.copied ? m.secret.copied : m.secret.copy}
        </Button>
      </div>
      {(main.failed || example.failed) && (
        <Banner tone="warn" icon={<IconAlertTriangle size={18} />}>
          {m.secret.copyFailed}
        </Banner>
      )}

      <div className={css.examples}>
        <Tabs names={snippets.map((s) => s.name)} chosen={tab} onChoose={setTab} />
        <span className="space" />
        <Button variant="default" size="xs" leftSection={<IconFileDownload size={15} />} onClick={download}>
          {m.secret.download}
        </Button>
      </div>
      <div className={css.example} role="tabpanel" id="example" aria-labelledby={`example-${tab}`}>
        <pre tabIndex={0} translate="no" dir="ltr">
          {masked(snippet, secret)}
        </pre>
        <Button
          variant="default"
          size="xs"
          aria-label={m.secret.copyExample(snippet.name)}
          leftSection={example.copied ? <IconCheck size={15} /> : <IconCopy size={15} />}
          onClick={() => void example.copy(filled(snippet, secret))}
        >
          {example.copied ? m.secret.copied : m.secret.copy}
        </Button>
      </div>

      <div className={css.gate}>
        <Checkbox
          ref={gate}
          label={<b>{m.secret.stored}</b>}
          description={m.secret.where}
          checked={stored}
          onChange={(e) => setStored(e.currentTarget.checked)}
        />
      </div>
      <div className={css.buttons}>
        <span className="row tiny dim">
          <IconLock size={15} aria-hidden />
          {m.secret.never}
        </span>
        <span className="space" />
        {leaving ? (
          <>
            <span className="small">{m.secret.withoutBody}</span>
            <Button variant="default" data-danger onClick={onClose}>
              {m.secret.without}
            </Button>
          </>
        ) : (
          !stored && (
            <Button variant="subtle" onClick={() => setLeaving(true)}>
              {m.secret.without}
            </Button>
          )
        )}
        <Button disabled={!stored} onClick={onClose}>
          {m.secret.done}
        </Button>
      </div>
    </Dialog>
  );
}

/** Says that a secret was made and did not arrive: an earlier attempt got it. */
export function LostSecret({ regenerated, onClose }: { regenerated: boolean; onClose: () => void }) {
  return (
    <Dialog size={540} onClose={onClose}>
      <DialogTitle className={css.title}>{m.secret.lostTitle}</DialogTitle>
      <div className={css.body}>
      <Banner tone="warn" icon={<IconAlertTriangle size={18} />}>
        {regenerated ? m.secret.lostRegenerate : m.secret.lost}
      </Banner>
      </div>
      <div className={css.buttons}>
        <span className="space" />
        <Button onClick={onClose}>{m.close}</Button>
      </div>
    </Dialog>
  );
}

function Tabs({ names, chosen, onChoose }: { names: string[]; chosen: number; onChoose: (i: number) => void }) {
  const tabs = useRef<(HTMLButtonElement | null)[]>([]);
  return (
    <div className={`${uiCss.segments} ${css.tabs}`} role="tablist" aria-label={m.secret.install}>
      {names.map((name, i) => (
        <button
          key={name}
          type="button"
          role="tab"
          id={`example-${i}`}
          aria-controls="example"
          aria-selected={i === chosen}
          tabIndex={i === chosen ? 0 : -1}
          ref={(e) => {
            tabs.current[i] = e;
          }}
          onClick={() => onChoose(i)}
          onKeyDown={(e) => {
            const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
            if (!step) return;
            const next = (i + step + names.length) % names.length;
            onChoose(next);
            tabs.current[next]?.focus();
          }}
        >
          {name}
        </button>
      ))}
    </div>
  );
}
