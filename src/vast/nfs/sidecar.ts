/**
 * The record of an upload: `.vost-tmp-<id>.parts` beside the data file `.vost-tmp-<id>`. Append-only
 * JSON lines. The first names the key; every further one says that a part is stored, or that what
 * was stored is about to be overwritten. A record begins and ends with a line feed, so a record torn
 * by a crash spoils neither its predecessor nor its successor.
 *
 * ```
 * {"v":1,"key":"netbackup/x/fragment-000001","created":1790000000000}
 * {"part":1,"offset":0,"size":67108864,"etag":"5f2b…"}
 * {"void":1}
 * ```
 */
import { constants } from 'node:fs';
import { EngineError } from '../../errors.ts';
import { isKey } from '../names.ts';
import type { PartInfo } from '../store.ts';
import { orMissing } from './classify.ts';
import type { OpenFile } from './files.ts';
import { readFully } from './read.ts';
import { TEMPORARY_PREFIX } from './temporary.ts';
import { entryPath } from './walk.ts';

export const SIDECAR_SUFFIX = '.parts';
/** 10,000 parts need about 1 MiB; a larger file was not written by us. */
const MAX_SIDECAR_BYTES = 64 * 1024 * 1024;
/** Enough for the first record. */
const HEADER_BYTES = 4096;

export interface PartRecord extends PartInfo {
  readonly offset: number;
}

export interface SidecarHeader {
  readonly key: string;
  /** Milliseconds since the epoch. */
  readonly created: number;
}

export interface Sidecar extends SidecarHeader {
  /** Valid parts by number. */
  readonly parts: Map<number, PartRecord>;
}

const ID = /^[0-9a-f]{32}$/;

/** True when this can be the id of an upload; ids become file names. */
export function isUploadId(id: string): boolean {
  return ID.test(id);
}

export function dataName(id: string): string {
  return TEMPORARY_PREFIX + id;
}

export function sidecarName(id: string): string {
  return TEMPORARY_PREFIX + id + SIDECAR_SUFFIX;
}

/** The upload id in a sidecar's name, undefined for other names. */
export function idOfSidecar(name: string): string | undefined {
  if (!name.startsWith(TEMPORARY_PREFIX) || !name.endsWith(SIDECAR_SUFFIX)) return undefined;
  const id = name.slice(TEMPORARY_PREFIX.length, -SIDECAR_SUFFIX.length);
  return isUploadId(id) ? id : undefined;
}

type Line = Readonly<Record<string, unknown>>;

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

function parseLine(text: string): Line | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Line) : undefined;
  } catch {
    return undefined;
  }
}

function headerOf(line: Line | undefined): SidecarHeader | undefined {
  if (line === undefined) return undefined;
  const { v, key, created } = line;
  return v === 1 && typeof key === 'string' && isKey(key) && isCount(created) ? { key, created } : undefined;
}

function partOf(line: Line): PartRecord | undefined {
  const { part, offset, size, etag } = line;
  const valid = isCount(part) && part > 0 && isCount(offset) && isCount(size) && typeof etag === 'string';
  return valid ? { number: part, offset, size, etag } : undefined;
}

/** The records in the text; undefined when its first record is not a header. Torn lines are skipped. */
export function parseSidecar(text: string): Sidecar | undefined {
  const lines = text.split('\n').filter((line) => line !== '');
  const header = headerOf(parseLine(lines[0] ?? ''));
  if (header === undefined) return undefined;
  const parts = new Map<number, PartRecord>();
  for (const raw of lines.slice(1)) {
    const line = parseLine(raw);
    if (line === undefined) continue;
    const record = partOf(line);
    if (record !== undefined) parts.set(record.number, record);
    else if (isCount(line['void'])) parts.delete(line['void']);
  }
  return { ...header, parts };
}

/** One record as it stands in the file. */
export function formatRecord(record: object): string {
  return `\n${JSON.stringify(record)}\n`;
}

export function headerRecord(header: SidecarHeader): string {
  return formatRecord({ v: 1, ...header });
}

export function partRecord({ number, offset, size, etag }: PartRecord): string {
  return formatRecord({ part: number, offset, size, etag });
}

export function voidRecord(number: number): string {
  return formatRecord({ void: number });
}

/** Open for appending; undefined when the upload is gone. */
export async function openSidecar(dir: OpenFile, id: string): Promise<OpenFile | undefined> {
  return orMissing(
    dir.files.open(entryPath(dir, sidecarName(id)), constants.O_RDWR | constants.O_APPEND | constants.O_NOFOLLOW),
  );
}

/** Everything the sidecar says; undefined when it has no header. */
export async function readSidecar(file: OpenFile): Promise<Sidecar | undefined> {
  const size = Number((await file.stat()).size);
  if (size > MAX_SIDECAR_BYTES) throw new EngineError('VOST_IO', 'internal', `an upload record of ${size} bytes`);
  const buffer = Buffer.allocUnsafe(size);
  return parseSidecar(buffer.toString('utf8', 0, await readFully(file, buffer, 0)));
}

/** Only the header, of an upload whose data file is still there. */
export async function readHeader(dir: OpenFile, id: string): Promise<SidecarHeader | undefined> {
  const file = await orMissing(
    dir.files.open(entryPath(dir, sidecarName(id)), constants.O_RDONLY | constants.O_NOFOLLOW),
  );
  if (file === undefined) return undefined;
  await using sidecar = file;
  const buffer = Buffer.allocUnsafe(HEADER_BYTES);
  const line = buffer
    .toString('utf8', 0, await readFully(sidecar, buffer, 0))
    .split('\n')
    .find((text) => text !== '');
  const header = headerOf(parseLine(line ?? ''));
  const data = await orMissing(dir.files.lstat(entryPath(dir, dataName(id))));
  return data?.isFile() ? header : undefined;
}
