import { type AddonWindow, bridge } from '../bridge/bridge.ts';
import type { Place } from './place.ts';

const PAGE_BYTES = 4096;
const STEP_BYTES = 2 ** 20;
/** Kept for their owners; they are places, not memory. */
const MAX_IDLE = 8;
/** An owner that took none for so many times is taken to have gone: images take turns. */
const GONE = 2 * MAX_IDLE;

interface Opened {
  readonly window: AddonWindow;
  readonly bytes: number;
  /** Its ArrayBuffer. */
  memory: ArrayBuffer;
}

/** Of this thread, the one used longest ago first. */
const idle: SlabWindow[] = [];
/** Windows taken so far. */
let taken = 0;
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
  /** When it was taken last, in windows taken. */
  #turn = 0;
  #opened: Opened | undefined;
  #shows = false;

  private constructor(owner: string) {
    this.#owner = owner;
  }

  /** A window that nobody else has in view. A new one makes V8 collect garbage, so that of an owner who has gone is better. */
  static take(owner: string): SlabWindow {
    taken += 1;
    const window = SlabWindow.#idle(owner) ?? new SlabWindow(owner);
    if (window.#owner !== owner) window.#pass(owner);
    window.#turn = taken;
    return window;
  }

  static #idle(owner: string): SlabWindow | undefined {
    const own = idle.findIndex((window) => window.#owner === owner);
    if (own >= 0) return idle.splice(own, 1)[0];
    const [oldest] = idle;
    const gone = oldest !== undefined && taken - oldest.#turn > GONE;
    return gone || idle.length >= MAX_IDLE ? idle.shift() : undefined;
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
