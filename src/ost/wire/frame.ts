import { WireReader, WireWriter, wireFault } from './bytes.ts';
import { MAX_FRAME } from './constants.ts';
import * as groups from './groups.ts';
import type { Kind } from './kinds.ts';
import { type NoticeName, notices, type RequestName, requests } from './messages.ts';

export const HEADER_BYTES = 12;
/** An answer's type is its request's type with this bit. */
const ANSWER = 0x8000;
const FLAG_RESEND = 0x0001;
const FLAG_ERROR = 0x0002;

/** A decoded frame. `value` has the shape that the catalogue gives for `name` and `kind`. */
export type Frame =
  | {
      readonly kind: 'request';
      readonly name: RequestName;
      readonly id: number;
      readonly resend: boolean;
      readonly value: unknown;
    }
  | { readonly kind: 'answer'; readonly name: RequestName; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly name: RequestName; readonly id: number; readonly value: groups.WireError }
  | { readonly kind: 'notice'; readonly name: NoticeName; readonly value: unknown };

const requestNames = new Map(Object.entries(requests).map(([name, { type }]) => [type, name as RequestName]));
const noticeNames = new Map(Object.entries(notices).map(([name, { type }]) => [type, name as NoticeName]));

/** The length that a header states. Throws a wire fault when no frame can have it. */
export function frameLength(bytes: Buffer): number {
  const length = bytes.readUInt32LE(0);
  if (length < HEADER_BYTES || length > MAX_FRAME) throw wireFault('frame length out of bounds');
  return length;
}

/** Decode one whole frame. Total: any bytes give a frame or a wire fault. */
export function decodeFrame(bytes: Buffer): Frame {
  if (bytes.byteLength < HEADER_BYTES || frameLength(bytes) !== bytes.byteLength) {
    throw wireFault('frame length out of bounds');
  }
  const type = bytes.readUInt16LE(4);
  const flags = bytes.readUInt16LE(6);
  const id = bytes.readUInt32LE(8);
  const payload = <T>(kind: Kind<T>): T => {
    const reader = new WireReader(bytes.subarray(HEADER_BYTES));
    const value = kind.read(reader);
    reader.end();
    return value;
  };
  const check = (allowed: number, wantsId: boolean): void => {
    if ((flags & ~allowed) !== 0) throw wireFault('flags not allowed for this type');
    if ((id !== 0) !== wantsId) throw wireFault('request id does not fit the type');
  };

  const noticed = noticeNames.get(type);
  if (noticed !== undefined) {
    check(0, false);
    return { kind: 'notice', name: noticed, value: payload<unknown>(notices[noticed].notice) };
  }
  const name = requestNames.get(type & ~ANSWER);
  if (name === undefined) throw wireFault('unknown message type');
  if ((type & ANSWER) === 0) {
    check(FLAG_RESEND, true);
    const value = payload<unknown>(requests[name].request);
    return { kind: 'request', name, id, resend: flags === FLAG_RESEND, value };
  }
  check(FLAG_ERROR, true);
  if (flags === FLAG_ERROR) return { kind: 'error', name, id, value: payload(groups.error) };
  return { kind: 'answer', name, id, value: payload<unknown>(requests[name].answer) };
}

/** Encode a frame. Throws a wire fault when a value does not fit its field. */
export function encodeFrame(frame: Frame): Buffer {
  const writer = new WireWriter(MAX_FRAME);
  const header = { type: 0, flags: 0, id: frame.kind === 'notice' ? 0 : frame.id };
  writer.give(HEADER_BYTES);
  const put = (type: number, kind: Kind<unknown>): void => {
    header.type = type;
    kind.write(writer, frame.value);
  };
  if (frame.kind === 'notice') {
    put(notices[frame.name].type, notices[frame.name].notice);
  } else {
    if (header.id === 0) throw wireFault('request id does not fit the type');
    const { type, request, answer } = requests[frame.name];
    if (frame.kind === 'request') {
      header.flags = frame.resend ? FLAG_RESEND : 0;
      put(type, request);
    } else if (frame.kind === 'error') {
      header.flags = FLAG_ERROR;
      put(type | ANSWER, groups.error);
    } else {
      put(type | ANSWER, answer);
    }
  }
  const bytes = writer.finish();
  bytes.writeUInt32LE(bytes.byteLength, 0);
  bytes.writeUInt16LE(header.type, 4);
  bytes.writeUInt16LE(header.flags, 6);
  bytes.writeUInt32LE(header.id, 8);
  return bytes;
}
