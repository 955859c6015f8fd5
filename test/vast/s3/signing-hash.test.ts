import { createHash, createHmac, randomBytes } from 'node:crypto';
import t from 'tap';
import { SigningHash } from '../../../src/vast/s3/signing-hash.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

async function digestOf(hash: SigningHash, ...pieces: readonly Uint8Array[]): Promise<string> {
  for (const piece of pieces) hash.update(piece);
  return hex(await hash.digest());
}

t.test('digests and HMACs are those of node:crypto, with each kind of secret', async (t) => {
  const pieces = [randomBytes(100), new Uint8Array(0), randomBytes(3)];
  const all = Buffer.concat(pieces);
  t.equal(await digestOf(new SigningHash(), ...pieces), createHash('sha256').update(all).digest('hex'));
  const memory = randomBytes(96);
  const part = new Uint8Array(memory.buffer, memory.byteOffset + 32, 32);
  const secrets: [string | ArrayBuffer | Uint8Array | DataView, string | Uint8Array][] = [
    ['AWS4 and a key', 'AWS4 and a key'],
    ['', ''],
    [part, part],
    [Uint8Array.from(part).buffer, part],
    [new DataView(part.buffer, part.byteOffset, part.byteLength), part],
    [randomBytes(64).subarray(0, 0), new Uint8Array(0)],
  ];
  for (const [secret, key] of secrets) {
    const expected = createHmac('sha256', key).update(all).digest('hex');
    t.equal(await digestOf(new SigningHash(secret), ...pieces), expected);
    t.equal(await digestOf(new SigningHash(secret), ...pieces), expected, 'with a key that is known');
    const hash = new SigningHash(secret);
    hash.update(randomBytes(7));
    hash.reset();
    t.equal(await digestOf(hash, ...pieces), expected, 'after a reset');
  }
});
