import { ImageTally } from './image-tally.ts';

/** Numbers of an engine since it began, kept in one place so that they can be exported. */
export class Counters {
  sessionsOpened = 0;
  sessionsRefused = 0;
  sessionsEnded = 0;
  /** Connections ended because of a frame that broke the protocol. */
  faults = 0;
  requests = 0;
  /** Answers that said no, by result name. */
  readonly errors = new Map<string, number>();
  imagesOpened = 0;
  imagesClosed = 0;
  copies = 0;
  readonly images = new ImageTally();

  /** One more answer of this result. */
  countError(result: string): void {
    this.errors.set(result, (this.errors.get(result) ?? 0) + 1);
  }
}
