import { Menu } from '@mantine/core';
import { IconChevronDown } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import css from './ui.module.css';

/** A filter of a list: what it is now, and what else it may be. */
export function Choice({
  on,
  icon,
  label,
  values,
  value,
  onChange,
}: {
  on: boolean;
  icon?: ReactNode;
  label: string;
  values: Record<string, string>;
  value: string;
  onChange: (value: string) => void;
}) {
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <button type="button" className={css.chip} data-on={on || undefined}>
          {icon}
          <span className="name">{label}</span>
          <IconChevronDown size={15} stroke={2} aria-hidden />
        </button>
      </Menu.Target>
      <Menu.Dropdown mah={340}>
        <Menu.RadioGroup value={value} onChange={onChange}>
          {Object.entries(values).map(([name, text]) => (
            <Menu.RadioItem key={name} value={name} closeMenuOnClick>
              {text}
            </Menu.RadioItem>
          ))}
        </Menu.RadioGroup>
      </Menu.Dropdown>
    </Menu>
  );
}
