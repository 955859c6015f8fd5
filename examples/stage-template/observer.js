import { defineStage } from 'vast-ost/stage';

/** Share of zeros in what it looks at, reported at the end of each image. */
export default defineStage({
  kind: 'observer',
  name: 'STAGE_NAME',
  version: '1.0.0',
  apiVersion: 1,
  // A look at 64 places of each chunk instead of all of it.
  sample: { pieces: 64, bytes: 4096 },

  observe: (data) => {
    let zeros = 0;
    for (const byte of data) if (byte === 0) zeros += 1;
    return { zeros, bytes: data.byteLength };
  },

  finish: (found, complete, { report }) => {
    let zeros = 0;
    let bytes = 0;
    for (const { result } of found) {
      zeros += result.zeros;
      bytes += result.bytes;
    }
    if (!complete || bytes === 0) return;
    report({ severity: 'info', text: 'share of zeros in the image', values: { zeros: zeros / bytes } });
  },
});
