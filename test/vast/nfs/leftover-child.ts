/** Stores one object from a stream that never ends; tells when its bytes lie in the file. The test kills it. */
import { FileStorage } from '../../../src/vast/nfs/storage.ts';

const [root = '', key = ''] = process.argv.slice(2);
const store = await new FileStorage(root).open('lsu');
await store.putStream(
  key,
  (async function* () {
    yield Buffer.alloc(1000, 1);
    // Asked for only when the first piece is written.
    process.stdout.write('written\n');
    await new Promise(() => setInterval(() => undefined, 60_000));
  })(),
);
