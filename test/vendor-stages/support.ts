import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { parseIni } from '../../src/config/ini.ts';
import { buildSettings } from '../../src/config/settings.ts';
import { createResources, type ProcessResources } from '../../src/pipeline/resources.ts';
import type { StageReport } from '../../src/stage-api/index.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { type StageChain, VendorStages } from '../../src/vendor-stages/vendor-stages.ts';

/** Path of a stage of the fixtures. */
export const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/stages/${name}`, import.meta.url));

export interface Loaded {
  readonly resources: ProcessResources;
  readonly chain: StageChain;
  readonly stages: VendorStages;
  readonly reports: (StageReport & { readonly stage: string; readonly image: string })[];
  readonly output: string[];
}

/** Load what a configuration names. The test fails when anything of the budget is still held at its end. */
export async function load(t: Test, config: string, memoryBudget = 64 * 2 ** 20): Promise<Loaded> {
  const settings = buildSettings(parseIni(config, 'x.conf'));
  const registry = builtInStages();
  const resources = createResources(bridge, memoryBudget, registry);
  const reports: Loaded['reports'] = [];
  const output: string[] = [];
  const stages = await VendorStages.load(settings, registry, {
    mainThread: true,
    onReport: (stage, image, report) => reports.push({ ...report, stage, image: image.name }),
    onOutput: (text) => output.push(text),
  });
  t.teardown(async () => {
    await stages.close();
    resources.slabs.close();
    if (resources.budget.used !== 0) throw new Error(`${resources.budget.used} bytes were never given back`);
  });
  return { resources, chain: stages.chainOf({ server: '', lsu: '', policy: '' }), stages, reports, output };
}

export const general = (stages: string): string => `[general]\nstages = ${stages}\n`;
