import { constants } from 'node:fs';
import { readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import t from 'tap';
import { CallGate } from '../../../src/vast/nfs/call-gate.ts';
import { Files } from '../../../src/vast/nfs/files.ts';
import { openRegular, readRange } from '../../../src/vast/nfs/read.ts';
import { splitAligned, writePart } from '../../../src/vast/nfs/write.ts';
import { pattern } from '../conformance/support.ts';

const MIB = 2 ** 20;
const PAGE = 4096;
const files = new Files(new CallGate(1));

/** Page-aligned memory without the native bridge: what WebAssembly runs on. */
function alignedBytes(bytes: number): Uint8Array {
  const memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / 65_536) });
  const view = new Uint8Array(memory.buffer, 0, bytes);
  view.set(pattern(bytes));
  return view;
}

t.test('splitAligned keeps every byte and aligns the first half', async () => {
  const memory = new ArrayBuffer(64 * PAGE);
  const piece = fc
    .tuple(fc.integer({ min: 0, max: 30 }), fc.constantFrom(0, 0, 0, 1, 512), fc.integer({ min: 0, max: 4 * PAGE }))
    .map(([page, shift, length]) => new Uint8Array(memory, page * PAGE + shift, length));
  const whole = fc.integer({ min: 0, max: 30 }).map((page) => new Uint8Array(memory, page * PAGE, 2 * PAGE));
  fc.assert(
    fc.property(
      fc.array(fc.oneof(piece, whole), { maxLength: 6 }),
      fc.constantFrom(0, PAGE, 7 * PAGE, 1, 512),
      (body, offset) => {
        const { direct, buffered } = splitAligned(body, offset);
        const spans = (views: readonly Uint8Array[]): number[] =>
          views.flatMap((view) => Array.from({ length: view.byteLength }, (_, index) => view.byteOffset + index));
        const aligned = direct.every((view) => view.byteOffset % PAGE === 0 && view.byteLength % PAGE === 0);
        const same = JSON.stringify([...spans(direct), ...spans(buffered)]) === JSON.stringify(spans(body));
        return aligned && same && (offset % PAGE === 0 || direct.length === 0);
      },
    ),
    { numRuns: 60 },
  );
});

t.test('an aligned part goes past the page cache, its tail does not', async (t) => {
  const path = join(t.testdir({}), 'file');
  const bytes = alignedBytes(3 * MIB + 100);
  const body = [bytes.subarray(0, MIB), bytes.subarray(MIB)];
  await writeFile(path, '');
  await truncate(path, 10 * MIB);
  const direct = await writePart(files, path, { body: body, offset: 4 * MIB }, true, undefined);
  t.equal(direct, 3 * MIB, 'this filesystem takes direct I/O');
  const back = await readFile(path);
  t.ok(back.subarray(4 * MIB, 7 * MIB + 100).equals(bytes));
  t.ok(back.subarray(0, 4 * MIB).every((byte) => byte === 0) && back.length === 10 * MIB, 'nothing else is touched');
});

t.test('what cannot go directly goes buffered', async (t) => {
  const path = join(t.testdir({}), 'file');
  const aligned = alignedBytes(MIB);
  // malloc puts large blocks 16 bytes behind a page: offsets look aligned, addresses are not.
  const malloc = new Uint8Array(Buffer.allocUnsafeSlow(MIB + PAGE).buffer, 0, MIB);
  malloc.set(pattern(MIB, 2));
  for (const [what, body, offset] of [
    ['an unaligned offset', [aligned], 1],
    ['memory at an unaligned address', [malloc], 0],
    ['a small part', [aligned.subarray(0, PAGE)], 0],
    ['no bytes', [], 0],
  ] as const) {
    await writeFile(path, '');
    await writePart(files, path, { body, offset }, true, undefined);
    const back = await readFile(path);
    t.ok(back.subarray(offset).equals(Buffer.concat(body)), what);
  }
  await writeFile(path, '');
  t.equal(await writePart(files, path, { body: [aligned], offset: 1 }, true, undefined), 0);
  t.equal(
    await writePart(files, path, { body: [aligned], offset: 0 }, false, undefined),
    0,
    'nor when it is switched off',
  );
});

t.test('a long read goes past the page cache, with its tail and whatever cannot go so', async (t) => {
  const dir = t.testdir({});
  const bytes = Buffer.from(alignedBytes(12 * MIB + 100));
  await writeFile(join(dir, 'file'), bytes);
  const flags: number[] = [];
  const watched = new Files(new CallGate(1));
  const open = watched.open.bind(watched);
  watched.open = (path, asked, mode) => {
    flags.push(asked & constants.O_DIRECT);
    return open(path, asked, mode);
  };
  await using folder = await watched.open(dir, constants.O_RDONLY);
  await using file = await openRegular(folder, 'file');
  if (file === undefined) throw new Error('it is there');
  const memory = alignedBytes(13 * MIB);
  for (const [what, into, position, directIo, direct] of [
    ['all of it', memory.subarray(0, bytes.byteLength), 0, true, true],
    ['from a page on', memory.subarray(0, 8 * MIB), PAGE, true, true],
    ['beyond the end', memory.subarray(0, 8 * MIB), 8 * MIB, true, true],
    ['an unaligned position', memory.subarray(0, 8 * MIB), 1, true, false],
    ['unaligned memory', memory.subarray(1, 8 * MIB), 0, true, false],
    ['little', memory.subarray(0, MIB), 0, true, false],
    ['switched off', memory.subarray(0, 8 * MIB), 0, false, false],
  ] as const) {
    flags.length = 0;
    memory.fill(0);
    const filled = await readRange(file, into, position, directIo, undefined);
    t.equal(filled, Math.min(into.byteLength, bytes.byteLength - position), what);
    t.ok(bytes.subarray(position, position + filled).equals(into.subarray(0, filled)), what);
    t.equal(flags.includes(constants.O_DIRECT), direct, what);
  }
  // Looks aligned, and is not.
  const malloc = new Uint8Array(Buffer.allocUnsafeSlow(8 * MIB + PAGE).buffer, 0, 8 * MIB);
  t.equal(await readRange(file, malloc, 0, true, undefined), malloc.byteLength);
  t.ok(bytes.subarray(0, malloc.byteLength).equals(malloc), 'memory at an unaligned address');
});
