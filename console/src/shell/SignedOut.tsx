import { Button } from '@mantine/core';
import { IconAlertTriangle } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { queryClient } from '../api/queries';
import { m } from '../messages';
import { session } from '../session';
import { Dialog, DialogTitle } from '../ui/Dialog';
import { Banner } from '../ui/states';
import css from './shell.module.css';

/** Asks to sign in again where a session has ended, beside the page, which keeps what was typed. */
export function SignedOut() {
  const [ended, setEnded] = useState(false);
  const [blocked, setBlocked] = useState(false);
  useEffect(() => session()?.onEnd(() => setEnded(true)), []);

  const again = async () => {
    setBlocked(false);
    try {
      await session()?.again();
      setEnded(false);
      await queryClient.invalidateQueries();
    } catch {
      setBlocked(true);
    }
  };

  if (!ended) return null;
  return (
    <Dialog alert size={440} zIndex={500} onClose={() => setEnded(false)}>
      <DialogTitle className={css.title}>{m.signIn.endedTitle}</DialogTitle>
      <p className="quiet">{m.signIn.ended}</p>
      {blocked && (
        <Banner tone="warn" icon={<IconAlertTriangle size={18} />}>
          {m.signIn.blocked}
        </Banner>
      )}
      <div className={css.dialogButtons}>
        <Button variant="subtle" onClick={() => setEnded(false)}>
          {m.close}
        </Button>
        <Button onClick={() => void again()} data-autofocus>
          {m.signIn.again}
        </Button>
      </div>
    </Dialog>
  );
}
