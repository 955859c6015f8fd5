import { EngineError } from '../errors.ts';

/** One `key = value` with the place it came from. */
export interface IniEntry {
  readonly section: string;
  readonly key: string;
  readonly value: string;
  /** `FILE:LINE`, for error messages. */
  readonly origin: string;
}

/**
 * Read the plain ini form that administrators know: `[section]`, `key = value`, comments with `#` or `;` on lines of their own, values optionally
 * in double quotes. Every entry keeps its file and line, which is why no ini package serves here. Throws class `usage` on anything else.
 */
export function parseIni(text: string, file: string): IniEntry[] {
  const entries: IniEntry[] = [];
  let section = '';
  for (const [at, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    const origin = `${file}:${at + 1}`;
    if (line === '' || line.startsWith('#') || line.startsWith(';')) continue;
    const header = /^\[([^\]]+)\]$/.exec(line);
    const pair = /^([A-Za-z0-9_.-]+)\s*=\s*(.*)$/.exec(line);
    if (header) section = (header[1] ?? '').trim();
    else if (pair) entries.push({ section, key: pair[1] ?? '', value: unquote(pair[2] ?? ''), origin });
    else throw new EngineError('VOST_CONFIG', 'usage', `${origin}: expected [section] or key = value`);
  }
  return entries;
}

function unquote(value: string): string {
  return /^".*"$/.test(value) ? value.slice(1, -1) : value;
}
