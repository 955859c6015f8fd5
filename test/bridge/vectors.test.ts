import { createHash } from 'node:crypto';
import t from 'tap';
import { bridge } from '../../src/bridge/bridge.ts';

/** NIST CAVP, SHA256ShortMsg.rsp (byte-oriented): message and digest in hex. */
const shortMessages: readonly (readonly [string, string])[] = [
  ['', 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'],
  ['d3', '28969cdfa74a12c82f3bad960b0b000aca2ac329deea5c2328ebc6f2ba9802c1'],
  ['11af', '5ca7133fa735326081558ac312c620eeca9970d1e70a4b95533d956f072d1f98'],
  ['b4190e', 'dff2e73091f6c05e528896c4c831b9448653dc2ff043528f6769437bc7b975c2'],
  ['74ba2521', 'b16aa56be3880d18cd41e68384cf1ec8c17680c45a02b1575dc1518923ae8b0e'],
  ['c299209682', 'f0887fe961c9cd3beab957e8222494abb969b1ce4c6557976df8b0f6d20e9166'],
  ['e1dc724d5621', 'eca0a060b489636225b4fa64d267dabbe44273067ac679f20820bddc6b6a90ac'],
];

/** FIPS 180-4 examples (NIST CSRC, SHA256.pdf and SHA2_Additional.pdf). */
const texts: readonly (readonly [string, number, string])[] = [
  ['abc', 1, 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'],
  [
    'abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq',
    1,
    '248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1',
  ],
  ['a', 1_000_000, 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0'],
  ['\0', 55, '02779466cdec163811d078815c633f21901413081449002f24aa3e80f0b88ef7'],
  ['\0', 56, 'd4817aa5497628e7c77e6b606107042bbba3130888c5f47a375e6179be789fbb'],
  ['\0', 57, '65a16cb7861335d5ace3c60718b5052e44660726da4cd13bb745381b235a1785'],
  ['\0', 64, 'f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b'],
];

/** RFC 1321, A.5. */
const md5Texts: readonly (readonly [string, string])[] = [
  ['', 'd41d8cd98f00b204e9800998ecf8427e'],
  ['a', '0cc175b9c0f1b6a831c399e269772661'],
  ['abc', '900150983cd24fb0d6963f7d28e17f72'],
  ['message digest', 'f96b697d7cb7938d525a2f31aaf161d0'],
  ['abcdefghijklmnopqrstuvwxyz', 'c3fcd3d76192e4007dfb496cca67e13b'],
  ['ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789', 'd174ab98d277d9f5a5611c2c9f419d9f'],
  [
    '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
    '57edf4a22be3c955ac49da2e2107b67a',
  ],
];

t.test('SHA-256 of short messages', async (t) => {
  const digests = await Promise.all(shortMessages.map(([message]) => bridge.sha256([Buffer.from(message, 'hex')])));
  t.same(
    digests.map((digest) => digest.toString('hex')),
    shortMessages.map(([, digest]) => digest),
  );
});

t.test('SHA-256 of repeated texts, whole and as pieces', async (t) => {
  for (const [text, count, digest] of texts) {
    t.equal((await bridge.sha256([Buffer.from(text.repeat(count))])).toString('hex'), digest);
    const piece = Buffer.from(text);
    t.equal((await bridge.sha256(new Array<Buffer>(count).fill(piece))).toString('hex'), digest);
  }
});

t.test('SHA-256 Monte Carlo chain of the SHAVS document', async (t) => {
  /** One outer round: 1000 digests of the last three, joined. */
  const seed = createHash('sha256').update('seed').digest();
  let ours: Buffer[] = [seed, seed, seed];
  let theirs: Buffer[] = [seed, seed, seed];
  for (let i = 0; i < 1000; i++) {
    const hash = createHash('sha256');
    for (const part of theirs) hash.update(part);
    theirs = [...theirs.slice(1), hash.digest()];
    ours = [...ours.slice(1), await bridge.sha256(ours)];
  }
  t.same(ours, theirs);
});

t.test('MD5 of the texts of RFC 1321', async (t) => {
  const digests = await Promise.all(md5Texts.map(([text]) => bridge.md5([Buffer.from(text)])));
  t.same(
    digests.map((digest) => digest.toString('hex')),
    md5Texts.map(([, digest]) => digest),
  );
});
