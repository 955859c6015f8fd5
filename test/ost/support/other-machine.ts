/**
 * The command line of another machine: it has another identity, and a clock that is `CLOCK_SKEW_MS` ahead. Processes of the first machine are none of
 * its own, although they are there for the test.
 */
import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';

const skewMs = Number(process.env['CLOCK_SKEW_MS'] ?? 0);
const now = Date.now.bind(Date);
Date.now = () => now() + skewMs;

const read = fs.readFileSync;
const IDENTITY = ['/etc/machine-id', '/proc/sys/kernel/random/boot_id'];
fs.readFileSync = ((path: string, ...rest: unknown[]) =>
  IDENTITY.includes(path)
    ? Buffer.from(`another ${path}`)
    : Reflect.apply(read, fs, [path, ...rest])) as typeof fs.readFileSync;
syncBuiltinESMExports();

await import('../../../src/cli/main.ts');
