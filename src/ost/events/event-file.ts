import { type FileHandle, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { ImageIdentitySchema } from '../../image/identity.ts';

/** Longest payload that is kept, characters. */
export const MAX_PAYLOAD = 8192;

/** One event as it is kept: a line of JSON. */
export const EventSchema = z.strictObject({
  sequence: z.int().min(1),
  /** Seconds since the epoch. */
  time: z.int().min(0),
  /** EVENT_TYPE, or what a newer engine wrote: a line that is passed over would give its number to another event. */
  type: z
    .int()
    .min(1)
    .max(2 ** 32 - 1),
  lsu: z.string().max(255),
  image: ImageIdentitySchema.optional(),
  payload: z.string().max(MAX_PAYLOAD),
});
export type StoredEvent = z.output<typeof EventSchema>;

/** Far above what {@link EventFile.rewrite} leaves; a larger file is not ours. */
const MAX_FILE_BYTES = 64 * 1024 * 1024;

/** The file behind an event log: lines are appended and, now and then, the old ones dropped. */
export class EventFile {
  readonly #path: string;
  #handle: FileHandle;

  private constructor(path: string, handle: FileHandle) {
    this.#path = path;
    this.#handle = handle;
  }

  /** Open or make the file. Resolves to it and the events it holds; a torn last line was never told to anybody and is dropped. */
  static async open(path: string): Promise<{ file: EventFile; events: StoredEvent[] }> {
    await mkdir(dirname(path), { recursive: true, mode: 0o750 });
    const handle = await open(path, 'a+', 0o640);
    try {
      if ((await handle.stat()).size > MAX_FILE_BYTES) throw new Error(`${path} is too large to be an event log`);
      const events = parse(await readFile(path, 'utf8'));
      const file = new EventFile(path, handle);
      await file.rewrite(events);
      return { file, events };
    } catch (error) {
      await handle.close().catch(() => undefined);
      throw error;
    }
  }

  /** Durable when this resolves. */
  async append(events: readonly StoredEvent[]): Promise<void> {
    await this.#handle.appendFile(text(events));
    await this.#handle.datasync();
  }

  /** Replace everything, atomically. */
  async rewrite(events: readonly StoredEvent[]): Promise<void> {
    const temporary = `${this.#path}.new`;
    const fresh = await open(temporary, 'w', 0o640);
    try {
      await fresh.appendFile(text(events));
      await fresh.datasync();
      await rename(temporary, this.#path);
      await using folder = await open(dirname(this.#path), 'r');
      await folder.sync();
    } catch (error) {
      await fresh.close();
      throw error;
    }
    await this.#handle.close();
    this.#handle = fresh;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

const text = (events: readonly StoredEvent[]): string => events.map((event) => `${JSON.stringify(event)}\n`).join('');

/** Lines in ascending order of their numbers; whatever is malformed is passed over. */
function parse(content: string): StoredEvent[] {
  const events: StoredEvent[] = [];
  for (const line of content.split('\n')) {
    const parsed = EventSchema.safeParse(json(line));
    if (parsed.success && parsed.data.sequence > (events.at(-1)?.sequence ?? 0)) events.push(parsed.data);
  }
  return events;
}

function json(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
