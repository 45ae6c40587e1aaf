import type { Permission } from '../api/client';

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Permissions by what they are about, in the catalogue's order. */
export function groupsOf(permissions: Permission[]): Map<string, Permission[]> {
  const groups = new Map<string, Permission[]>();
  for (const p of permissions) {
    const resource = capital(p.name.split(':')[0] ?? p.name);
    groups.set(resource, [...(groups.get(resource) ?? []), p]);
  }
  return groups;
}

/** The routes that a permission opens, in a line. */
export const routesText = (p: Permission) => (p.routes ?? []).map((r) => `${r.method} ${r.path}`).join(' · ');

export const matches = (p: Permission, text: string) =>
  `${p.name} ${p.title} ${p.description} ${routesText(p)}`.toLowerCase().includes(text.trim().toLowerCase());
