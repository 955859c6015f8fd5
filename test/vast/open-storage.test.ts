import { join } from 'node:path';
import t from 'tap';
import { openStorage } from '../../src/vast/open-storage.ts';
import { refusal } from '../support/refusal.ts';

t.test('URLs', async (t) => {
  const dir = t.testdir({ lsu: {} });
  const file = openStorage(`file:${dir}`);
  t.equal(file.name, `file:${dir}`);
  t.same(await file.lsus(), ['lsu']);
  t.equal(openStorage('file:relative').name, `file:${join(process.cwd(), 'relative')}`);
  const s3 = { credentials: { accessKeyId: 'a', secretAccessKey: 'b' } };
  for (const url of ['s3:http://127.0.0.1:9000', 's3:https://storage.example']) {
    const storage = openStorage(url, { s3 });
    t.equal(storage.name, url);
    await storage.close();
  }
  const bad = [
    '',
    'file:',
    's3:ftp://x',
    's3://bucket',
    'http://x',
    's3:http://',
    's3:http://host/path',
    's3:http://host/?query',
    's3:http://key:topsecret@host',
  ];
  for (const url of bad) {
    t.throws(() => openStorage(url, { s3 }), refusal('usage', { code: 'VOST_BAD_STORAGE_URL' }), url);
    t.throws(() => openStorage(url), { message: /^(?!.*topsecret)/ });
  }
  const caFile = '/nonexistent/ca.pem';
  t.throws(() => openStorage('s3:https://x', { s3: { ...s3, caFile } }), refusal('usage', { code: 'VOST_CA_FILE' }));
});
