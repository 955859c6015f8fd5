import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import t from 'tap';
import { declarationsIn, declaredPromises } from './declared.ts';
import { MARKER, resultsOf, SOAK, tables, withoutResults } from './page.ts';
import { RESULTS, ROOT } from './promise-made.ts';

const declared = declaredPromises(ROOT);

t.test('docs/reliability.md has the promises that the tests make', async (t) => {
  const [, made = ''] = readFileSync(`${ROOT}docs/reliability.md`, 'utf8').split(`${MARKER}\n`);
  t.strictSame(
    withoutResults(made.split(SOAK)[0] ?? ''),
    withoutResults(tables(declared, new Map())),
    'make reliability brings it up to date',
  );
});

t.test('every row of the matrix is tested', async (t) => {
  const rows = new Set<string>(declared.map(({ row }) => row));
  for (let row = 1; row <= 20; row += 1) t.ok(rows.has(`${row}`), `row ${row}`);
});

t.test('no two promises are the same', async (t) => {
  const keys = declared.map(({ row, promise, fault }) => `${row}: ${promise} (${fault})`);
  t.strictSame(
    keys.filter((key, at) => keys.indexOf(key) !== at),
    [],
  );
});

t.test('calls are read as they are written', async (t) => {
  const text = `x.promise({ row: 'no' });
promise({ row: '3', promise: 'it\\'s kept', fault: "a 'reset' | more" });
  promise({
    row: 'gc',
    promise: 'b',
    fault: 'c',
  });`;
  const found = declarationsIn('f', text);
  t.strictSame(found, [
    { row: '3', promise: "it's kept", fault: "a 'reset' | more", file: 'f' },
    { row: 'gc', promise: 'b', fault: 'c', file: 'f' },
  ]);
  const key = JSON.stringify(['3', "it's kept", "a 'reset' / more"]);
  const page = `${MARKER}\n${tables(found, new Map([[key, 'passed 2026-01-02']]))}`;
  t.strictSame(
    resultsOf(page),
    new Map([
      [key, 'passed 2026-01-02'],
      [JSON.stringify(['gc', 'b', 'c']), 'not run'],
    ]),
    'and come back from the page',
  );
  for (const bad of [
    "promise({ row: '21', promise: 'a', fault: 'b' })",
    "promise({ row: '1', promise: 'a' })",
    "promise({ row: '1', promise: `a`, fault: 'b' })",
    'promise(what)',
  ])
    t.throws(() => declarationsIn('f.ts', `\n${bad}`), { message: /^f\.ts:2: / }, bad);
});

t.test('how a test ended is noted, however it ended', async (t) => {
  const file = `${RESULTS}/test-reliability-outcomes.ts.json`;
  t.teardown(() => rmSync(file, { force: true }));
  for (const [how, outcome] of [
    ['pass', 'passed'],
    ['fail', 'failed'],
    ['throw', 'failed'],
    ['leak', 'failed'],
    ['die', 'failed'],
    ['hang', 'failed'],
  ] as const) {
    rmSync(file, { force: true });
    spawnSync(process.execPath, [`${ROOT}test/reliability/outcomes.ts`, how], { stdio: 'ignore' });
    t.match(JSON.parse(readFileSync(file, 'utf8')), [{ row: '1', promise: 'a', fault: 'none', outcome }], how);
  }
});
