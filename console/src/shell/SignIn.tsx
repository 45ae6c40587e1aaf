import { Button, Loader } from '@mantine/core';
import { IconAlertTriangle, IconKey, IconKeyOff } from '@tabler/icons-react';
import { useNavigate, useSearch } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import { m } from '../messages';
import { session, SignInNeeded } from '../session';
import { Failed, State } from '../ui/states';
import { useTitle } from '../ui/useTitle';
import css from './shell.module.css';

/** Asks who is not signed in to do so. It starts nothing by itself, so that signing out ends here. */
export function SignIn() {
  const { to } = useSearch({ from: '/signin' });
  const [error, setError] = useState<unknown>();
  useTitle(m.signIn.button);

  const current = session();
  return (
    <main className={css.alone}>
      <div className="card">
        {!current ? (
          <State icon={<IconKeyOff size={22} />} tone="mute" title={m.signIn.none}>
            {m.signIn.noneBody}
          </State>
        ) : error ? (
          <Failed error={error} retry={() => setError(undefined)} />
        ) : (
          <State
            icon={<IconKey size={22} />}
            title={m.signIn.title}
            actions={<Button onClick={() => void current.start(to ?? '/', false).catch(setError)}>{m.signIn.button}</Button>}
          >
            {m.signIn.body}
          </State>
        )}
      </div>
    </main>
  );
}

/** Takes what the identity provider sent back, and goes on to where the sign-in began. */
export function Callback() {
  const navigate = useNavigate();
  const [error, setError] = useState<unknown>();
  const begun = useRef(false);
  useTitle(m.signIn.starting);

  useEffect(() => {
    if (begun.current) return; // a code works once
    begun.current = true;
    session()
      ?.finish()
      .then((to) => navigate({ href: to, replace: true }))
      .catch((e: unknown) => {
        if (e instanceof SignInNeeded) void navigate({ to: '/signin', replace: true, search: e.to ? { to: e.to } : {} });
        else setError(e);
      });
  }, [navigate]);

  return (
    <main className={css.alone}>
      <div className="card">
        {error ? (
          <State
            icon={<IconAlertTriangle size={22} />}
            tone="bad"
            title={m.signIn.failed}
            actions={
              <Button variant="default" onClick={() => void navigate({ to: '/signin', replace: true })}>
                {m.tryAgain}
              </Button>
            }
          />
        ) : (
          <div className={css.waiting}>
            <Loader aria-label={m.signIn.starting} />
          </div>
        )}
      </div>
    </main>
  );
}
