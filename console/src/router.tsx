import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from '@tanstack/react-router';
import { catalogueQuery, keyQuery, meQuery, queryClient } from './api/queries';
import { base } from './base';
import { filtersOf, parseSearch, stringifySearch } from './keys/filters';
import { session } from './session';
import { Callback, SignIn } from './shell/SignIn';
import { NoOrganization, NotFound, Shell } from './shell/Shell';
import { Failed } from './ui/states';

const rootRoute = createRootRoute({
  component: Outlet,
  notFoundComponent: NotFound,
  errorComponent: ({ error, reset }) => <Failed error={error} retry={reset} />,
});

// Who is not signed in leaves for the identity provider, and comes back to the same place.
const signedIn = createRoute({
  getParentRoute: () => rootRoute,
  id: 'signed-in',
  component: Outlet,
  beforeLoad: async ({ location }) => {
    const current = session();
    if (!current) throw redirect({ to: '/signin' });
    if (!current.signedIn) await current.start(location.href, true);
  },
  loader: () => queryClient.ensureQueryData(meQuery),
  errorComponent: ({ error, reset }) => (
    <Failed
      error={error}
      retry={() => {
        reset();
        void router.invalidate();
      }}
    />
  ),
});

const home = createRoute({
  getParentRoute: () => signedIn,
  path: '/',
  component: NoOrganization,
  loader: async () => {
    const me = await queryClient.ensureQueryData(meQuery);
    const first = me.organizations[0];
    if (first) throw redirect({ to: '/$org/keys', params: { org: first.id }, replace: true });
  },
});

export const organizationRoute = createRoute({
  getParentRoute: () => signedIn,
  path: '/$org',
  component: Shell,
  loader: async ({ params }) => {
    const me = await queryClient.ensureQueryData(meQuery);
    return { membership: me.organizations.find((o) => o.id === params.org) };
  },
});

const organizationHome = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/',
  beforeLoad: ({ params }) => {
    throw redirect({ to: '/$org/keys', params, replace: true });
  },
});

export const keysRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/keys',
  validateSearch: filtersOf,
  component: lazyRouteComponent(() => import('./keys/KeysPage'), 'KeysPage'),
});

/** What a link may fill in of a new key. */
function newKeyOf(search: Record<string, unknown>) {
  const text = (name: string) => (typeof search[name] === 'string' ? { [name]: search[name].slice(0, 100) } : {});
  return { ...filtersOf(search), ...text('name') } as ReturnType<typeof filtersOf> & { name?: string };
}

export const newKeyRoute = createRoute({
  getParentRoute: () => keysRoute,
  path: '/new',
  validateSearch: newKeyOf,
  component: lazyRouteComponent(() => import('./keys/CreateKey'), 'CreateKey'),
});

export const keyRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/keys/$keyId',
  component: lazyRouteComponent(() => import('./keys/KeyPage'), 'KeyPage'),
  // Asked for together with the page's script. The page itself says what went wrong.
  loader: ({ params }) => {
    void queryClient.prefetchQuery(keyQuery(params.org, params.keyId));
    void queryClient.prefetchQuery(catalogueQuery);
  },
});

const overviewRoute = createRoute({
  getParentRoute: () => keyRoute,
  id: 'overview',
  component: lazyRouteComponent(() => import('./keys/Overview'), 'Overview'),
});

const overviewHome = createRoute({ getParentRoute: () => overviewRoute, path: '/' });

const editKeyRoute = createRoute({
  getParentRoute: () => overviewRoute,
  path: '/edit',
  component: lazyRouteComponent(() => import('./keys/EditKey'), 'EditKey'),
});

const editPermissionsRoute = createRoute({
  getParentRoute: () => overviewRoute,
  path: '/permissions',
  component: lazyRouteComponent(() => import('./keys/EditKey'), 'EditPermissions'),
});

const keyUsageRoute = createRoute({
  getParentRoute: () => keyRoute,
  path: '/usage',
  component: lazyRouteComponent(() => import('./usage/Usage'), 'KeyUsage'),
});

