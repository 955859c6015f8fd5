/** The one question that a query may carry (RFC 1035, section 4.1.2). */
export interface Question {
  readonly id: number;
  readonly name: string;
  readonly type: number;
  /** The question as it came, for the answer. */
  readonly raw: Buffer;
  readonly recursionDesired: boolean;
}

export const TYPE_A = 1;
const HEADER_BYTES = 12;
const NO_ERROR = 0;
const NAME_ERROR = 3;

/** Take a query apart; undefined for everything that is not one plain question. */
export function parseQuery(message: Buffer): Question | undefined {
  if (message.length < HEADER_BYTES || message.readUInt16BE(4) !== 1) return undefined;
  const flags = message.readUInt16BE(2);
  // Answers and other kinds of request are not for us.
  if ((flags & 0xf800) !== 0) return undefined;
  const labels: string[] = [];
  let at = HEADER_BYTES;
  for (let length = message[at]; length !== 0; length = message[at]) {
    // Compression has no place in a question, and no label is longer than 63.
    if (length === undefined || length > 63 || at + 1 + length > message.length) return undefined;
    labels.push(message.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  if (at + 5 > message.length) return undefined;
  return {
    id: message.readUInt16BE(0),
    name: labels.join('.').toLowerCase(),
    type: message.readUInt16BE(at + 1),
    raw: message.subarray(HEADER_BYTES, at + 5),
    recursionDesired: (flags & 0x0100) !== 0,
  };
}

/** An answer with these IPv4 addresses, each good for `ttl` seconds; undefined: there is no such name. */
export function buildAnswer(question: Question, addresses: readonly string[] | undefined, ttl: number): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  const code = addresses === undefined ? NAME_ERROR : NO_ERROR;
  header.writeUInt16BE(question.id, 0);
  // Response, authoritative.
  header.writeUInt16BE(0x8400 | (question.recursionDesired ? 0x0100 : 0) | code, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(addresses?.length ?? 0, 6);
  const records = (addresses ?? []).map((address) => {
    const record = Buffer.alloc(16);
    // The name: a pointer to the question's.
    record.writeUInt16BE(0xc000 | HEADER_BYTES, 0);
    record.writeUInt16BE(TYPE_A, 2);
    record.writeUInt16BE(1, 4);
    record.writeUInt32BE(ttl, 6);
    record.writeUInt16BE(4, 10);
    record.set(address.split('.').map(Number), 12);
    return record;
  });
  return Buffer.concat([header, question.raw, ...records]);
}
