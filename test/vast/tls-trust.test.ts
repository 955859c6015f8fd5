import { readFileSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net';
import type { TlsOptions } from 'node:tls';
import t, { type Test } from 'tap';
import { failureOf } from '../../src/errors.ts';
import { Authority } from '../../src/sim/tls/authority.ts';
import { s3Error } from '../../src/vast/s3/classify.ts';
import { S3Storage } from '../../src/vast/s3/storage.ts';
import { VmsClient } from '../../src/vast/vms/client.ts';
import { connectionError } from '../../src/vast/vms/errors.ts';
import { promise } from '../support/promise.ts';
import { refusal } from '../support/refusal.ts';
import { VirtualClock } from './vms/support.ts';

const SECRET = 'canary-secret-51c7';
const TRUST = refusal('access', { code: 'VOST_TLS_TRUST' });

/** A server on the loopback and what it was told in clear, or after a handshake. */
interface Seen {
  readonly port: number;
  readonly heard: string[];
}

async function listen(t: Test, server: Server, heard: string[]): Promise<Seen> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.teardown(() => new Promise((resolve) => server.close(resolve)));
  return { port: (server.address() as AddressInfo).port, heard };
}

/** HTTPS that notes every request and answers with `status`. */
function https(t: Test, options: TlsOptions, status = 200, headers: Record<string, string> = {}): Promise<Seen> {
  const heard: string[] = [];
  const server = createHttpsServer(options, (request, response) => {
    heard.push(`${request.method} ${JSON.stringify(request.headers)}`);
    response.writeHead(status, { ...headers, connection: 'close' }).end('[]');
  });
  return listen(t, server, heard);
}

function http(t: Test): Promise<Seen> {
  const heard: string[] = [];
  const server = createHttpServer((request, response) => {
    heard.push(`${request.method} ${JSON.stringify(request.headers)}`);
    response.end('[]');
  });
  return listen(t, server, heard);
}

/** Answers any bytes with HTTP, as a server would that was told to speak TLS and does not. */
function plainAnswers(t: Test): Promise<Seen> {
  const heard: string[] = [];
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (data: Buffer) => {
      heard.push(data.toString('latin1'));
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]');
    });
  });
  return listen(t, server, heard);
}

/** The two clients that carry secrets, each asking once for something. */
const CLIENTS = {
  S3: async (t: Test, port: number, caFile: string): Promise<unknown> => {
    const credentials = { accessKeyId: SECRET, secretAccessKey: SECRET };
    const storage = new S3Storage(new URL(`https://127.0.0.1:${port}`), {
      credentials,
      caFile,
      clock: new VirtualClock(),
    });
    t.teardown(() => storage.close());
    return storage.open('lsu');
  },
  VMS: async (t: Test, port: number, caFile: string): Promise<unknown> => {
    const client = new VmsClient({
      origin: new URL(`https://127.0.0.1:${port}`),
      caFile,
      credentials: async () => ({ kind: 'password', user: SECRET, password: SECRET }),
      clock: new VirtualClock(),
    });
    t.teardown(() => client.close());
    return client.release();
  },
} as const;

for (const [name, ask] of Object.entries(CLIENTS)) {
  t.test(`${name}: no secret for a server that does not prove who it is`, async (t) => {
    promise({
      row: 'security',
      promise: 'S3 keys and VMS passwords go only to a server that proved its name by TLS 1.2 or later',
      fault: 'certificates of another name, another authority, none, expired; TLS 1.0 and 1.1; a server without TLS',
    });
    const authority = await Authority.open(t.testdir({ own: {}, other: {} }));
    const other = await Authority.open(`${t.testdirName}/other`);
    const own = ['127.0.0.1'];
    const good = await authority.issueServer(own);
    const old = { maxVersion: 'TLSv1.1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' } as const;
    const servers: Record<string, TlsOptions> = {
      'another name': await authority.issueServer(['vast.example.com']),
      'another address': await authority.issueServer(['127.0.0.2']),
      'another authority': await other.issueServer(own),
      'no authority': { cert: other.cert, key: readFileSync(`${t.testdirName}/other/ca-key.pem`) },
      expired: await authority.issueServer(own, -1000),
      'a client’s certificate': await authority.issueClient('127.0.0.1'),
      'TLS 1.0 and 1.1': { ...good, ...old },
    };
    // What somebody set to get on with another program must not open ours.
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    t.teardown(() => {
      delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    });
    for (const [what, options] of Object.entries(servers)) {
      const { port, heard } = await https(t, options);
      await t.rejects(ask(t, port, authority.certFile), TRUST, what);
      t.strictSame(heard, [], `${what}: no request`);
    }
    const plain = await plainAnswers(t);
    await t.rejects(ask(t, plain.port, authority.certFile), TRUST, 'no TLS at all');
    t.notMatch(plain.heard.join(''), SECRET);

    const right = await https(t, good);
    await ask(t, right.port, authority.certFile).catch(() => undefined);
    t.ok(right.heard.length > 0, 'the right one is asked');
  });

  t.test(`${name}: an answer that leads elsewhere is not followed`, async (t) => {
    promise({
      row: 'security',
      promise: 'Nobody is sent on from TLS to plain HTTP',
      fault: 'redirects of every status from https to http',
    });
    const authority = await Authority.open(t.testdir({}));
    const certificate = await authority.issueServer(['127.0.0.1']);
    const trap = await http(t);
    for (const status of [301, 302, 303, 307, 308]) {
      const location = `http://127.0.0.1:${trap.port}/`;
      const { port, heard } = await https(t, certificate, status, { location });
      const failure = await ask(t, port, authority.certFile).then(() => 'none', failureOf);
      t.ok(heard.length > 0);
      t.not(failure, 'none', `${status}: ${failure}`);
    }
    t.strictSame(trap.heard, [], 'nobody came');
  });
}

t.test('what TLS found damaged on its way is asked for again', async (t) => {
  for (const code of [
    'ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC',
    'ERR_SSL_SSLV3_ALERT_BAD_RECORD_MAC',
    'ERR_SSL_UNEXPECTED_EOF_WHILE_READING',
  ]) {
    const error = Object.assign(new Error('write EPROTO'), { code });
    t.match(s3Error(error, 'put'), refusal('retryable'), code);
    t.match(connectionError(error, 'GET /'), refusal('retryable'), code);
  }
  for (const code of ['ERR_SSL_WRONG_VERSION_NUMBER', 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'CERT_REVOKED']) {
    const error = Object.assign(new Error('write EPROTO'), { code });
    t.match(s3Error(error, 'put'), TRUST, code);
    t.match(connectionError(error, 'GET /'), TRUST, code);
  }
});
