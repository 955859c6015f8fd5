/** Repairs an image of the LSU `one` from `two` and stands still before the fragment is put in its place; the test kills it. */
import { bridge } from '../../src/bridge/bridge.ts';
import { repairImage } from '../../src/image/repair-image.ts';
import { createResources } from '../../src/pipeline/resources.ts';
import { builtInStages } from '../../src/stages/built-in.ts';
import { FileStorage } from '../../src/vast/nfs/storage.ts';
import type { Upload } from '../../src/vast/store.ts';
import { wrapStore } from '../support/wrap-store.ts';

const [root = '', imageId = ''] = process.argv.slice(2);
const storage = new FileStorage(root);
const [one, two] = [await storage.open('one'), await storage.open('two')];
const store = wrapStore(one, {
  createUpload: async (key, options) => {
    const upload = await one.createUpload(key, options);
    const complete: Upload['complete'] = async () => {
      process.stdout.write('all parts are stored\n');
      return new Promise(() => setInterval(() => undefined, 60_000));
    };
    return {
      ...upload,
      key,
      id: upload.id,
      putPart: upload.putPart.bind(upload),
      abort: upload.abort.bind(upload),
      listParts: upload.listParts.bind(upload),
      complete,
    };
  },
});
const resources = createResources(bridge, 16 * 1024 * 1024, builtInStages());
await repairImage({ store, imageId }, { store: two, imageId }, resources, { readAhead: 1 });
