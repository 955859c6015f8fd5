import type { Socket } from 'node:net';
import { decodeFrame, encodeFrame, type Frame } from './wire/frame.ts';
import { FrameSplitter } from './wire/frame-splitter.ts';

/** A host that does not read is cut off when so much waits for it, bytes. */
const MAX_UNSENT = 1024 * 1024;

/** Frames over one socket. */
export class Connection {
  readonly #socket: Socket;
  readonly #splitter = new FrameSplitter();
  #closed = false;

  /** @param socket paused; its first message has been taken already. */
  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('error', () => undefined);
  }

  /**
   * Begin to read. `onFrame` may throw a wire fault, as decoding may: then `onEnd` gets it, and no frame follows. `onEnd` is called once,
   * also after {@link close}, when the socket is closed.
   */
  read(onFrame: (frame: Frame) => void, onEnd: (fault: unknown) => void): void {
    let fault: unknown;
    this.#socket.on('data', (data: Buffer) => {
      try {
        for (const frame of this.#splitter.push(data)) {
          if (this.#closed) return;
          onFrame(decodeFrame(frame));
        }
      } catch (error) {
        fault = error;
        this.close();
      }
    });
    this.#socket.on('close', () => onEnd(fault));
    if (this.#socket.destroyed) onEnd(undefined);
    else this.#socket.resume();
  }

  /** Send a frame; nothing is sent once the connection is closed. */
  send(frame: Frame): void {
    if (this.#closed) return;
    this.#socket.write(encodeFrame(frame));
    if (this.#socket.writableLength > MAX_UNSENT) this.close();
  }

  /** Send a last frame and close. */
  end(frame: Frame): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.end(encodeFrame(frame), () => this.#socket.destroy());
  }

  close(): void {
    this.#closed = true;
    this.#socket.destroy();
  }
}
