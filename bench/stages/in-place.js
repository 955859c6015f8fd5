import { defineStage } from 'vast-ost/stage';

/** Changes every byte where it lies, as a cipher may. */
const flip = (data) => {
  const words = new BigUint64Array(data.buffer, data.byteOffset, data.byteLength >> 3);
  for (let at = 0; at < words.length; at += 1) words[at] ^= 0x5a5a5a5a5a5a5a5an;
  return data;
};

export default defineStage({
  kind: 'transform',
  name: 'vast-ost-stage-in-place',
  version: '1.0.0',
  apiVersion: 1,
  encode: flip,
  decode: flip,
});
