import t from 'tap';
import { Lz4Codec } from '../../../src/stages/lz4/codec.ts';

const MIB = 1024 * 1024;
const JOBS = 300;

t.test('however many chunks wait, few copies are made', async (t) => {
  const codec = new Lz4Codec();
  const data = new Uint8Array(MIB).fill(7);
  const begin = process.memoryUsage().arrayBuffers;
  let most = 0;
  const jobs = Array.from({ length: JOBS }, async () => {
    const { data: frame } = await codec.compress(data.subarray(0, MIB / 2), data.subarray(MIB / 2));
    most = Math.max(most, process.memoryUsage().arrayBuffers - begin);
    return frame;
  });
  most = Math.max(most, process.memoryUsage().arrayBuffers - begin);
  const frames = await Promise.all(jobs);
  t.ok(most < 64 * MIB, `${Math.round(most / MIB)} of ${JOBS} MiB at once`);
  const [first] = frames;
  t.ok(
    frames.every((frame) => first && Buffer.compare(frame, first) === 0),
    'pieces are joined',
  );
  t.strictSame(Buffer.from(await codec.decompress(first as Uint8Array)), Buffer.from(data));
});

t.test('a frame that cannot be decoded leaves the turn to the next', async (t) => {
  const codec = new Lz4Codec();
  const broken = Array.from({ length: 4 * codec.threads }, () => codec.decompress(new Uint8Array(100)));
  const settled = await Promise.allSettled(broken);
  t.ok(settled.every(({ status }) => status === 'rejected'));
  t.ok((await codec.compress(new Uint8Array(1000))).data.byteLength > 0);
});
