import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

/** A directory of this test file's own, with the given files, removed at the end; two runs of a test never share one. */
export function tempDir(files: Readonly<Record<string, string>> = {}): string {
  const dir = mkdtempSync(join(tmpdir(), 'vast-ost-test-'));
  for (const [name, content] of Object.entries(files)) writeFileSync(join(dir, name), content);
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, 'folder'));
  return dir;
}
