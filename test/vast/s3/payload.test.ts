import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import t from 'tap';
import { payloadOf } from '../../../src/vast/s3/payload.ts';
import { TURN_BYTES } from '../../../src/vast/s3/turns.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Pieces whose bytes tell where they belong. */
function piecesOf(...lengths: readonly number[]): Uint8Array[] {
  let at = 0;
  return lengths.map((length) => Uint8Array.from({ length }, () => (at++ * 7) % 251));
}

t.test('a short body in one piece is handed over as it is', async (t) => {
  const [piece = new Uint8Array(0)] = piecesOf(64 * KIB);
  const payload = payloadOf([new Uint8Array(0), piece], false);
  t.ok(Buffer.isBuffer(payload) && payload.buffer === piece.buffer);
});

for (const tls of [false, true]) {
  t.test(`${tls ? 'TLS' : 'HTTP'}: a longer one is read in order, without a copy`, async (t) => {
    for (const lengths of [[5 * MIB], [1, 300 * KIB, 0, 3 * MIB + 1], [2 * MIB, 2 * MIB]]) {
      const pieces = piecesOf(...lengths);
      const memories = new Set(pieces.map((piece) => piece.buffer));
      const payload = payloadOf(pieces, tls);
      t.ok(payload instanceof Readable);
      const read: Buffer[] = [];
      for await (const slice of payload as Readable) read.push(slice as Buffer);
      t.ok(read.every((slice) => memories.has(slice.buffer as ArrayBuffer)));
      t.ok(Buffer.concat(read).equals(Buffer.concat(pieces)));
    }
  });
}

t.test('who takes as fast as it is given does not keep the thread for itself', async (t) => {
  const body = [new Uint8Array(8 * TURN_BYTES)];
  const payloads = [1, 2, 3].map(() => payloadOf(body, false) as Readable);
  let taken = 0;
  for (const payload of payloads) payload.on('data', (slice: Buffer) => (taken += slice.byteLength));
  let before = 0;
  let most = 0;
  let turns = 0;
  while (payloads.some(({ readableEnded }) => !readableEnded)) {
    await nextTurn();
    most = Math.max(most, taken - before);
    before = taken;
    turns += 1;
  }
  t.equal(taken, 3 * 8 * TURN_BYTES);
  // Whoever looks may do so twice between two turns, or not once.
  t.ok(most <= 2 * TURN_BYTES, `${most} bytes in one turn`);
  t.ok(turns >= 12);
});

t.test('a body that is given up holds up nobody', async (t) => {
  const [dropped, kept] = [1, 2].map(() => payloadOf([new Uint8Array(4 * MIB)], false) as Readable);
  dropped?.resume();
  dropped?.destroy();
  t.equal((await buffer(kept as Readable)).byteLength, 4 * MIB);
});
