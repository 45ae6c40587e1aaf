// Starts Swagger UI on the document beside the page. It is a file of its own, since the page's policy
// lets no script run that stands in the page.

// A console that is open in another window answers with the token of who is signed in there, which it
// renews. It is asked for at each call, and not kept.
const channel = new BroadcastChannel('bitting-session');

/** What the console says of who is signed in; undefined without one. */
function ask() {
  return new Promise((resolve) => {
    const answered = ({ data }) => data.token && done(data);
    const timer = setTimeout(() => done(undefined), 1000);
    const done = (session) => {
      clearTimeout(timer);
      channel.removeEventListener('message', answered);
      show(session);
      resolve(session);
    };
    channel.addEventListener('message', answered);
    channel.postMessage('ask');
  });
}

/** Says as whom calls are tried. */
function show(session) {
  const [who, link] = document.querySelectorAll('#session span, #session a');
  who.textContent = session ? `Calls are tried as ${session.person}, who is signed in to the console.` : 'Calls are tried with the key or token that you enter.';
  link.hidden = Boolean(session);
}

document.getElementById('session').hidden = false;
void ask();
addEventListener('focus', () => void ask());

globalThis.SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#reference',
  deepLinking: true, // so that a link leads to an operation: #/keys/rotateKey
  displayOperationId: true,
  filter: true,
  persistAuthorization: false, // keys stay in this page's memory
  validatorUrl: null, // nothing is asked of other hosts
  requestInterceptor: async (request) => {
    const sends = Object.keys(request.headers ?? {}).some((name) => /^(authorization|x-api-key)$/i.test(name));
    const tries = !request.loadSpec && new URL(request.url, location.href).origin === location.origin;
    if (tries && !sends) {
      const session = await ask();
      if (session) request.headers = { ...request.headers, Authorization: `Bearer ${session.token}` };
    }
    return request;
  },
});
