import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Declared } from './declared.ts';
import type { PromiseResult } from './promise-made.ts';

/** Everything behind it is made by `make reliability`. */
export const MARKER = '<!-- made by `make reliability`; what is changed here is lost -->\n';

/** Between the tables and what `make soak` found. */
export const SOAK =
  '\n## Soak\n\nRandom calls of two hosts under random faults and deaths of engines, against a model (`make soak`, [testing.md](testing.md)).\n\n';

/** What each row of the matrix is about. */
const MATRIX = [
  'One part is answered 500 or 503, then well',
  'SlowDown for a minute, on everything',
  'The connection breaks: before the headers, in the body, after it',
  'Stored, but the answer is lost',
  'A server that is slow, stops reading, or never answers',
  'An error inside 200; completed, but the answer lost',
  'ETag missing or changed, wrong checksum',
  'A bit flips on the wire',
  'A bit flips in our own memory, between digest and store',
  'Sources: too short, too long, empty, broken; any number of parts',
  'Credentials that expire; access denied',
  'Clocks that differ by 20 minutes',
  'DNS changes, refused connections, expired certificates, half-closed sockets',
  'No space, quota, EIO, ESTALE on files',
  'An NFS server that hangs',
  'Killed, stopped, stalled, out of memory',
  'An abort amid parts; an abort that fails itself',
  'Two writers, one image',
  'Many parts, listed in pages, in any order',
  'A server that can do little',
] as const;

/** How the tests ended that ran last, by {@link keyOf}; a promise that several files made passed where all of them did. */
export function resultsIn(folder: string): Map<string, string> {
  const cells = new Map<string, string>();
  let names: string[];
  try {
    names = readdirSync(folder).filter((name) => name.endsWith('.json'));
  } catch {
    return cells;
  }
  for (const name of names.sort()) {
    const results = JSON.parse(readFileSync(join(folder, name), 'utf8')) as PromiseResult[];
    for (const one of results) {
      const key = keyOf(one);
      if (!cells.get(key)?.startsWith('**failed')) cells.set(key, cellOf(one));
    }
  }
  return cells;
}

/** Results that the page shows already: a test that did not run since keeps its own. */
export function resultsOf(page: string): Map<string, string> {
  const cells = new Map<string, string>();
  let row = '';
  for (const line of page.slice(Math.max(page.indexOf(MARKER), 0)).split('\n')) {
    row = /^### (?:([0-9]+)\.|(.+)$)/.exec(line)?.slice(1).find(Boolean)?.toLowerCase() ?? row;
    const [, promise, fault, , result] = /^\| (.+) \| (.+) \| (\[.+\)) \| (.+) \|$/.exec(line) ?? [];
    if (promise !== undefined && fault !== undefined && result !== undefined)
      cells.set(JSON.stringify([row, promise, fault]), result);
  }
  return cells;
}

/** The tables, as Markdown. */
export function tables(declared: readonly Declared[], results: ReadonlyMap<string, string>): string {
  const rows = [...new Set(declared.map(({ row }) => row))];
  return rows
    .map((row) => {
      const lines = declared
        .filter((one) => one.row === row)
        .map((one) => {
          const test = `[${one.file.replace(/^test\//, '')}](../${one.file})`;
          return `| ${cell(one.promise)} | ${cell(one.fault)} | ${test} | ${results.get(keyOf(one)) ?? 'not run'} |\n`;
        });
      const head = `### ${titleOf(row)}\n\n| promise | fault | test | result |\n|---|---|---|---|\n`;
      return `${head}${lines.join('')}`;
    })
    .join('\n');
}

/** Lines of the tables without their results. */
export function withoutResults(text: string): string[] {
  return text.split('\n').map((line) => line.replace(/ \| [^|]+ \|$/, ' |'));
}

function titleOf(row: Declared['row']): string {
  const about = MATRIX[Number(row) - 1];
  return about === undefined ? `${row.charAt(0).toUpperCase()}${row.slice(1)}` : `${row}. ${about}`;
}

function keyOf({ row, promise, fault }: PromiseResult | Declared): string {
  return JSON.stringify([row, cell(promise), cell(fault)]);
}

function cellOf({ outcome, date }: PromiseResult): string {
  return outcome === 'passed' ? `passed ${date}` : `**failed ${date}**`;
}

/** A bar would end the cell. */
function cell(text: string): string {
  return text.replaceAll('|', '/');
}
