import { Button, Switch } from '@mantine/core';
import { useState } from 'react';
import dialogCss from '../keys/dialogs.module.css';
import { m } from '../messages';
import { Dialog, DialogTitle } from '../ui/Dialog';
import css from './shell.module.css';
import { setSingleKeys, singleKeysOn } from './shortcuts';

/** The keys that work anywhere, and the switch that turns single ones off. */
export default function Help({ onClose }: { onClose: () => void }) {
  const [on, setOn] = useState(singleKeysOn());
  return (
    <Dialog size={460} onClose={onClose}>
      <DialogTitle className={dialogCss.title}>{m.help.title}</DialogTitle>
      <dl className={css.keys}>
        {m.help.keys.map(([keys, does]) => (
          <div key={keys}>
            <dt>
              {keys.split(' ').map((k) => (
                <kbd key={k}>{k}</kbd>
              ))}
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <Switch
        label={m.help.single}
        description={m.help.singleAbout}
        checked={on}
        onChange={(e) => {
          setSingleKeys(e.currentTarget.checked);
          setOn(e.currentTarget.checked);
        }}
      />
      <div className={dialogCss.buttons}>
        <span className="space" />
        <Button onClick={onClose} data-autofocus>
          {m.close}
        </Button>
      </div>
    </Dialog>
  );
}
