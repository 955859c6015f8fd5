/**
 * The field kinds of docs/engine-protocol.md section 2.2. Decoding is total: any bytes give a value or a wire fault.
 * Values: u8 u16 u32 are numbers, u64 is a bigint, key is 32 hexadecimal digits, chars and str are strings, blob is a Buffer
 * of its own.
 */
import { type WireReader, type WireWriter, wireFault } from './bytes.ts';
import { decodeText, encodeText } from './text.ts';

/** One kind of field: how it is read and written. */
export interface Kind<T> {
  read(reader: WireReader): T;
  write(writer: WireWriter, value: T): void;
}
/** What a kind carries. */
export type ValueOf<K> = K extends Kind<infer T> ? T : never;

/** 2^64 - 1: a count or size that is not known. */
export const UNKNOWN = 0xffff_ffff_ffff_ffffn;

function whole(width: 1 | 2 | 4): Kind<number> {
  return {
    read: (reader) => reader.take(width).readUIntLE(0, width),
    write: (writer, value) => {
      if (!(Number.isInteger(value) && value >= 0 && value < 2 ** (8 * width))) {
        throw wireFault(`${value} is no number of ${width} bytes`);
      }
      writer.give(width).writeUIntLE(value, 0, width);
    },
  };
}

export const u8 = whole(1);
export const u16 = whole(2);
export const u32 = whole(4);

export const u64: Kind<bigint> = {
  read: (reader) => reader.take(8).readBigUInt64LE(0),
  write: (writer, value) => {
    if (value < 0n || value > UNKNOWN) throw wireFault(`${value} is no number of 8 bytes`);
    writer.give(8).writeBigUInt64LE(value);
  },
};

const KEY_BYTES = 16;
export const key: Kind<string> = {
  read: (reader) => reader.take(KEY_BYTES).toString('hex'),
  write: (writer, value) => {
    if (!/^[0-9a-f]{32}$/.test(value)) throw wireFault('a key is 32 hexadecimal digits');
    writer.give(KEY_BYTES).write(value, 'hex');
  },
};

/** Fixed width, padded with zeroes. What follows the first zero is not looked at, as in C. */
export function chars(width: number): Kind<string> {
  return {
    read: (reader) => {
      const bytes = reader.take(width);
      const end = bytes.indexOf(0);
      return decodeText(end < 0 ? bytes : bytes.subarray(0, end));
    },
    write: (writer, value) => {
      const bytes = encodeText(value);
      if (bytes.byteLength > width || bytes.includes(0)) throw wireFault('string or list too long');
      bytes.copy(writer.give(width));
    },
  };
}

/** At most `max` bytes without NUL. */
export function str(max: number): Kind<string> {
  return {
    read: (reader) => {
      const length = u16.read(reader);
      if (length > max) throw wireFault('string or list too long');
      const bytes = reader.take(length);
      if (bytes.includes(0)) throw wireFault('NUL byte in a string');
      return decodeText(bytes);
    },
    write: (writer, value) => {
      const bytes = encodeText(value);
      if (bytes.byteLength > max) throw wireFault('string or list too long');
      if (bytes.includes(0)) throw wireFault('NUL byte in a string');
      u16.write(writer, bytes.byteLength);
      bytes.copy(writer.give(bytes.byteLength));
    },
  };
}

/** At most `max` bytes of any value. */
export function blob(max: number): Kind<Uint8Array> {
  return {
    read: (reader) => {
      const length = u32.read(reader);
      if (length > max) throw wireFault('string or list too long');
      return Buffer.from(reader.take(length));
    },
    write: (writer, value) => {
      if (value.byteLength > max) throw wireFault('string or list too long');
      u32.write(writer, value.byteLength);
      writer.give(value.byteLength).set(value);
    },
  };
}

/** Named fields in this order. */
export function group<S extends Readonly<Record<string, Kind<unknown>>>>(
  shape: S,
): Kind<{ readonly [N in keyof S]: ValueOf<S[N]> }> {
  const fields = Object.entries(shape);
  return {
    read: (reader) =>
      Object.fromEntries(fields.map(([name, kind]) => [name, kind.read(reader)])) as {
        readonly [N in keyof S]: ValueOf<S[N]>;
      },
    write: (writer, value) => {
      for (const [name, kind] of fields) kind.write(writer, value[name as keyof S]);
    },
  };
}

/** At most `max` entries. */
export function list<T>(entry: Kind<T>, max: number): Kind<readonly T[]> {
  return {
    read: (reader) => {
      const count = u16.read(reader);
      if (count > max) throw wireFault('string or list too long');
      return Array.from({ length: count }, () => entry.read(reader));
    },
    write: (writer, value) => {
      if (value.length > max) throw wireFault('string or list too long');
      u16.write(writer, value.length);
      for (const item of value) entry.write(writer, item);
    },
  };
}
