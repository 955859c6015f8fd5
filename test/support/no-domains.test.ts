import { spawnSync } from 'node:child_process';
import t from 'tap';

/** What a file of tests comes to that says `code`, run as all of them are: its exit code and what it says. */
function outcome(code: string): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(
    process.execPath,
    [
      '--import=@tapjs/processinfo/import',
      '--import=./test/support/no-domains.ts',
      '--input-type=module',
      '-e',
      `import t from 'tap'; ${code}`,
    ],
    { encoding: 'utf8', timeout: 60_000 },
  );
}

t.test('an error fails its file, wherever it is thrown', async (t) => {
  t.match(outcome(`t.test('good', async (t) => t.pass());`), { status: 0, stdout: /^ok 1 - good/m });
  const errors = {
    'where the test waits': `await Promise.reject(new Error('told'));`,
    'in a callback': `await new Promise(() => setTimeout(() => { throw new Error('told'); }, 10));`,
    'in a promise that nobody awaits': `void Promise.reject(new Error('told')); await new Promise(setImmediate);`,
    'after the test': `t.pass(); setTimeout(() => { throw new Error('told'); }, 10);`,
  };
  for (const [where, code] of Object.entries(errors)) {
    const { status, stdout, stderr } = outcome(`t.test('bad', async (t) => { ${code} });`);
    t.not(status, 0, where);
    t.match(stdout + stderr, /told/, where);
  }
});
