import { rm } from 'node:fs/promises';
import { pino } from 'pino';
import { readKeyInFile } from '../../config/credentials-file.ts';
import { keysFileOf, provisionedFile } from '../../config/managed-files.ts';
import { openVms } from '../../config/open-vms.ts';
import type { ServerSettings, Settings } from '../../config/settings.ts';
import { writeSecretFile } from '../../config/write-secret-file.ts';
import { EngineError, failureOf } from '../../errors.ts';
import { openServerStorage } from '../../ost/server-storage.ts';
import { executePlan } from '../../vast/provision/execute.ts';
import { look } from '../../vast/provision/found.ts';
import { planProvision, type Step } from '../../vast/provision/plan.ts';
import { type Made, MadeRecord } from '../../vast/provision/record.ts';
import { executeTeardown, planTeardown } from '../../vast/provision/teardown.ts';
import type { Wanted } from '../../vast/provision/wanted.ts';
import type { VmsClient } from '../../vast/vms/client.ts';
import { printJson, printTable } from '../output.ts';
import { wantedOf } from '../wanted.ts';

export interface ProvisionOptions {
  readonly dryRun?: boolean;
  readonly teardown?: boolean;
  readonly force?: boolean;
  readonly json?: boolean;
}

interface Work {
  readonly client: VmsClient;
  readonly wanted: Wanted;
  readonly record: MadeRecord;
  readonly keysFile: string;
  readonly keyInFile: string | undefined;
  readonly options: ProvisionOptions;
  readonly signal: AbortSignal;
}

/** `vast-ost provision SERVER`: make on the cluster what the configuration wants, or take away what was made. */
export async function provision(
  id: string,
  settings: Settings,
  options: ProvisionOptions,
  signal: AbortSignal,
): Promise<void> {
  const server = settings.servers.get(id);
  if (server === undefined) {
    throw new EngineError('VOST_NO_SERVER', 'usage', `there is no section [server ${id}]`, {
      advice: `configured: ${[...settings.servers.keys()].join(', ') || 'none'}`,
    });
  }
  const client = openVms(id, server, {
    onRetry: ({ error, delayMs }) => {
      process.stderr.write(`${error.message}; again in ${Math.ceil(delayMs / 1000)} s\n`);
    },
  });
  try {
    const keysFile = keysFileOf(id, settings, server) ?? '';
    // A file that is no good is not overwritten.
    const keyInFile = (await readKeyInFile(keysFile))?.accessKeyId;
    const record = await MadeRecord.open(provisionedFile(id, settings));
    const wanted = wantedOf(id, settings, server);
    const work: Work = { client, wanted, record, keysFile, keyInFile, options, signal };
    await (options.teardown === true ? takeAway(work, settings, server) : make(work));
  } finally {
    await client.close();
  }
}

async function make({ client, wanted, record, keysFile, keyInFile, options, signal }: Work): Promise<void> {
  const found = await look(client, wanted, keyInFile, { signal });
  const { steps, problems } = planProvision(wanted, found);
  if (problems.length > 0) {
    throw new EngineError('VOST_PROVISION', 'usage', `nothing was done: ${problems.join('; ')}`);
  }
  show(options, steps.map(rowOfStep), steps);
  if (options.dryRun === true) return;
  await executePlan(client, wanted, found, steps, {
    signal,
    record,
    saveKey: ({ accessKeyId, secretAccessKey }) =>
      writeSecretFile(keysFile, { access_key_id: accessKeyId, secret_access_key: secretAccessKey }),
    onDone: ({ action, kind, name }) => process.stderr.write(`done: ${action} ${kind} ${name}\n`),
  });
  process.stderr.write(`${wanted.server}: ${steps.length === 0 ? 'nothing to do' : `${steps.length} steps done`}\n`);
}

async function takeAway(work: Work, settings: Settings, server: ServerSettings): Promise<void> {
  const { client, wanted, record, keysFile, keyInFile, options, signal } = work;
  const found = await look(client, wanted, keyInFile, { signal });
  const hasData = await contentsOf(wanted.server, settings, server, record.made, signal);
  const { remove, keep } = planTeardown(wanted, found, record.made, hasData, options.force === true);
  show(
    options,
    [
      ...remove.map((thing) => rowOfMade('remove', thing, '')),
      ...keep.map(({ thing, why }) => rowOfMade('keep', thing, why)),
    ],
    {
      remove,
      keep,
    },
  );
  if (options.dryRun === true) return;
  await executeTeardown(client, remove, {
    signal,
    record,
    keyInFile,
    forgetKey: () => rm(keysFile, { force: true }),
    onDone: ({ kind, name }) => process.stderr.write(`done: remove ${kind} ${name}\n`),
  });
  process.stderr.write(`${wanted.server}: ${remove.length} removed, ${keep.length} kept\n`);
}

/** Whether the LSUs that we made have anything in them; undefined where the store does not say. */
async function contentsOf(
  id: string,
  settings: Settings,
  server: ServerSettings,
  made: readonly Made[],
  signal: AbortSignal,
): Promise<Map<string, boolean | undefined>> {
  const storage = openServerStorage(id, server, settings, pino({ level: 'silent' }));
  const hasData = new Map<string, boolean | undefined>();
  try {
    for (const { kind, lsu } of made) {
      if (kind !== 'view' || lsu === undefined) continue;
      hasData.set(lsu, await holdsAny(async () => (await storage.open(lsu, { signal })).list({ signal })));
    }
    return hasData;
  } finally {
    await storage.close();
  }
}

async function holdsAny(list: () => Promise<AsyncIterable<unknown>>): Promise<boolean | undefined> {
  try {
    for await (const _ of await list()) return true;
    return false;
  } catch (error) {
    if (failureOf(error) === 'aborted') throw error;
    return failureOf(error) === 'not-found' ? false : undefined;
  }
}

function rowOfStep({ action, kind, name, fields }: Step): string[] {
  const details = Object.entries(fields).filter(([key]) => key !== 'name' && key !== 'path');
  return [action, kind, name, details.map(([key, value]) => `${key}=${value}`).join(' ')];
}

function rowOfMade(action: string, { kind, name }: Made, why: string): string[] {
  return [action, kind, name, why];
}

function show(options: ProvisionOptions, rows: readonly string[][], plan: unknown): void {
  if (options.json === true) printJson(plan);
  else if (rows.length > 0) printTable(['ACTION', 'WHAT', 'NAME', 'DETAILS'], rows);
}
