import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Every stage that is shipped. */
export const SHIPPED = ['digest-export', 'encrypt', 'entropy-watch', 'throttle', 'zstd'] as const;
export type Shipped = (typeof SHIPPED)[number];

/** Path of a shipped stage. */
export const shipped = (name: Shipped): string => join(ROOT, 'examples/stages', name);

/** The name that manifests, logs and errors have of it. */
export const stageName = (name: Shipped): string => `@vast-ost/vast-ost-stage-${name}`;

/** A key ring with one key for each byte given, the first one current. */
export function keyRing(keys: Readonly<Record<string, number>>): string {
  const [current = ''] = Object.keys(keys);
  const lines = Object.entries(keys).map(([id, byte]) => `${id} = hex:${keyText(byte)}`);
  return [`current = ${current}`, ...lines].join('\n');
}

/** A key in hexadecimal. */
export const keyText = (byte: number): string => Buffer.alloc(32, byte).toString('hex');

/** All files below a folder. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .map((name) => join(folder, name))
    .filter((path) => statSync(path).isFile());
}

/** The files below a folder in which one of some texts stands. */
export function filesWith(folder: string, texts: readonly (string | Buffer)[]): string[] {
  return filesBelow(folder).filter((path) => {
    const bytes = readFileSync(path);
    return texts.some((text) => bytes.includes(text));
  });
}
