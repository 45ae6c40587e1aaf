import type { Key, Permission } from '../api/client';
import type { Config } from '../config';

/** How a secret is sent, in one language. {secret} stands where it belongs. */
export interface Snippet {
  name: string;
  text: string;
}

const place = '{secret}';

/** A value in a string of a language whose strings are like JSON's. */
const quoted = (text: string) => JSON.stringify(text);

/** A call that the key may make: the first route that its permissions open, or the API's root. */
function callOf(key: Key, catalogue: Map<string, Permission>, config: Config): { method: string; url: string } {
  const address = config.apis?.[key.environment] ?? 'https://YOUR-API';
  const held = key.allPermissions ? [...catalogue.keys()] : key.permissions;
  const route = held.flatMap((name) => catalogue.get(name)?.routes ?? [])[0];
  return { method: route?.method ?? 'GET', url: `${address}${route?.path ?? '/'}` };
}

/** Examples for a key, against the address of the API that it is for. */
export function snippetsOf(key: Key, catalogue: Map<string, Permission>, config: Config): Snippet[] {
  const { method, url } = callOf(key, catalogue, config);
  const get = method === 'GET';
  const verb = method.charAt(0) + method.slice(1).toLowerCase();
  return [
    { name: '.env', text: `BITTING_API_KEY=${place}` },
    { name: 'curl', text: `curl -i ${get ? '' : `-X ${method} `}'${url}' \\\n  -H 'X-Api-Key: ${place}'` },
    { name: 'Header', text: `X-Api-Key: ${place}` },
    {
      name: 'JavaScript',
      text: `const answer = await fetch(${quoted(url)}, {\n  method: ${quoted(method)},\n  headers: { "X-Api-Key": "${place}" },\n});\nconsole.log(answer.status, await answer.text());`,
    },
    {
      name: 'Python',
      text: `import urllib.request\n\nrequest = urllib.request.Request(\n    ${quoted(url)},\n    method=${quoted(method)},\n    headers={"X-Api-Key": "${place}"},\n)\nwith urllib.request.urlopen(request) as answer:\n    print(answer.status, answer.read().decode())`,
    },
    {
      name: 'Go',
      text: `request, err := http.NewRequest(${quoted(method)}, ${quoted(url)}, nil)\nif err != nil {\n\tlog.Fatal(err)\n}\n\nrequest.Header.Set("X-Api-Key", "${place}")\n\nanswer, err := http.DefaultClient.Do(request)\nif err != nil {\n\tlog.Fatal(err)\n}\n\ndefer answer.Body.Close()`,
    },
    {
      name: '.NET',
      text: `using var client = new HttpClient();\nclient.DefaultRequestHeaders.Add("X-Api-Key", "${place}");\nusing var request = new HttpRequestMessage(HttpMethod.${verb}, ${quoted(url)});\nusing var answer = await client.SendAsync(request);\nConsole.WriteLine((int)answer.StatusCode);`,
    },
  ];
}

/** A snippet with the secret in it, to be copied. */
export const filled = (snippet: Snippet, secret: string) => snippet.text.replaceAll(place, secret);

/** A snippet to be looked at: of the secret it shows what is public. */
export function masked(snippet: Snippet, secret: string): string {
  const open = secret.slice(0, secret.lastIndexOf('_') + 1);
  return snippet.text.replaceAll(place, `${open}${'•'.repeat(12)}`);
}

/** The name of a file for a key's secret, such as main-website.production.env. */
export function fileName(key: Pick<Key, 'name' | 'environment'>): string {
  const slug = key.name
    .normalize('NFKD')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-+|-+$/g, '')
    .slice(0, 60);
  return `${slug || 'key'}.${key.environment}.env`;
}
