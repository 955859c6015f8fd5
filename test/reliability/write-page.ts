/** `make reliability`: puts what the tests promise, and how they ended, into the page whose path is the argument. */
import { readFileSync, writeFileSync } from 'node:fs';
import { declaredPromises } from './declared.ts';
import { MARKER, resultsIn, resultsOf, tables } from './page.ts';
import { RESULTS, ROOT } from './promise-made.ts';

const [, , path = ''] = process.argv;
const page = readFileSync(path, 'utf8');
const end = page.indexOf(MARKER);
if (end < 0) throw new Error(`${path} has no marker`);
const results = new Map([...resultsOf(page), ...resultsIn(RESULTS)]);
writeFileSync(path, `${page.slice(0, end)}${MARKER}\n${tables(declaredPromises(ROOT), results)}`);
