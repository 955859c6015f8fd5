import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import t from 'tap';
import { EngineError } from '../../src/errors.ts';

/** A tree like ours, with whatever stands in for the addon. */
async function load(dir: string, addon: string | undefined): Promise<unknown> {
  const root = new URL('../../', import.meta.url);
  await mkdir(`${dir}/src/bridge`, { recursive: true });
  await mkdir(`${dir}/build`);
  await copyFile(new URL('src/errors.ts', root), `${dir}/src/errors.ts`);
  await copyFile(new URL('src/bridge/bridge.ts', root), `${dir}/src/bridge/bridge.ts`);
  if (addon !== undefined) await writeFile(`${dir}/build/bridge.node`, addon);
  return import(`file://${dir}/src/bridge/bridge.ts`);
}

t.test('an addon that was not built', async (t) => {
  const error = await load(t.testdir(), undefined).catch((error: unknown) => error);
  t.ok(error instanceof EngineError);
  t.match(error, { code: 'VOST_BRIDGE_MISSING', failure: 'unsupported', advice: /make/ });
});

t.test('a file that is no addon', async (t) => {
  const error = await load(t.testdir(), 'not an ELF file').catch((error: unknown) => error);
  t.match(error, { code: 'VOST_BRIDGE_LOAD', failure: 'unsupported', message: /cannot be loaded: / });
});
