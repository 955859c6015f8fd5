import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type PromiseMade, TOPICS } from './promise-made.ts';

/** A promise and the test file that makes it, from the root of the repository. */
export interface Declared extends PromiseMade {
  readonly file: string;
}

const CALL = /(?<![.\w])promise\(/g;
const STRING = String.raw`'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"`;
const ARGUMENTS = new RegExp(String.raw`^promise\(\s*\{((?:\s*\w+:\s*(?:${STRING}),?)*)\s*\},?\s*\)`);
const MEMBER = new RegExp(String.raw`(\w+):\s*(${STRING})`, 'g');
const ROWS: readonly string[] = [...Array.from({ length: 20 }, (_, at) => `${at + 1}`), ...TOPICS];

/** Every call of `promise` in the text of a test. Throws when one is not made of plain strings. */
export function declarationsIn(file: string, text: string): Declared[] {
  return [...text.matchAll(CALL)].map(({ index }) => {
    const [, body] = ARGUMENTS.exec(text.slice(index)) ?? [];
    const members = new Map(
      [...(body ?? '').matchAll(MEMBER)].map(([, name = '', value = '']) => [name, plain(value)]),
    );
    const [row = '', promise = '', fault = ''] = ['row', 'promise', 'fault'].map((name) => members.get(name));
    const line = text.slice(0, index).split('\n').length;
    if (members.size !== 3 || !ROWS.includes(row) || promise === '' || fault === '')
      throw new Error(`${file}:${line}: promise({ row, promise, fault }) takes plain string literals`);
    return { row: row as Declared['row'], promise, fault, file };
  });
}

/** All promises of the tests, in the order of the page. */
export function declaredPromises(root: string): Declared[] {
  const all = readdirSync(join(root, 'test'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('reliability/') && name !== 'support/promise.ts')
    .sort()
    .flatMap((name) => declarationsIn(`test/${name}`, readFileSync(join(root, 'test', name), 'utf8')));
  return all.sort((a, b) => ROWS.indexOf(a.row) - ROWS.indexOf(b.row));
}

function plain(literal: string): string {
  return literal.slice(1, -1).replaceAll(/\\(.)/g, '$1');
}
