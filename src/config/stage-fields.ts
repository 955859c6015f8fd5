import { z } from 'zod';

/** A stage as the configuration names it. */
export interface StageEntry {
  /** Name of its package, or path of its folder or module. */
  readonly spec: string;
  /** Options as they were given beside the name. */
  readonly options: Readonly<Record<string, string>>;
}

const SPEC = /^(@?[A-Za-z0-9][A-Za-z0-9._/-]*|\.{0,2}\/[^\s:]+|\.)$/;
const OPTION = /^([A-Za-z0-9_.-]{1,64})=(.*)$/;

/** `NAME[:KEY=VALUE,…] …`, separated by spaces; `none` for no stages. */
export function parseStages(text: string): StageEntry[] | undefined {
  const words = text.split(/\s+/).filter((word) => word !== '');
  if (words.length === 0) return undefined;
  if (words.length === 1 && words[0] === 'none') return [];
  const entries: StageEntry[] = [];
  for (const word of words) {
    const colon = word.indexOf(':');
    const spec = colon < 0 ? word : word.slice(0, colon);
    const options: Record<string, string> = {};
    if (!SPEC.test(spec)) return undefined;
    for (const pair of colon < 0 ? [] : word.slice(colon + 1).split(',')) {
      const [, key, value] = OPTION.exec(pair) ?? [];
      if (key === undefined || value === undefined) return undefined;
      options[key] = value;
    }
    entries.push({ spec, options });
  }
  return entries;
}

/** More in a chain would not fit a manifest. */
const MAX_STAGES = 16;

const Stages = z
  .string()
  .transform((text) => parseStages(text))
  .pipe(
    z
      .array(z.custom<StageEntry>(), 'give stages as NAME or NAME:KEY=VALUE,KEY=VALUE, separated by spaces, or none')
      .max(MAX_STAGES, `give at most ${MAX_STAGES} stages`),
  );

/**
 * Vendors' stages: a key of `[general]`, `[server NAME]`, `[lsu SERVER/NAME]` and `[policy NAME]`, the last of these that has it winning.
 * Documented in docs/stages.md.
 */
export const stageFields = { stages: Stages.optional() } as const;
