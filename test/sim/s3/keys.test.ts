import fc from 'fast-check';
import t from 'tap';
import { keyFromText, keyToText, percentDecode, percentEncode, prefixEnd } from '../../../src/sim/s3/keys.ts';

const key = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('latin1'));

t.test('percent encoding is reversible for any bytes, and safe', async (t) => {
  fc.assert(
    fc.property(key, fc.boolean(), (binary, keepSlash) => {
      const encoded = percentEncode(binary, keepSlash);
      return percentDecode(encoded) === binary && /^[A-Za-z0-9\-._~/%]*$/.test(encoded);
    }),
  );
  t.equal(percentDecode('%zz'), undefined);
  t.equal(percentDecode('a%2'), undefined);
  t.equal(percentEncode('a/b c', false), 'a%2Fb%20c');
});

t.test('binary strings keep text and sort like its UTF-8 bytes', async (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (a, b) => {
      const bytes = Math.sign(Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const [x, y] = [keyFromText(a), keyFromText(b)];
      return keyToText(x) === a && (x < y ? -1 : x > y ? 1 : 0) === bytes;
    }),
  );
  t.ok(keyFromText('\u{1F600}') > keyFromText('\uFF5E'), 'beyond the BMP sorts after it');
});

t.test('prefixEnd is the least string above everything with the prefix', async (t) => {
  fc.assert(
    fc.property(key, key, (prefix, rest) => {
      const end = prefixEnd(prefix);
      return end === undefined ? /^\u00ff*$/.test(prefix) : prefix + rest < end && !end.startsWith(prefix);
    }),
  );
  t.equal(prefixEnd('a/'), 'a0');
  t.equal(prefixEnd('\u00ff'), undefined);
});
