import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings, type Settings } from '../../src/config/settings.ts';
import { locksImages, wormOf } from '../../src/config/worm-settings.ts';
import { refusal } from '../support/refusal.ts';

const DAY_MS = 86_400_000;
const build = (text: string): Settings =>
  buildSettings(parseIni(`[server a]\nstore = s3:https://h:1\n${text}`, 'x.conf'));

t.test('an LSU’s section wins over its server’s', async (t) => {
  const none = build('');
  const defaults = { retentionMs: undefined, minimumMs: DAY_MS, maximumMs: 3650 * DAY_MS, mode: 'governance' };
  t.strictSame(wormOf(none, 'a', 'x'), defaults);
  t.strictSame(wormOf(none, '', 'x'), defaults, 'without a server');
  t.equal(locksImages(none, 'a'), false);
  const settings = build(`worm_retention = 30d
worm_minimum = 12h
[lsu a/own]
worm_retention = 1y
worm_mode = governance
object_lock = compliance
[lsu a/cluster]
object_lock = compliance
min_retention = 2d
max_retention = 60d`);
  t.match(wormOf(settings, 'a', 'x'), { retentionMs: 30 * DAY_MS, minimumMs: DAY_MS / 2, mode: 'governance' });
  t.match(wormOf(settings, 'a', 'own'), { retentionMs: 365 * DAY_MS, minimumMs: DAY_MS / 2, mode: 'governance' });
  const cluster = { retentionMs: 30 * DAY_MS, minimumMs: 2 * DAY_MS, maximumMs: 60 * DAY_MS, mode: 'compliance' };
  t.strictSame(wormOf(settings, 'a', 'cluster'), cluster, 'what the cluster was told');
  t.equal(locksImages(settings, 'a'), true);
  t.equal(locksImages(build('[lsu a/x]\nworm_retention = 2d'), 'a'), true, 'one LSU is enough');
});

t.test('mistakes', async (t) => {
  const bad = (text: string, message: RegExp): void =>
    void t.throws(() => build(text), refusal('usage', { code: 'VOST_CONFIG', message }));
  bad('worm_retention = 30', /give a period/);
  bad('worm_retention = 30m', /give a period/);
  bad('worm_mode = strict', /worm_mode/);
  bad('worm_retention = 12h', /^\[server a\]: worm_retention is below worm_minimum/);
  bad('worm_retention = 11y', /above worm_maximum/);
  bad('[lsu a/x]\nworm_minimum = 9d\nworm_maximum = 8d', /^\[lsu a\/x\]: worm_minimum is above worm_maximum/);
});
