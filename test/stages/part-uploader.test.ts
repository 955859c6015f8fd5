import t from 'tap';
import { EngineError } from '../../src/errors.ts';
import type { Part } from '../../src/stages/packer.ts';
import { createPartUploader } from '../../src/stages/part-uploader.ts';
import { countingLease } from '../support/chunks.ts';
import { closed, gate, turns } from '../support/turns.ts';

const partOf = (number: number) => ({
  fragment: 1,
  number,
  offset: 0,
  size: 0,
  pieces: [],
  chunks: [],
  leases: [countingLease(), countingLease()],
  whole: false,
});

t.test('memory is released only after storage has acknowledged and that is recorded', async (t) => {
  const parts = [partOf(1), partOf(2), partOf(3)];
  const sent = parts.map(() => gate());
  const recorded = gate();
  const events: string[] = [];
  const uploader = createPartUploader({
    concurrency: () => 2,
    store: (part) => {
      events.push(`send ${part.number}`);
      return sent[part.number - 1]?.promise ?? Promise.reject();
    },
    onStored: (part) => {
      events.push(`stored ${part.number}`);
      return part.number === 2 ? recorded.promise : undefined;
    },
  });
  const released = (): number[] => parts.flatMap(({ leases }) => leases.map((lease) => lease.released));
  for (const part of parts) uploader.write(part satisfies Part);
  uploader.end();
  await turns();
  t.strictSame([events.splice(0), uploader.running], [['send 1', 'send 2'], 2]);
  sent[1]?.open();
  await turns();
  t.strictSame([events.splice(0), released()], [['stored 2'], [0, 0, 0, 0, 0, 0]]);
  recorded.open();
  await turns();
  t.strictSame([events.splice(0), released()], [['send 3'], [0, 0, 1, 1, 0, 0]]);
  sent[0]?.open();
  sent[2]?.open();
  await closed(uploader);
  t.strictSame(
    [events, released()],
    [
      ['stored 1', 'stored 3'],
      [1, 1, 1, 1, 1, 1],
    ],
  );
  t.ok(uploader.writableFinished);
});

t.test('a part that fails, or whose record fails, keeps its memory for the owner to free', async (t) => {
  for (const where of ['store', 'onStored'] as const) {
    const part = partOf(1);
    const root = new EngineError('VOST_TEST', 'capacity', where);
    const fail = (): never => {
      throw root;
    };
    const uploader = createPartUploader({
      concurrency: () => 1,
      store: async () => (where === 'store' ? fail() : undefined),
      onStored: () => (where === 'onStored' ? fail() : undefined),
    });
    const errors: unknown[] = [];
    uploader.on('error', (error) => errors.push(error));
    uploader.end(part);
    await closed(uploader);
    t.strictSame(errors, [root]);
    t.strictSame(
      part.leases.map((lease) => lease.released),
      [0, 0],
    );
  }
});
