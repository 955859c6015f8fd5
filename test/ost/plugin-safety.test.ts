import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { buildFolder, type HostCommand } from './support/ost-host.ts';
import { conformance } from './support/plugin-suite.ts';
import type { StoreKind } from './support/served.ts';

/** A finding ends the process with this code, whatever the checks said. */
const FINDING = 99;
const hasValgrind = spawnSync('valgrind', ['--version']).status === 0;

const valgrind = (...options: string[]): HostCommand => ({
  wrapper: ['valgrind', '--quiet', `--error-exitcode=${FINDING}`, ...options],
});
/**
 * The check for leaks looks at every page of a mapping, and in a forked child at those of the shared memory, which are not there:
 * minutes. So it is made without the checks that fork: their names have no colon.
 */
const leaks = valgrind('--leak-check=full', '--errors-for-leak-kinds=definite,indirect', '--track-fds=yes');

/** A build with `-fsanitize`, made by `make plugin-checked`. */
const sanitized = (sanitizers: string): HostCommand => ({
  program: join(buildFolder(sanitizers), 'ost-host'),
  env: {
    ASAN_OPTIONS: `exitcode=${FINDING}:detect_stack_use_after_return=1:strict_string_checks=1`,
    UBSAN_OPTIONS: `halt_on_error=1:print_stacktrace=1:exitcode=${FINDING}`,
    TSAN_OPTIONS: `exitcode=${FINDING}:halt_on_error=0`,
  },
});

const noValgrind = !hasValgrind && 'valgrind is not installed';
const both: StoreKind[] = ['directory', 'simulator'];
/** The plugin does not know what the engine stores its images in; under valgrind, which takes longest, one kind is enough. */
const one: StoreKind[] = ['directory'];
const tools: { name: string; missing: string | false; command: HostCommand; kinds: StoreKind[]; more?: string[] }[] = [
  { name: 'valgrind', missing: noValgrind, command: valgrind('--leak-check=no'), kinds: one },
  { name: 'valgrind, leaks', missing: noValgrind, command: leaks, kinds: one, more: ['--only', ':'] },
  ...['address-undefined', 'thread'].map((name) => ({
    name,
    missing: !existsSync(join(buildFolder(name), 'ost-host')) && `build/${name} is missing: make plugin-checked`,
    command: sanitized(name),
    kinds: both,
  })),
];

for (const { name, missing, command, kinds, more } of tools) {
  for (const kind of kinds) {
    t.test(`conformance under ${name} (${kind})`, { skip: missing }, async (t) => {
      const said = await conformance(t, kind, command, more);
      t.notMatch(
        said,
        /Sanitizer|runtime error|^==\d+== (Invalid|Conditional|Use of|Syscall param|.* lost)/m,
        'no findings',
      );
      t.notMatch(said, /Open file descriptor .*\n(?!.*inherited from parent)/, 'nothing left open');
    });
  }
}
