import { type AddonWindow, bridge } from '../bridge/bridge.ts';
import type { Place } from './place.ts';

const PAGE_BYTES = 4096;
const STEP_BYTES = 2 ** 20;
/** Kept for their owners; they are places, not memory. */
const MAX_IDLE = 8;

interface Opened {
  readonly window: AddonWindow;
  readonly bytes: number;
  /** Its ArrayBuffer. */
  memory: ArrayBuffer;
}

/** Of this thread, the one used longest ago first. */
const idle: SlabWindow[] = [];
let openedBytes = 0;

/** Bytes of all windows of this thread. V8 counts them as memory, which they are not. */
export function windowBytes(): number {
  return openedBytes;
}

/**
 * Shows slabs to code that must not keep hold of them: when the window is cleared, what still has it in view finds zeros. Nothing
 * is copied but pages that are written to.
 *
 * A window is shown to the same owner again, if it can be, so that only its own later chunks can appear in what it has kept. Detaching the view
 * after every look would be cleaner, but what V8 then believes about its memory has it collect garbage each time, which costs more than all the rest.
 */
export class SlabWindow {
  #owner: string;
  #opened: Opened | undefined;
  #shows = false;

  private constructor(owner: string) {
    this.#owner = owner;
  }

  /** A window that nobody else has in view. */
  static take(owner: string): SlabWindow {
    const own = idle.findIndex((window) => window.#owner === owner);
    if (own < 0 && idle.length < MAX_IDLE) return new SlabWindow(owner);
    const [window = new SlabWindow(owner)] = idle.splice(Math.max(0, own), 1);
    if (window.#owner !== owner) window.#pass(owner);
    return window;
  }

  /**
   * @param itself whether what is written is in the slab, or in copies of its pages. It is meant for bytes all of which are written.
   * @returns a view of the bytes; the rest of its ArrayBuffer is nothing.
   */
  show({ address, offset, bytes }: Place, itself: boolean): Uint8Array<ArrayBuffer> {
    if (bytes === 0) return new Uint8Array(0);
    const skipped = offset % PAGE_BYTES;
    const { window, memory } = this.#open(skipped + bytes);
    bridge.showSlab(window, address, offset, bytes, itself);
    this.#shows = true;
    return new Uint8Array(memory, skipped, bytes);
  }

  /** Whether what is shown, and is not the slab itself, was written to. */
  get changed(): boolean {
    return this.#shows && this.#opened !== undefined && bridge.windowChanged(this.#opened.window);
  }

  clear(): void {
    if (!this.#shows || this.#opened === undefined) return;
    this.#shows = false;
    bridge.clearWindow(this.#opened.window);
    // Somebody has moved it to an ArrayBuffer of his own: it is his.
    if (this.#opened.memory.detached) this.#close();
  }

  /** For the next one to take. */
  give(): void {
    this.clear();
    idle.push(this);
  }

  #pass(owner: string): void {
    this.#owner = owner;
    if (this.#opened === undefined) return;
    if (this.#opened.memory.detached) this.#close();
    else this.#opened.memory = this.#opened.memory.transfer();
  }

  #open(room: number): Opened {
    if (this.#opened?.memory.detached || room > (this.#opened?.bytes ?? 0)) this.#close();
    if (this.#opened !== undefined) return this.#opened;
    const bytes = Math.ceil(room / STEP_BYTES) * STEP_BYTES;
    const window = bridge.createWindow(bytes);
    this.#opened = { window, bytes, memory: bridge.windowMemory(window) };
    openedBytes += bytes;
    return this.#opened;
  }

  /** Its addresses stay taken, and empty. */
  #close(): void {
    if (this.#opened === undefined) return;
    openedBytes -= this.#opened.bytes;
    if (!this.#opened.memory.detached) this.#opened.memory.transfer(0);
    this.#opened = undefined;
  }
}
