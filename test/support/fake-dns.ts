import { createSocket, type RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { isIPv6 } from 'node:net';
import type { Test } from 'tap';

/** RFC 1035: record types and answer codes. */
const TYPE_A = 1;
const TYPE_AAAA = 28;
const NO_ERROR = 0;
const NX_DOMAIN = 3;

/** A DNS server for one name, as VAST's: some of its addresses per answer, others the next time. */
export interface FakeDns {
  /** `127.0.0.1:PORT`. */
  readonly server: string;
  /** Questions so far. */
  asked: number;
  /** All addresses of the name, of both families; none: there is no such name. */
  addresses: readonly string[];
  /** Addresses in one answer; default all. */
  perAnswer: number;
  ttl: number;
  /** Do not answer. */
  silent: boolean;
}

/** Start a server that knows `name` only; it ends with the test. */
export async function fakeDns(t: Test, name: string, addresses: readonly string[]): Promise<FakeDns> {
  const socket = createSocket('udp4');
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  t.teardown(() => new Promise<void>((resolve) => void socket.close(resolve)));
  const dns: FakeDns = {
    server: `127.0.0.1:${socket.address().port}`,
    asked: 0,
    addresses,
    perAnswer: Number.POSITIVE_INFINITY,
    ttl: 0,
    silent: false,
  };
  const turns = new Map<number, number>();
  socket.on('message', (query: Buffer, from: RemoteInfo) => {
    dns.asked += 1;
    if (dns.silent) return;
    const question = readQuestion(query);
    const known = question.name === name && dns.addresses.length > 0;
    const family = dns.addresses.filter((address) => isIPv6(address) === (question.type === TYPE_AAAA));
    const turn = turns.get(question.type) ?? 0;
    turns.set(question.type, turn + 1);
    const count = known ? Math.min(dns.perAnswer, family.length) : 0;
    const answers = Array.from({ length: count }, (_, at) => family[(turn + at) % family.length] ?? '');
    socket.send(reply(query, question.end, known ? NO_ERROR : NX_DOMAIN, answers, dns.ttl), from.port, from.address);
  });
  return dns;
}

function readQuestion(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

/** The question again, and the answers to it. */
function reply(query: Buffer, end: number, code: number, addresses: readonly string[], ttl: number): Buffer {
  const head = Buffer.from(query.subarray(0, end));
  // A recursive answer to this one question; no records but answers (an EDNS record of the query is not repeated).
  head.writeUInt16BE(0x8180 | code, 2);
  head.writeUInt16BE(addresses.length, 6);
  head.writeUInt32BE(0, 8);
  const records = addresses.map((address) => {
    const data = bytesOf(address);
    const record = Buffer.alloc(12);
    // The name stands in the question, at offset 12.
    record.writeUInt16BE(0xc00c, 0);
    record.writeUInt16BE(data.length === 4 ? TYPE_A : TYPE_AAAA, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(ttl, 6);
    record.writeUInt16BE(data.length, 10);
    return Buffer.concat([record, data]);
  });
  return Buffer.concat([head, ...records]);
}

/** IPv4, or IPv6 that ends in `::N`. */
function bytesOf(address: string): Buffer {
  if (!isIPv6(address)) return Buffer.from(address.split('.').map(Number));
  const [start = '', end = '0'] = address.split('::');
  const bytes = Buffer.alloc(16);
  for (const [at, group] of start.split(':').filter(Boolean).entries())
    bytes.writeUInt16BE(Number.parseInt(group, 16), at * 2);
  bytes.writeUInt16BE(Number.parseInt(end, 16), 14);
  return bytes;
}
