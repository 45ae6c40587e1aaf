import { base } from './base';

export type Environment = 'production' | 'staging' | 'development';

/** What the deployment says of itself. */
export interface Config {
  issuer: string; // '' without a sign-in
  clientId: string;
  brand: string;
  profile: 'strict' | 'fast' | 'cached';
  apis: Partial<Record<Environment, string>> | null; // addresses of the API that keys are for
}

/** How many seconds an answer may take. */
export const patience = 30;

let loaded: Config | undefined;

export async function loadConfig(): Promise<Config> {
  const answer = await fetch(`${base}config.json`, { cache: 'no-store', signal: AbortSignal.timeout(patience * 1000) });
  if (!answer.ok) throw new Error(`config.json: ${answer.status}`);
  loaded = (await answer.json()) as Config;
  return loaded;
}

export function config(): Config {
  if (!loaded) throw new Error('config.json is not loaded yet');
  return loaded;
}
