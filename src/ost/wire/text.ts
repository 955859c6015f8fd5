import { wireFault } from './bytes.ts';

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** A byte b above 0x7f of a text that is not UTF-8 becomes this code unit + b, as Python's surrogateescape does. */
const ESCAPE = 0xdc00;

/**
 * Wire bytes as a string. Text is UTF-8 by agreement; other bytes pass through: each becomes a lone
 * surrogate, so the string is not well-formed and {@link encodeText} gives the same bytes back.
 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return strict.decode(bytes);
  } catch {
    return Array.from(bytes, (byte) => String.fromCharCode(byte < 0x80 ? byte : ESCAPE + byte)).join('');
  }
}

/** The reverse of {@link decodeText}. */
export function encodeText(text: string): Buffer {
  if (text.isWellFormed()) return Buffer.from(text, 'utf8');
  const bytes = Buffer.alloc(text.length);
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at);
    const byte = unit < 0x80 ? unit : unit - ESCAPE;
    if (unit >= 0x80 && !(byte >= 0x80 && byte <= 0xff)) throw wireFault('a string cannot be encoded');
    bytes[at] = byte;
  }
  return bytes;
}

/** The longest beginning of `text` that fits `limit` bytes of UTF-8, without control characters and NUL: for causes and reports. */
export function clipText(text: string, limit: number): string {
  const plain = text.replace(/\p{Cc}+/gu, ' ').toWellFormed();
  const bytes = Buffer.from(plain, 'utf8');
  if (bytes.byteLength <= limit) return plain;
  let end = limit;
  // Never cut inside a character.
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString('utf8', 0, end);
}
