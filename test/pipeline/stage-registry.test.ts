import t from 'tap';
import { z } from 'zod';
import type { Chunk } from '../../src/pipeline/chunk.ts';
import type { Stage, StageEnv } from '../../src/pipeline/stage.ts';
import { configureStage, StageRegistry } from '../../src/pipeline/stage-registry.ts';
import { builtInStages } from '../../src/stages/built-in.ts';

const Options = z.strictObject({ level: z.number().int().min(1).max(9).default(3) });
const seen: unknown[] = [];
const stage: Stage<z.output<typeof Options>> = {
  name: 'press',
  version: '2.4.1',
  options: Options,
  transforms: true,
  workingBytes: () => 0,
  bound: (length, { level }) => length + level,
  forward: (options, env) => {
    seen.push(['forward', options, env]);
    return { concurrency: 1, apply: (chunk) => chunk };
  },
  inverse: (options, env) => {
    seen.push(['inverse', options, env]);
    return { concurrency: 1, apply: (chunk: Chunk) => chunk };
  },
};

t.test('a stage for a new image: options checked, completed, recorded and handed on', async (t) => {
  const registry = new StageRegistry();
  registry.register(stage);
  const configured = registry.configure('press', {});
  t.strictSame(configured.record, { name: 'press', version: '2.4.1', options: { level: 3 } });
  t.strictSame([configured.transforms, configured.bound(100)], [true, 103]);
  t.strictSame(configureStage(stage, undefined).record.options, { level: 3 });
  const env = {} as StageEnv;
  configured.forward(env);
  registry.configure('press', { level: 9 }).inverse(env);
  t.strictSame(seen.splice(0), [
    ['forward', { level: 3 }, env],
    ['inverse', { level: 9 }, env],
  ]);
});

t.test('unknown name, bad options, registered twice', async (t) => {
  const registry = new StageRegistry();
  registry.register(stage);
  t.throws(() => registry.register(stage), { code: 'VOST_STAGE_TWICE', failure: 'usage' });
  t.throws(() => registry.configure('pres', {}), {
    code: 'VOST_STAGE_UNKNOWN',
    failure: 'usage',
    advice: /press/,
  });
  const wrong = { code: 'VOST_STAGE_OPTIONS', failure: 'usage' };
  t.throws(() => registry.configure('press', { level: 0 }), { ...wrong, message: /stage press: level: / });
  t.throws(() => registry.configure('press', { speed: 1 }), { ...wrong, message: /stage press: options: .*speed/ });
  t.throws(() => registry.configure('press', 'fast'), wrong);
});

t.test('the stage that a manifest names', async (t) => {
  const registry = new StageRegistry();
  registry.register(stage);
  for (const version of ['2.4.1', '2.4.9', '2.3.7', '2.0.0']) {
    const record = { name: 'press', version, options: { level: 5 } };
    const configured = registry.resolve(record);
    t.equal(configured.record, record, `${version}: the record stays what it was`);
    t.equal(configured.bound(1), 6);
  }
  for (const version of ['2.5.0', '3.0.0', '1.9.9', '', 'two', '2.x']) {
    t.throws(
      () => registry.resolve({ name: 'press', version, options: {} }),
      { code: 'VOST_STAGE_MISSING', failure: 'unsupported', message: /2\.4\.1 installed/ },
      version,
    );
  }
  t.throws(() => registry.resolve({ name: 'fold', version: '1.0.0', options: {} }), {
    code: 'VOST_STAGE_MISSING',
    message: /fold version 1\.0\.0, which is not installed/,
  });
  t.throws(() => registry.resolve({ name: 'press', version: '2.4.0', options: { level: 'high' } }), {
    code: 'VOST_STAGE_OPTIONS',
    failure: 'unsupported',
  });
});

t.test('names of Object.prototype are no stages', async (t) => {
  for (const name of ['constructor', '__proto__', 'toString'])
    t.throws(() => builtInStages().configure(name, {}), { code: 'VOST_STAGE_UNKNOWN' });
});

t.test('the stages that every engine has', async (t) => {
  const registry = builtInStages();
  t.equal(registry.configure('checksum', {}).transforms, false);
  t.equal(registry.configure('lz4', {}).transforms, true);
});
