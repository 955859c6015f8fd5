/** `make reliability`: puts what the tests promise, and how they ended, into the page whose path is the argument. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { RECORD, readBatches, soakText } from '../soak/record.ts';
import { declaredPromises } from './declared.ts';
import { MARKER, resultsIn, resultsOf, SOAK, tables } from './page.ts';
import { RESULTS, ROOT } from './promise-made.ts';

const [, , path = ''] = process.argv;
const page = readFileSync(path, 'utf8');
const end = page.indexOf(MARKER);
if (end < 0) throw new Error(`${path} has no marker`);
// A record that is not here was made elsewhere: what the page says of it stays.
const soaked = existsSync(RECORD) ? undefined : page.split(SOAK)[1];
const results = new Map([...resultsOf(page), ...resultsIn(RESULTS)]);
writeFileSync(
  path,
  `${page.slice(0, end)}${MARKER}\n${tables(declaredPromises(ROOT), results)}${SOAK}${soaked ?? soakText(readBatches())}`,
);
