import t, { type Test } from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';
import { type Place, placeOf } from '../../src/pipeline/place.ts';
import { SlabWindow, windowBytes } from '../../src/pipeline/slab-window.ts';

const MIB = 2 ** 20;

function slabOf(t: Test, bytes: number, fill: number): { readonly bytes: Uint8Array; readonly place: Place } {
  const slab = bridge.allocSlab(bytes);
  t.teardown(() => bridge.freeSlab(slab));
  const all = new Uint8Array(slab).fill(fill);
  return { bytes: all, place: placeOf(all) as Place };
}

t.test('a view of exactly the bytes, until it is cleared', async (t) => {
  const { bytes, place } = slabOf(t, MIB, 5);
  const window = SlabWindow.take('one');
  const view = window.show({ ...place, offset: 5000, bytes: 100 }, false);
  t.equal(view.byteLength, 100);
  t.ok(view.every((byte) => byte === 5));
  t.equal(window.changed, false);
  view[0] = 6;
  t.equal(window.changed, true);
  t.equal(bytes[5000], 5);
  window.clear();
  t.equal(window.changed, false);
  t.ok(view.every((byte) => byte === 0));
  t.equal(window.show({ ...place, bytes: 0 }, false).byteLength, 0);
  window.give();
});

t.test('its owner gets it again; others do not see what he kept', async (t) => {
  const { place } = slabOf(t, MIB, 7);
  const window = SlabWindow.take('first');
  const kept = window.show(place, false);
  window.give();
  const again = SlabWindow.take('first');
  t.equal(again, window);
  again.show(place, false);
  t.equal(kept[0], 7);
  again.give();
  const others = new Set<SlabWindow>();
  for (let at = 0; at < 20; at += 1) {
    const other = SlabWindow.take(`other ${at}`);
    others.add(other);
    other.show(place, false);
    t.ok(kept.byteLength === 0 || kept[0] === 0);
    other.give();
  }
  t.ok(others.size < 20 && others.has(window), 'they are used again');
  t.equal(kept.byteLength, 0);
});

t.test('that of an owner who takes none any more is passed on', async (t) => {
  const { place } = slabOf(t, MIB, 7);
  const look = (owner: string): SlabWindow => {
    const window = SlabWindow.take(owner);
    window.show(place, false);
    window.give();
    return window;
  };
  for (let at = 0; at < 200; at += 1) look('stays');
  const before = windowBytes();
  const [gone, kept] = [look('gone'), look('stays')];
  for (let at = 0; at < 200; at += 1) t.equal(look('stays'), kept);
  look('new');
  t.equal(windowBytes(), before, 'there are as many as before');
  t.not(gone, kept);
});

t.test('memory that was taken away is empty, and another one is used', async (t) => {
  const { bytes, place } = slabOf(t, MIB, 7);
  const before = windowBytes();
  const window = SlabWindow.take('thief');
  const taken = new Uint8Array(window.show(place, true).buffer.transfer());
  t.equal(taken[0], 7);
  window.clear();
  t.equal(taken[0], 0);
  taken[0] = 9;
  t.equal(bytes[0], 7);
  t.equal(window.show(place, false)[0], 7);
  t.equal(taken[0], 9);
  window.give();
  t.ok(windowBytes() <= before + MIB);
});

t.test('a longer chunk gets a longer window', async (t) => {
  const window = SlabWindow.take('growing');
  const small = slabOf(t, MIB, 1);
  const large = slabOf(t, 3 * MIB, 2);
  const kept = window.show(small.place, false);
  window.clear();
  t.equal(window.show(large.place, false).at(-1), 2);
  t.equal(kept.byteLength, 0);
  window.give();
});
