import { useNavigate } from '@tanstack/react-router';
import { useEffect, useRef, useState } from 'react';
import type { Membership } from '../api/client';

// Single keys can be switched off, for those whose input would set them off (WCAG 2.1.4): for as
// long as the page is open, since the browser's storage is for the colour scheme only.
let singleKeys = true;

export const singleKeysOn = () => singleKeys;
export const setSingleKeys = (on: boolean) => {
  singleKeys = on;
};

/** Whether keys go to something that takes them itself. */
export const typing = (target: EventTarget | null) =>
  target instanceof Element && target.closest('input:not([type=checkbox]), textarea, select, [contenteditable], [role=dialog], [role=alertdialog], [role=menu]') !== null;

const places: Record<string, string> = {
  k: 'keys',
  u: 'usage',
  a: 'advice',
  m: 'members',
  c: 'customers',
  p: 'permissions',
  j: 'jobs',
  h: 'history',
  s: 'settings',
};

/** Moves among the rows of a list. */
function move(step: number): void {
  const links = [...document.querySelectorAll<HTMLElement>('main [data-row-link]')].filter((e) => e.offsetParent !== null);
  const at = links.findIndex((e) => e.closest('tr, li')?.contains(document.activeElement));
  links[Math.max(0, Math.min(links.length - 1, at === -1 ? (step > 0 ? 0 : links.length - 1) : at + step))]?.focus();
}

/** The keys that work anywhere. Nothing dangerous is among them. */
export function useShortcuts(membership: Membership | undefined): {
  palette: boolean;
  help: boolean;
  setPalette: (open: boolean) => void;
  setHelp: (open: boolean) => void;
} {
  const [palette, setPalette] = useState(false);
  const [help, setHelp] = useState(false);
  const navigate = useNavigate();
  const going = useRef(0);
  const org = membership?.id;
  const mayCreate = membership !== undefined && (membership.mayCreate.organization || membership.mayCreate.personal);

  useEffect(() => {
    const pressed = (e: KeyboardEvent) => {
      if ((e.metaKey || e.ctrlKey) && !e.shiftKey && !e.altKey && e.key.toLowerCase() === 'k') {
        e.preventDefault();
        setPalette((open) => !open);
        return;
      }
      if (!singleKeys || e.metaKey || e.ctrlKey || e.altKey || typing(e.target) || org === undefined) return;
      const second = Date.now() - going.current < 1000;
      going.current = 0;
      const place = places[e.key];
      if (second && place) {
        e.preventDefault();
        void navigate({ to: `/$org/${place}` as '/$org/jobs', params: { org } });
      } else if (e.key === 'g') going.current = Date.now();
      else if (e.key === 'c' && mayCreate) {
        e.preventDefault();
        void navigate({ to: '/$org/keys/new', params: { org }, search: {} });
      } else if (e.key === '?') setHelp(true);
      else if (e.key === 'j' || e.key === 'k') move(e.key === 'j' ? 1 : -1);
      else if (e.key === 'x') document.activeElement?.closest('tr')?.querySelector<HTMLElement>('input[type=checkbox]')?.click();
    };
    document.addEventListener('keydown', pressed);
    return () => document.removeEventListener('keydown', pressed);
  }, [navigate, org, mayCreate]);

  return { palette, help, setPalette, setHelp };
}
