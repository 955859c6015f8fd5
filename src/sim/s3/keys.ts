/**
 * Keys are arbitrary bytes. Inside the simulator a key is a *binary string*: one character
 * (U+0000 to U+00FF) per byte. So `<` compares keys in byte order, which is the order S3 lists them
 * in and which UTF-16 strings would break for characters beyond U+FFFF.
 */

/** Longest key, bytes. */
export const MAX_KEY_BYTES = 1024;

/** Text, as XML and hooks carry it, to a binary string. */
export function keyFromText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

/** A binary string to text; bytes that are not UTF-8 become U+FFFD. */
export function keyToText(key: string): string {
  return Buffer.from(key, 'latin1').toString('utf8');
}

/** Percent-decode into a binary string; undefined when an escape is malformed. */
export function percentDecode(raw: string): string | undefined {
  if (!raw.includes('%')) return raw;
  if (/%(?![0-9a-fA-F]{2})/.test(raw)) return undefined;
  return raw.replace(/%([0-9a-fA-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Percent-encode a binary string as SigV4 and `encoding-type=url` want it. */
export function percentEncode(binary: string, keepSlash: boolean): string {
  const unsafe = keepSlash ? /[^A-Za-z0-9\-._~/]/g : /[^A-Za-z0-9\-._~]/g;
  return binary.replace(unsafe, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`);
}

/** The smallest binary string greater than every string that starts with `prefix`; undefined when there is none. */
export function prefixEnd(prefix: string): string | undefined {
  for (let i = prefix.length - 1; i >= 0; i -= 1) {
    const code = prefix.charCodeAt(i);
    if (code < 0xff) return prefix.slice(0, i) + String.fromCharCode(code + 1);
  }
  return undefined;
}
