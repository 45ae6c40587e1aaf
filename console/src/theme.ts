import { createTheme, type MantineColorsTuple } from '@mantine/core';

const dark: MantineColorsTuple = [
  '#e8ebf0',
  '#b2bac7',
  '#8d97a7',
  '#66717f',
  '#272f3a',
  '#1b222b',
  '#151a21',
  '#11161c',
  '#0e1217',
  '#0a0d11',
];

export const theme = createTheme({
  primaryColor: 'indigo',
  primaryShade: 7,
  colors: { dark },
  defaultRadius: 8,
  fontFamily: "'Inter Variable', system-ui, sans-serif",
  fontFamilyMonospace: "'JetBrains Mono Variable', ui-monospace, monospace",
  headings: { fontFamily: "'Inter Variable', system-ui, sans-serif" },
  respectReducedMotion: true,
  focusRing: 'auto',
  components: {
    Button: { defaultProps: { size: 'sm' } },
    Tooltip: { defaultProps: { withArrow: false, events: { hover: true, focus: true, touch: true } } },
    Checkbox: { defaultProps: { size: 'xs', radius: 4 } },
    Modal: { defaultProps: { radius: 16, centered: true, padding: 26 } },
    // The placeholder is no item, so that a menu may not have it (axe: aria-required-children).
    Menu: { defaultProps: { radius: 10, shadow: 'md', withinPortal: true, withInitialFocusPlaceholder: false } },
    Popover: { defaultProps: { radius: 10, shadow: 'md', withinPortal: true } },
  },
});
