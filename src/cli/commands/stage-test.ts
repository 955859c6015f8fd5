import type { Settings } from '../../config/settings.ts';
import { parseStages, type StageEntry } from '../../config/stage-fields.ts';
import { EngineError } from '../../errors.ts';
import type { CheckResult } from '../../stage-kit/check.ts';
import { testStage } from '../../stage-kit/kit.ts';
import type { Throughput } from '../../stage-kit/throughput.ts';
import { formatSize } from '../../units.ts';
import { printJson, printTable } from '../output.ts';

export interface StageTestOptions {
  /** How long each measurement takes. */
  readonly seconds: number;
  readonly json: boolean;
}

/** `vast-ost stage test SPEC[:OPTIONS]`: hold a stage to docs/stages.md. */
export async function stageTest(
  text: string,
  settings: Settings,
  { seconds, json }: StageTestOptions,
  signal: AbortSignal,
): Promise<void> {
  const entry = entryOf(text);
  const section = settings.stages.get(entry.spec) ?? {};
  const onBegin = (check: string): void => {
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K… ${check}`);
  };
  const onEnd = ({ check, ok, detail, seconds }: CheckResult): void => {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
    if (json) printJson({ check, result: ok ? 'ok' : 'failed', detail, seconds });
    else process.stdout.write(`${ok ? 'ok    ' : 'FAILED'}  ${check.padEnd(34)}  ${detail}\n`);
  };
  const { description, checks, throughput } = await testStage(
    { ...entry, options: { ...section, ...entry.options } },
    {
      folder: settings.general.stage_dir,
      seconds,
      mainThread: true,
      onReport: (_stage, _image, { severity, text }) => process.stderr.write(`  it reports: ${severity}: ${text}\n`),
      onOutput: (text) => process.stderr.write(text),
      signal,
      onBegin,
      onEnd,
    },
  );
  if (json) for (const measured of throughput) printJson(measured);
  else printThroughput(throughput);
  const failed = checks.filter(({ ok }) => !ok);
  const { name, version, kind } = description;
  if (failed.length === 0) {
    if (json) printJson({ stage: name, version, kind, result: 'ok', checks: checks.length });
    else process.stdout.write(`${name} ${version} (${kind}) passes all ${checks.length} checks\n`);
    return;
  }
  const names = failed.map(({ check }) => check).join(', ');
  throw new EngineError('VOST_STAGE_NOT_GOOD', 'usage', `${name} ${version} fails ${failed.length} checks: ${names}`, {
    advice: 'docs/stages.md says what is expected of a stage',
  });
}

function entryOf(text: string): StageEntry {
  const [entry, ...others] = parseStages(text) ?? [];
  if (entry !== undefined && others.length === 0) return entry;
  throw new EngineError('VOST_STAGE_LOAD', 'usage', `${JSON.stringify(text)} names no stage`, {
    advice: 'write ./FOLDER, a package name, or either with options: ./FOLDER:KEY=VALUE,KEY=VALUE',
  });
}

function printThroughput(throughput: readonly Throughput[]): void {
  if (throughput.length === 0) return;
  const rows = throughput.map(({ direction, content, bytesPerSecond, cpuSecondsPerGib, ratio }) => [
    `${direction} ${content}`,
    `${formatSize(bytesPerSecond)}/s`,
    `${cpuSecondsPerGib.toFixed(2)} s`,
    ratio.toFixed(3),
  ]);
  process.stdout.write('\n');
  printTable(['', 'RATE', 'CPU PER GIB', 'STORED PER BYTE'], rows);
  process.stdout.write('\n');
}
