import { existsSync } from 'node:fs';
import t from 'tap';
import { OST_HOST } from '../support/ost-host.ts';
import { conformance } from '../support/plugin-suite.ts';

if (!existsSync(OST_HOST)) t.bailout('build/ost-host is missing: run make');

t.test('everything that the plugin promises, through lanes', async (t) => {
  await conformance(t, 'simulator', {}, [], 'lanes = 2');
});
