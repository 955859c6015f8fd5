import { closeSync } from 'node:fs';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { Arena, type ArenaLayout, layoutOf } from '../../src/ost/arena.ts';
import { ARENA_SEALS, native } from './support/native.ts';

const MIB = 1024 * 1024;
/** More than share one view; pages that nobody touches take no memory. */
const SLOTS = 1027;

t.test('each slot is its own memory, and its bytes are found again in another mapping', async (t) => {
  const layout = layoutOf({ slotBytes: MIB, slotCount: SLOTS, journalBytes: 65_536, journalCount: 1 }) as ArenaLayout;
  const fd = native.makeMemfd(layout.arenaBytes, ARENA_SEALS);
  t.teardown(() => closeSync(fd));
  const [arena, other] = [new Arena(bridge, fd, layout), new Arena(bridge, fd, layout)];
  const numbers = [0, 1, 2, 511, 1022, 1023, 1024, 1025, SLOTS - 1];
  for (const slot of numbers) {
    const bytes = arena.slot(slot);
    t.equal(bytes.byteLength, MIB);
    bytes.set([slot % 251, 7], slot);
    bytes.set([slot % 241], MIB - 1);
  }
  for (const slot of numbers) {
    const bytes = other.slot(slot);
    t.strictSame([...bytes.subarray(slot, slot + 2), bytes[MIB - 1]], [slot % 251, 7, slot % 241]);
    t.strictSame(arena.spanOf(arena.slot(slot)), { slot, at: 0, length: MIB });
    t.strictSame(arena.spanOf(arena.slot(slot).subarray(slot, slot + 2)), { slot, at: slot, length: 2 });
    t.strictSame([...other.span({ slot, at: slot, length: 2 })], [slot % 251, 7]);
  }
  t.equal(arena.spanOf(new Uint8Array(1)), undefined, 'other memory has none');
  t.equal(arena.spanOf(arena.journal(0)), undefined, 'nor has a journal');
  const kept = arena.slot(0);
  arena.unmap();
  other.unmap();
  t.equal(kept.byteLength, 0, 'no view outlives the mapping');
  t.throws(() => arena.slot(0), { message: 'the arena was unmapped' });
});

t.test('pages of a slot are made once, until the host may have given them back', async (t) => {
  const layout = layoutOf({ slotBytes: MIB, slotCount: 4, journalBytes: 65_536, journalCount: 1 }) as ArenaLayout;
  const fd = native.makeMemfd(layout.arenaBytes, ARENA_SEALS);
  t.teardown(() => closeSync(fd));
  const asked: (number | undefined)[][] = [];
  const counting: typeof bridge = {
    ...bridge,
    prefault: async (bytes) => {
      const span = arena.spanOf(bytes);
      asked.push([span?.slot, span?.at, span?.length]);
      return bridge.prefault(bytes);
    },
  };
  const arena = new Arena(counting, fd, layout);
  for (const bytes of [4096, 100, 4096, 3 * 4096, 2 * 4096]) await arena.prefault(2, bytes);
  t.same(asked.splice(0), [
    [2, 0, 4096],
    [2, 4096, 2 * 4096],
  ]);
  await arena.prefault(3, MIB);
  arena.cooled();
  await arena.prefault(3, MIB);
  t.same(asked, [
    [3, 0, MIB],
    [3, 0, MIB],
  ]);
  arena.unmap();
});

t.test('slots that come together make few views', async (t) => {
  const layout = layoutOf({ slotBytes: MIB, slotCount: SLOTS, journalBytes: 65_536, journalCount: 1 }) as ArenaLayout;
  const fd = native.makeMemfd(layout.arenaBytes, ARENA_SEALS);
  t.teardown(() => closeSync(fd));
  let views = 0;
  const counting: typeof bridge = {
    ...bridge,
    arenaView: (...args) => {
      views += 1;
      return bridge.arenaView(...args);
    },
  };
  const arena = new Arena(counting, fd, layout);
  for (let slot = 0; slot < SLOTS; slot += 1) arena.slot(slot);
  t.equal(views, 2, 'V8 counts each as garbage to come');
  arena.unmap();
});
