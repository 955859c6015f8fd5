import { readFileSync } from 'node:fs';
import t from 'tap';
import * as constants from '../../../src/ost/wire/constants.ts';
import { decodeFrame, encodeFrame, type Frame } from '../../../src/ost/wire/frame.ts';
import { notices, requests } from '../../../src/ost/wire/messages.ts';

interface Vector {
  readonly name: string;
  readonly side: 'request' | 'answer' | 'error' | 'notice';
  readonly type: number;
  readonly flags: number;
  readonly id: number;
  readonly fields: Record<string, unknown>;
  readonly hex: string;
}
const root = new URL('../../../', import.meta.url);
const vectors = JSON.parse(readFileSync(new URL('addon/wire/vectors.json', root), 'utf8')) as {
  protocol: { major: number; minor: number };
  valid: Vector[];
  invalid: { why: string; hex: string }[];
};

/** Values as the vectors write them: 64-bit numbers as text, blobs in hexadecimal. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (Buffer.isBuffer(value)) return value.toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [name, plain(field)]));
}

t.test('every valid vector decodes to its fields and encodes to its bytes', async (t) => {
  for (const [at, vector] of vectors.valid.entries()) {
    const bytes = Buffer.from(vector.hex, 'hex');
    const frame = decodeFrame(bytes);
    const label = `${at} ${vector.name} ${vector.side}`;
    t.equal(frame.name, vector.name, label);
    t.equal(frame.kind, vector.side, label);
    t.strictSame(plain(frame.value), vector.fields, label);
    t.equal(encodeFrame(frame).toString('hex'), vector.hex, label);
  }
});

t.test('the vectors cover the whole catalogue', async (t) => {
  const seen = new Set(vectors.valid.map(({ name }) => name));
  t.strictSame([...seen].sort(), [...Object.keys(requests), ...Object.keys(notices)].sort());
  t.strictSame(vectors.protocol, { major: constants.MAJOR, minor: constants.MINOR });
});

t.test('every invalid vector is refused for the stated reason', async (t) => {
  for (const { why, hex } of vectors.invalid) {
    t.throws(() => decodeFrame(Buffer.from(hex, 'hex')), { code: 'VOST_WIRE', message: why }, why);
  }
});

t.test('the numbers are those of the C header', async (t) => {
  const header = readFileSync(new URL('addon/wire/limits.h', root), 'utf8');
  const defined = new Map(
    [...header.matchAll(/\bWIRE_([A-Z0-9_]+) (?:= )?(?:UINT64_C\()?(0x[0-9a-f]+|[0-9]+)\b/g)].map(([, name, value]) => [
      name as string,
      BigInt(value as string),
    ]),
  );
  const pairs: [string, number | bigint][] = [
    ['MAJOR', constants.MAJOR],
    ['MINOR', constants.MINOR],
    ['HELLO_MAGIC', constants.HELLO_MAGIC],
    ['HELLO_BYTES', constants.HELLO_BYTES],
    ['MAX_CAUSE', constants.MAX_CAUSE],
    ['MAX_NAMES', constants.MAX_LIST_NAMES],
    ['MAX_IMAGES', constants.MAX_LIST_IMAGES],
    ['MAX_EVENTS', constants.MAX_LIST_EVENTS],
    ['MAX_IMAGE_SLOTS', constants.MAX_IMAGE_SLOTS],
    ['MAX_META_INDEX', constants.MAX_META_INDEX],
    ['CREATE_MORE_FOLLOW', 1],
    ['SLOT_LAST', constants.SLOT_LAST],
    ['READ_EOF', constants.RANGE_EOF],
    ['DELETE_ASYNC', constants.DELETE_ASYNC],
    ['COPY_EVENT', constants.COPY_EVENT],
    ...Object.entries(constants.RESULT),
    ...Object.entries(constants.CAPABILITY).map(([name, value]) => [`CAP_${name}`, value] as [string, bigint]),
    ...Object.entries(constants.LSU_FLAG).map(([name, value]) => [`LSU_${name}`, value] as [string, bigint]),
    ...Object.entries(constants.IMAGE_FLAG).map(([name, value]) => [`IMAGE_${name}`, value] as [string, number]),
    ...Object.entries(constants.OPEN_MODE).map(([name, value]) => [`MODE_${name}`, value] as [string, number]),
    ...Object.entries(constants.CLOSE_MODE).map(([name, value]) => [`CLOSE_${name}`, value] as [string, number]),
    ...Object.entries(constants.READ_HINT).map(([name, value]) => [`HINT_${name}`, value] as [string, number]),
    ...Object.entries(constants.ATTACH_SLOT).map(([name, value]) => [`SLOT_${name}`, value] as [string, number]),
    ...Object.entries(constants.ATTACHED).map(([name, value]) => [`ATTACH_${name}`, value] as [string, number]),
    ...Object.entries(constants.COPY_STATE).map(([name, value]) => [`COPY_${name}`, value] as [string, number]),
    ...Object.entries(constants.EVENT_TYPE).map(([name, value]) => [`EVENT_${name}`, value] as [string, number]),
  ];
  for (const [name, value] of pairs) t.equal(defined.get(name), BigInt(value), name);
});

t.test('values that do not fit their fields are not encoded', async (t) => {
  const refuse = (frame: Frame) => t.throws(() => encodeFrame(frame), { code: 'VOST_WIRE' });
  refuse({ kind: 'request', name: 'SERVER_CLOSE', id: 0, resend: false, value: { server: 1n } });
  refuse({ kind: 'request', name: 'SERVER_CLOSE', id: 1, resend: false, value: { server: -1n } });
  refuse({ kind: 'request', name: 'SERVER_CLOSE', id: 1, resend: false, value: { server: 2n ** 64n } });
  refuse({ kind: 'answer', name: 'IMAGE_CLOSE', id: 1, value: { report: 'x'.repeat(1024) } });
  refuse({ kind: 'answer', name: 'IMAGE_CLOSE', id: 1, value: { report: 'a\0b' } });
  refuse({ kind: 'answer', name: 'IMAGE_CLOSE', id: 1, value: { report: '\ud800' } });
  refuse({ kind: 'answer', name: 'META_READ', id: 1, value: { length: 2 ** 32 } });
  refuse({ kind: 'answer', name: 'CONFIG_GET', id: 1, value: { text: Buffer.alloc(65_537) } });
});
