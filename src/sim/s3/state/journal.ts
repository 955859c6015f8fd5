import { closeSync, ftruncateSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs';
import { EngineError } from '../../../errors.ts';
import type { JournalRecord } from './records.ts';

const NEWLINE = 0x0a;
/** Below this many lines a journal is never rewritten. */
const REWRITE_LINES = 10_000;

/**
 * An append-only file of JSON lines. Appends are synchronous: a line is a few hundred bytes into
 * the page cache, and so a check, its record and the change in memory are one step that no other
 * request can come between.
 */
export class Journal {
  readonly #path: string;
  #fd: number;
  #length: number;
  #lines: number;

  private constructor(path: string, fd: number, length: number, lines: number) {
    this.#path = path;
    this.#fd = fd;
    this.#length = length;
    this.#lines = lines;
  }

  /** Begin a new journal file with these records; the file must not exist. */
  static create(path: string, records: Iterable<JournalRecord>): Journal {
    const journal = new Journal(path, openSync(path, 'wx', 0o600), 0, 0);
    for (const record of records) journal.append(record);
    return journal;
  }

  /**
   * Open a journal and hand every record to `apply`, in order. A last line without its newline is what a crash in
   * mid-write leaves: it is cut off. Anything else that is no JSON is VOST_SIM_STATE.
   */
  static open(path: string, apply: (record: JournalRecord) => void): Journal {
    const data = readFileSync(path);
    let from = 0;
    let lines = 0;
    for (let end = data.indexOf(NEWLINE); end >= 0; end = data.indexOf(NEWLINE, from)) {
      apply(parse(path, lines, data.toString('utf8', from, end)));
      from = end + 1;
      lines += 1;
    }
    const fd = openSync(path, 'r+');
    ftruncateSync(fd, from);
    return new Journal(path, fd, from, lines);
  }

  /** Write one record; when that fails (disk full) the journal is as it was before. */
  append(record: JournalRecord): void {
    const line = Buffer.from(`${JSON.stringify(record)}\n`);
    let done = 0;
    try {
      while (done < line.length) done += writeSync(this.#fd, line, done, line.length - done, this.#length + done);
    } catch (error) {
      ftruncateSync(this.#fd, this.#length);
      throw error;
    }
    this.#length += line.length;
    this.#lines += 1;
  }

  /** True when most lines say what later lines have undone; `live` is how many would be enough. */
  isWorthRewriting(live: number): boolean {
    return this.#lines > REWRITE_LINES && this.#lines > 4 * live;
  }

  /** Replace the file by one that holds just these records. */
  rewrite(records: Iterable<JournalRecord>): void {
    const path = `${this.#path}.new`;
    rmSync(path, { force: true });
    const fresh = Journal.create(path, records);
    renameSync(path, this.#path);
    closeSync(this.#fd);
    this.#fd = fresh.#fd;
    this.#length = fresh.#length;
    this.#lines = fresh.#lines;
  }

  close(): void {
    closeSync(this.#fd);
  }
}

function parse(path: string, index: number, line: string): JournalRecord {
  try {
    return JSON.parse(line) as JournalRecord;
  } catch (cause) {
    throw new EngineError('VOST_SIM_STATE', 'integrity', `simulator journal ${path} is damaged at line ${index + 1}`, {
      cause,
      advice: 'Remove the simulator directory and start it again.',
    });
  }
}
