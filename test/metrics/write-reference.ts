/** `make docs/metrics.md`: puts the tables into the page whose path is the argument, below its marker. */
import { readFileSync, writeFileSync } from 'node:fs';
import { metricsReference } from './reference.ts';

const MARKER = /<!-- reference: .* -->\n/;
const [, , path = ''] = process.argv;
const text = readFileSync(path, 'utf8');
const marker = MARKER.exec(text);
if (marker === null) throw new Error(`${path} has no marker`);
writeFileSync(path, `${text.slice(0, marker.index)}${marker[0]}\n${metricsReference()}`);
