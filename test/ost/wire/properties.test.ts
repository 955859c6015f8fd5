import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { EngineError } from '../../../src/errors.ts';
import { MAX_FRAME } from '../../../src/ost/wire/constants.ts';
import { decodeFrame, encodeFrame } from '../../../src/ost/wire/frame.ts';
import { FrameSplitter } from '../../../src/ost/wire/frame-splitter.ts';
import { clipText, decodeText, encodeText } from '../../../src/ost/wire/text.ts';

const { valid } = JSON.parse(readFileSync(new URL('../../../addon/wire/vectors.json', import.meta.url), 'utf8')) as {
  valid: { hex: string }[];
};
const frames = valid.map(({ hex }) => Buffer.from(hex, 'hex'));

/** Decodes, or refuses with the one error there is; what decodes encodes to the same bytes. */
function total(bytes: Buffer): boolean {
  try {
    const frame = decodeFrame(bytes);
    // Text behind the zero of a padded field is dropped, so a hello is compared by its fields.
    if (frame.name === 'HELLO' && frame.kind === 'request') return true;
    return encodeFrame(frame).equals(bytes);
  } catch (error) {
    return error instanceof EngineError && error.code === 'VOST_WIRE';
  }
}

t.test('random bytes, with and without a fitting length, are decoded or refused', async () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), fc.boolean(), (bytes, honest) => {
      const frame = Buffer.from(bytes);
      if (honest && frame.byteLength >= 4) frame.writeUInt32LE(frame.byteLength, 0);
      return total(frame);
    }),
    { numRuns: 3000 },
  );
});

t.test('mutated, cut and lengthened vectors are decoded or refused', async () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...frames),
      fc.array(fc.tuple(fc.nat(4096), fc.nat(255)), { maxLength: 4 }),
      fc.integer({ min: -40, max: 40 }),
      (vector, edits, delta) => {
        const bytes = Buffer.concat([vector, Buffer.alloc(40)]).subarray(0, Math.max(0, vector.byteLength + delta));
        for (const [at, value] of edits) if (bytes.byteLength > 0) bytes[at % bytes.byteLength] = value;
        if (bytes.byteLength >= 4 && edits.length % 2 === 0) bytes.writeUInt32LE(bytes.byteLength, 0);
        return total(bytes);
      },
    ),
    { numRuns: 5000 },
  );
});

t.test('a stream cut anywhere gives the same frames', async (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom(...frames), { maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1, maxLength: 50 }),
      (sent, cuts) => {
        const stream = Buffer.concat(sent);
        const splitter = new FrameSplitter();
        const got: string[] = [];
        for (let at = 0, cut = 0; at < stream.byteLength; cut += 1) {
          const size = cuts[cut % cuts.length] ?? 1;
          for (const frame of splitter.push(stream.subarray(at, at + size))) got.push(frame.toString('hex'));
          at += size;
        }
        return got.join() === sent.map((frame) => frame.toString('hex')).join();
      },
    ),
  );
  for (const length of [0, 11, MAX_FRAME + 1, 0xffff_ffff]) {
    const header = Buffer.alloc(12);
    header.writeUInt32LE(length);
    t.throws(() => [...new FrameSplitter().push(header)], { code: 'VOST_WIRE' }, `length ${length}`);
  }
});

t.test('any bytes pass through a string', async () => {
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => encodeText(decodeText(bytes)).equals(bytes)),
    { numRuns: 2000 },
  );
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (text) => decodeText(encodeText(text)) === text));
});

t.test('clipped text fits, is plain, and keeps as much as it can', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), fc.nat(40), (text, limit) => {
      const clipped = clipText(text, limit);
      const bytes = Buffer.byteLength(clipped);
      const whole = clipText(text, 1e6);
      return (
        bytes <= limit &&
        !/\p{Cc}/u.test(clipped) &&
        whole.startsWith(clipped) &&
        (clipped === whole || bytes > limit - 4)
      );
    }),
  );
});
