import t from 'tap';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings, type Settings } from '../../src/config/settings.ts';
import { stageEntries, stageListOf } from '../../src/config/stage-lists.ts';
import { refusal } from '../support/refusal.ts';

const build = (text: string): Settings => buildSettings(parseIni(text, 'x.conf'));
const specs = (list: readonly { spec: string }[]): string[] => list.map(({ spec }) => spec);
const stagesAt = (settings: Settings, server: string, lsu: string, policy = '') =>
  stageListOf(settings, { server, lsu, policy });

t.test('a policy’s list wins over its LSU’s, that over its server’s, and that over the general one', async (t) => {
  const settings = build(`[general]
stages = /g
read_stages = /old:a=1
[server a]
store = file:/a
stages = /s
[server b]
store = file:/b
[lsu a/own]
stages = /l /m
[lsu a/none]
stages = none
[policy Payroll-Full]
stages = /p
[policy empty]
[stage /s]
level = 3
level = 4
key = env:KEY`);
  t.same(specs(stagesAt(settings, 'a', 'own')), ['/l', '/m']);
  t.same(stagesAt(settings, 'a', 'none'), []);
  t.same(specs(stagesAt(settings, 'a', 'other')), ['/s']);
  t.same(specs(stagesAt(settings, 'b', 'x')), ['/g']);
  t.same(specs(stagesAt(settings, '', '')), ['/g'], 'the command line');
  t.same(specs(stagesAt(settings, 'a', 'none', 'Payroll-Full')), ['/p']);
  t.same(specs(stagesAt(settings, 'a', 'own', 'empty')), ['/l', '/m'], 'it says nothing of them');
  t.same(specs(stagesAt(settings, 'a', 'own', 'other')), ['/l', '/m']);
  t.same(stagesAt(build(''), 'a', 'x'), []);
  t.same(settings.stages.get('/s'), { level: '4', key: 'env:KEY' });
  t.same(specs(stageEntries(settings)), ['/s', '/g', '/s', '/l', '/m', '/p', '/old']);
});

t.test('mistakes do not show what may be a secret', async (t) => {
  t.throws(
    () => build('[general]\nstages = a:key=hunter2,oops'),
    refusal('usage', { code: 'VOST_CONFIG', message: /x\.conf:2: stages = a:key=…,oops: give stages/ }),
  );
  t.throws(() => build('[stage a b]\nx = 1'), refusal('usage', { code: 'VOST_CONFIG', message: /no section/ }));
});

t.test('a policy has a name as NetBackup allows it, and nothing but stages', async (t) => {
  t.throws(
    () => build('[policy a b]\nstages = /a'),
    refusal('usage', { code: 'VOST_CONFIG', message: /"a b" cannot be a policy's name/ }),
  );
  t.throws(
    () => build('[policy a]\ncompression = lz4'),
    refusal('usage', { code: 'VOST_CONFIG', message: /\[policy a\] has no key compression/ }),
  );
});

t.test('stages need room beside the chunk', async (t) => {
  const small = '[performance]\nchunk_size_mb = 64\nmemory_budget_mb = 256\n';
  t.ok(build(small));
  t.throws(
    () => build(`${small}[general]\nstages = /a`),
    refusal('usage', { code: 'VOST_CONFIG', message: /too small/ }),
  );
  t.ok(build(`${small}[general]\nstages = none`));
});
