import type { Socket } from 'node:net';
import { reading } from './turns.ts';

/** As much as a socket hands over at once. One for all connections: it is empty again before another one is read. */
const memory = Buffer.allocUnsafeSlow(256 * 1024);

/**
 * Has all bytes of a connection come into the same memory. Node takes new memory for each read of a socket, and V8 collects all of its garbage whenever
 * 40 MiB or so of that have come together: a third of what a restore cost.
 *
 * What `socket.read` returns is valid only until control goes back to the event loop: whoever keeps it copies it.
 */
export class ReadBuffer {
  /** Options of the socket. */
  readonly onread = {
    buffer: memory,
    callback: (bytes: number): boolean => this.#arrived(memory.subarray(0, bytes)),
  };
  #socket: Socket | undefined;
  /** Arrived, and not read yet. */
  #piece: Buffer | undefined;
  readonly #goOn = (): void => {
    if (this.#socket?.destroyed === false) this.#socket._read(0);
  };

  /** The socket that was made with the options, before a byte has come. */
  attach(socket: Socket): void {
    this.#socket = socket;
    const read = socket.read.bind(socket);
    const unshift = socket.unshift.bind(socket);
    socket.read = (size?: number): Buffer | null => {
      const piece = this.#piece;
      this.#piece = undefined;
      return piece ?? read(size);
    };
    socket.unshift = (piece: Uint8Array): void => unshift(Buffer.from(piece));
  }

  /** Returns whether more may come. */
  #arrived(piece: Buffer): boolean {
    const socket = this.#socket;
    if (socket === undefined) return true;
    // What the socket keeps was first.
    if (socket.readableLength === 0) {
      this.#piece = piece;
      socket.emit('readable');
      if (this.#piece === undefined) return reading.goesOn(piece.byteLength, this.#goOn);
      this.#piece = undefined;
    }
    // Its reader is taking a rest.
    return socket.push(Buffer.from(piece));
  }
}