const keyRequestsRoute = createRoute({
  getParentRoute: () => keyRoute,
  path: '/requests',
  validateSearch: (search: Record<string, unknown>): { q?: string } => search as { q?: string },
  component: lazyRouteComponent(() => import('./usage/Requests'), 'KeyRequests'),
});

const keyHistoryRoute = createRoute({
  getParentRoute: () => keyRoute,
  path: '/history',
  component: lazyRouteComponent(() => import('./usage/History'), 'KeyHistory'),
});

const keyExplainRoute = createRoute({
  getParentRoute: () => keyRoute,
  path: '/explain',
  validateSearch: (search: Record<string, unknown>): { method?: string; path?: string; sourceIp?: string; at?: string } => search,
  component: lazyRouteComponent(() => import('./usage/Explain'), 'KeyExplain'),
});

const keyAdviceRoute = createRoute({
  getParentRoute: () => keyRoute,
  path: '/advice',
  component: lazyRouteComponent(() => import('./usage/Advice'), 'KeyAdvice'),
});

const importRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/keys/import',
  component: lazyRouteComponent(() => import('./org/Import'), 'Import'),
});

const usageRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/usage',
  component: lazyRouteComponent(() => import('./usage/Usage'), 'OrganizationUsage'),
});

const adviceRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/advice',
  component: lazyRouteComponent(() => import('./usage/Advice'), 'OrganizationAdvice'),
});

const requestRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/requests/$requestId',
  component: lazyRouteComponent(() => import('./usage/Explain'), 'RequestPage'),
});

const membersRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/members',
  component: lazyRouteComponent(() => import('./org/Members'), 'Members'),
});

const customersRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/customers',
  component: lazyRouteComponent(() => import('./org/Customers'), 'Customers'),
});

const permissionsRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/permissions',
  component: lazyRouteComponent(() => import('./org/Permissions'), 'Permissions'),
});

const jobsRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/jobs',
  component: lazyRouteComponent(() => import('./org/Jobs'), 'Jobs'),
});

const jobRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/jobs/$job',
  component: lazyRouteComponent(() => import('./org/Jobs'), 'JobPage'),
});

const historyRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/history',
  component: lazyRouteComponent(() => import('./usage/History'), 'OrganizationHistory'),
});

const settingsRoute = createRoute({
  getParentRoute: () => organizationRoute,
  path: '/settings',
  component: lazyRouteComponent(() => import('./org/Settings'), 'Settings'),
});

const newOrganizationRoute = createRoute({
  getParentRoute: () => signedIn,
  path: '/organizations/new',
  component: lazyRouteComponent(() => import('./org/NewOrganization'), 'NewOrganization'),
});

const signIn = createRoute({
  getParentRoute: () => rootRoute,
  path: '/signin',
  validateSearch: (search: Record<string, unknown>): { to?: string } =>
    typeof search.to === 'string' && search.to.startsWith('/') ? { to: search.to } : {},
  component: SignIn,
});

const callback = createRoute({ getParentRoute: () => rootRoute, path: '/callback', component: Callback });

export const router = createRouter({
  routeTree: rootRoute.addChildren([
    signedIn.addChildren([
      home,
      newOrganizationRoute,
      organizationRoute.addChildren([
        organizationHome,
        keysRoute.addChildren([newKeyRoute]),
        importRoute,
        keyRoute.addChildren([
          overviewRoute.addChildren([overviewHome, editKeyRoute, editPermissionsRoute]),
          keyUsageRoute,
          keyRequestsRoute,
          keyHistoryRoute,
          keyExplainRoute,
          keyAdviceRoute,
        ]),
        usageRoute,
        adviceRoute,
        requestRoute,
        membersRoute,
        customersRoute,
        permissionsRoute,
        jobsRoute,
        jobRoute,
        historyRoute,
        settingsRoute,
      ]),
    ]),
    signIn,
    callback,
  ]),
  basepath: base,
  parseSearch,
  stringifySearch,
  defaultPendingMs: 150,
  defaultPreload: false,
  scrollRestoration: false,
});

declare module '@tanstack/react-router' {
  interface Register {
    router: typeof router;
  }
}
