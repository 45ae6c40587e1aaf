import '@mantine/core/styles.css';
import './styles/tokens.css';
import './styles/base.css';
import { localStorageColorSchemeManager, MantineProvider } from '@mantine/core';
import { QueryClientProvider } from '@tanstack/react-query';
import { RouterProvider } from '@tanstack/react-router';
import { setNonce } from 'get-nonce';
import { createRoot } from 'react-dom/client';
import { queryClient } from './api/queries';
import { loadConfig } from './config';
import { m } from './messages';
import { router } from './router';
import { makeSession } from './session';
import { SignedOut } from './shell/SignedOut';
import { theme } from './theme';
import { Notes } from './ui/notify';
import { Failed, LiveRegion } from './ui/states';

// The page's policy allows no style but files and those with this answer's nonce.
const nonce = document.querySelector<HTMLElement>('meta[property=csp-nonce]')?.nonce ?? '';
setNonce(nonce);

const schemes = localStorageColorSchemeManager({ key: 'bitting-theme' });
const place = document.getElementById('root');
if (!place) throw new Error('the page has no place for the console');
const root = createRoot(place);

async function start() {
  let page = <RouterProvider router={router} />;
  try {
    makeSession(await loadConfig());
  } catch {
    page = <Failed error={new Error(m.failure.start)} retry={() => location.reload()} />;
  }

  root.render(
    <MantineProvider theme={theme} defaultColorScheme="auto" colorSchemeManager={schemes} getStyleNonce={() => nonce}>
      <QueryClientProvider client={queryClient}>
        <LiveRegion />
        {page}
        <Notes />
        <SignedOut />
      </QueryClientProvider>
    </MantineProvider>,
  );
}

void start();
