/** Begins an upload and sends parts for ever, telling each acknowledged one; the test kills it. */
import { FileStorage } from '../../../src/vast/nfs/storage.ts';
import { pattern } from '../conformance/support.ts';

const [root = '', key = ''] = process.argv.slice(2);
const store = await new FileStorage(root).open('lsu');
const upload = await store.createUpload(key);
process.stdout.write(`${upload.id}\n`);
for (let number = 1; ; number += 1) {
  const part = { number, offset: (number - 1) * 10_000, body: [pattern(10_000, number)], size: 10_000 };
  const info = await upload.putPart(part);
  process.stdout.write(`${JSON.stringify(info)}\n`);
}
