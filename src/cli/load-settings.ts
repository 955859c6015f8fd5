import { readFile } from 'node:fs/promises';
import { type IniEntry, parseIni } from '../config/ini.ts';
import { buildSettings, type Settings, sectionSchemas } from '../config/settings.ts';
import { EngineError } from '../errors.ts';

/** Read when it exists and no other file is named. */
const DEFAULT_CONFIG = '/etc/vast-ost/vast-ost.conf';

/** Options that every command takes. Further ones carry the name of a setting. */
export interface GlobalOptions {
  readonly config?: string;
  readonly json?: boolean;
  /** Of `--stage`, which may stand several times. */
  readonly stage?: readonly string[];
  readonly [setting: string]: unknown;
}

/** Settings from the file and the command line, the latter winning. */
export async function loadSettings(options: GlobalOptions): Promise<Settings> {
  const file = options.config ?? process.env['VAST_OST_CONFIG'];
  const text = await readFile(file ?? DEFAULT_CONFIG, 'utf8').catch((cause: NodeJS.ErrnoException) => {
    if (file === undefined && cause.code === 'ENOENT') return '';
    throw new EngineError(
      'VOST_CONFIG',
      'usage',
      `cannot read the configuration ${file ?? DEFAULT_CONFIG}: ${cause.message}`,
      { cause },
    );
  });
  const stages = options.stage === undefined ? {} : { stages: options.stage.join(' ') };
  return buildSettings([...parseIni(text, file ?? DEFAULT_CONFIG), ...commandLineEntries({ ...options, ...stages })]);
}

function commandLineEntries(options: GlobalOptions): IniEntry[] {
  return Object.entries(sectionSchemas).flatMap(([section, keys]) =>
    Object.keys(keys).flatMap((key) => {
      const value = options[camelCase(key)];
      if (value === undefined) return [];
      return { section, key, value: String(value), origin: `--${key.replaceAll('_', '-')}` };
    }),
  );
}

function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
