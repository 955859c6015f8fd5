import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect } from 'node:net';
import { createInterface } from 'node:readline';
import t from 'tap';
import { ACCESS_KEY, raw, SECRET_KEY, signed, sim } from './support.ts';

const MODULE = new URL('../../../src/sim/s3/s3-sim.ts', import.meta.url).href;

t.test('a simulator killed in the middle of a PUT', async (t) => {
  const dir = t.testdir({});
  const program = `
    import { startS3Sim } from ${JSON.stringify(MODULE)};
    const { DIR: dir, KEY: accessKey, SECRET: secretKey } = process.env;
    const sim = await startS3Sim({ dir, accessKey, secretKey, checksumMode: 'full' });
    console.log(sim.port);`;
  const env = { ...process.env, NODE_OPTIONS: '', DIR: dir, KEY: ACCESS_KEY, SECRET: SECRET_KEY };
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  const victim = { url: '', port: Number(line), close: async () => undefined };
  await raw(victim, { method: 'PUT', path: '/bucket' });
  await raw(victim, { method: 'PUT', path: '/bucket/old', body: 'old' });
  const { UploadId } =
    /<UploadId>(?<UploadId>.*)<\/UploadId>/.exec(
      (await raw(victim, { method: 'POST', path: '/bucket/up?uploads' })).body,
    )?.groups ?? {};
  const part = `/bucket/up?partNumber=1&uploadId=${UploadId}`;
  t.match(await raw(victim, { method: 'PUT', path: part, body: 'part' }), { status: 200 });

  const { headers } = signed(victim, { method: 'PUT', path: '/bucket/old', payloadHash: 'UNSIGNED-PAYLOAD' });
  const lines = Object.entries({ ...headers, 'content-length': '9000000', expect: '100-continue' }).map(
    ([name, value]) => `${name}: ${value}\r\n`,
  );
  const socket = connect(victim.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(`PUT /bucket/old HTTP/1.1\r\n${lines.join('')}\r\n`);
  await once(socket, 'data');
  // 100 Continue says that the blob's file is there; now all of the body but its last byte follows.
  await new Promise((resolve) => socket.write(Buffer.alloc(8_999_999), resolve));
  child.kill('SIGKILL');
  await once(child, 'exit');

  const s3 = await sim(t, { dir });
  t.equal((await raw(s3, { path: '/bucket/old' })).body, 'old', 'what was acknowledged is whole');
  t.match(await raw(s3, { path: `/bucket/up?uploadId=${UploadId}` }), { body: /<PartNumber>1<.*<Size>4</ });
  t.equal((await raw(s3, { path: '/bucket' })).body.match(/<Key>/g)?.length, 1);
  const blobs = readdirSync(`${dir}/blobs`, { recursive: true }).filter((name) => String(name).length > 2);
  t.equal(blobs.length, 2, 'the half-written body was swept away');
});
