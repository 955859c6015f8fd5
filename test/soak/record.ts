import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';

const counts = z.record(z.string(), z.number());
const batch = z.strictObject({
  seed: z.int(),
  sequences: z.int(),
  /** ISO date. */
  date: z.string(),
  /** What was counted: calls, kills and so on, and faults by kind. */
  counted: counts,
  faults: counts,
  /** What was found wrong, with what it takes to see it again. */
  failure: z.string().optional(),
});
/** Sequences that were run together, by one seed. */
export type Batch = z.output<typeof batch>;

/** What `make soak` has done; it goes on from here. Remove the file to begin anew. */
export const RECORD = fileURLToPath(new URL('../../build/soak/model.json', import.meta.url));

/** Batches so far, none when there is no record. */
export function readBatches(): Batch[] {
  try {
    return z.array(batch).parse(JSON.parse(readFileSync(RECORD, 'utf8')));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}

export function writeBatches(batches: readonly Batch[]): void {
  mkdirSync(dirname(RECORD), { recursive: true });
  writeFileSync(`${RECORD}.new`, `${JSON.stringify(batches, undefined, 1)}\n`);
  renameSync(`${RECORD}.new`, RECORD);
}

/** Numbers as ranges: `1 to 5, 9 to 12`. */
function ranges(numbers: readonly number[]): string {
  const found: { from: number; to: number }[] = [];
  for (const number of numbers.toSorted((a, b) => a - b)) {
    const last = found.at(-1);
    if (last !== undefined && number <= last.to + 1) last.to = number;
    else found.push({ from: number, to: number });
  }
  return found.map(({ from, to }) => `${from} to ${to}`).join(', ');
}

/** The record as Markdown, for docs/reliability.md. */
export function soakText(batches: readonly Batch[]): string {
  const [first, last] = [batches[0], batches.at(-1)];
  if (first === undefined || last === undefined) return '`make soak` has not been run.\n';
  const sum = (of: (one: Batch) => Readonly<Record<string, number>>): [string, number][] => {
    const total: Record<string, number> = {};
    for (const one of batches)
      for (const [name, count] of Object.entries(of(one))) total[name] = (total[name] ?? 0) + count;
    return Object.entries(total);
  };
  const sequences = batches.reduce((total, one) => total + one.sequences, 0);
  const broken = batches.filter(({ failure }) => failure !== undefined);
  const named = (entries: [string, number][]): string => entries.map(([name, count]) => `${count} ${name}`).join(', ');
  const outcome =
    broken.length === 0
      ? 'The model held after every call: no acknowledged byte was lost, no success was false, nothing was left over.'
      : `**The model did not hold with seeds ${broken.map(({ seed }) => seed).join(', ')}.**`;
  return [
    `${sequences.toLocaleString('en')} sequences, ${first.date} to ${last.date}, in batches of ${first.sequences}`,
    ` (\`SEED=n SEQUENCES=${first.sequences} make soak\` runs one again), seeds ${ranges(batches.map(({ seed }) => seed))}. ${outcome}\n\n`,
    `Counted: ${named(sum(({ counted }) => counted))}.\n\n`,
    '| fault | happened |\n|---|---|\n',
    ...sum(({ faults }) => faults).map(([name, count]) => `| ${name} | ${count} |\n`),
  ].join('');
}
