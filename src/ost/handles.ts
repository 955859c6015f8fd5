import { invalid, limitReached } from './errors.ts';
import type { OpenImage } from './images/open-image.ts';
import { wireFault } from './wire/bytes.ts';

/** Notices that may wait for handles being opened; a host that sends more does not follow the protocol. */
const MAX_WAITING_NOTICES = 8192;

interface Entry {
  readonly opening: Promise<OpenImage>;
  image: OpenImage | undefined;
  closing: boolean;
}

/**
 * The open images of a session by the host's numbers. What is said about a handle while it is being opened waits, so that everything about one
 * handle begins in the order in which it was sent.
 */
export class Handles {
  readonly #most: number;
  readonly #entries = new Map<bigint, Entry>();
  #waitingNotices = 0;

  /** @param most open images of a session. */
  constructor(most: number) {
    this.#most = most;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Open an image under a number. A failing `open` leaves no handle. */
  async open(number: bigint, open: () => Promise<OpenImage>): Promise<OpenImage> {
    if (number === 0n || this.#entries.has(number)) throw invalid(`handle ${number} is in use`);
    if (this.#entries.size >= this.#most) throw limitReached(`this process has ${this.#most} images open`);
    const entry: Entry = { opening: open(), image: undefined, closing: false };
    this.#entries.set(number, entry);
    try {
      entry.image = await entry.opening;
      return entry.image;
    } catch (error) {
      this.#remove(number, entry);
      throw error;
    }
  }

  /** The image of a handle; undefined while it is being opened. */
  image(number: bigint): OpenImage | undefined {
    return this.#entries.get(number)?.image;
  }

  /** Ask something of a handle. Rejects with class `usage` when there is none. */
  call<T>(number: bigint, work: (image: OpenImage) => Promise<T>): Promise<T> {
    const entry = this.#entries.get(number);
    if (entry === undefined) return Promise.reject(invalid(`there is no handle ${number}`));
    if (entry.image !== undefined) return work(entry.image);
    return entry.opening.then(work, () => {
      throw invalid(`there is no handle ${number}`);
    });
  }

  /** Tell a handle something. What is for a handle that has ended crossed its close, and is dropped. */
  tell(number: bigint, work: (image: OpenImage) => void, onFault: (error: unknown) => void): void {
    const entry = this.#entries.get(number);
    if (entry?.image !== undefined) {
      work(entry.image);
    } else if (entry !== undefined) {
      if (this.#waitingNotices >= MAX_WAITING_NOTICES) throw wireFault('too many notices for handles being opened');
      this.#waitingNotices += 1;
      entry.opening
        .then(
          (image) => work(image),
          () => undefined,
        )
        .catch(onFault)
        .finally(() => {
          this.#waitingNotices -= 1;
        });
    }
  }

  /**
   * Ask for a handle's end, once; the number names nothing afterwards, whatever comes of it. Only the image that was asked is
   * forgotten: one that is forgotten while it lives would outlive its session, and the memory that it works on.
   */
  async close<T>(number: bigint, work: (image: OpenImage) => Promise<T>): Promise<T> {
    const entry = this.#entries.get(number);
    if (entry?.closing) throw invalid('the image is being closed');
    if (entry !== undefined) entry.closing = true;
    try {
      return await this.call(number, work);
    } finally {
      if (entry !== undefined) this.#remove(number, entry);
    }
  }

  /** Drop every image; resolves when none touches the arena any more. */
  async dropAll(): Promise<void> {
    const entries = [...this.#entries.values()];
    await Promise.all(
      entries.map(async ({ opening }) => {
        const image = await opening.catch(() => undefined);
        await image?.drop();
      }),
    );
    this.#entries.clear();
  }

  #remove(number: bigint, entry: Entry): void {
    if (this.#entries.get(number) === entry) this.#entries.delete(number);
  }
}
