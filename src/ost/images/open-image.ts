import type { Logger } from 'pino';
import type { ImageIdentity } from '../../image/identity.ts';
import type { Arena } from '../arena.ts';
import type { SlotTable } from '../slot-table.ts';
import type { StorageServer } from '../storage-server.ts';
import type { Answer, Notice, Question } from '../wire/messages.ts';

/** Which image a handle means. */
export interface ImagePlace {
  readonly server: StorageServer;
  readonly lsu: string;
  readonly identity: ImageIdentity;
  readonly imageId: string;
  /** For {@link ImageUsage}. */
  readonly place: string;
  /** The host's number of its job, where it told one. */
  readonly job: string | undefined;
  /** Its lines name session, job, server, LSU and image. */
  readonly log: Logger;
}

/** What an open image needs of its session. */
export interface ImageHost {
  readonly arena: Arena;
  readonly slots: SlotTable;
  /** Fires when the session ends. */
  readonly signal: AbortSignal;
  /** Dropped when the session has ended. */
  sendFree(notice: Notice<'SLOT_FREE'>): void;
  sendError(notice: Notice<'IMAGE_ERROR'>): void;
}

/**
 * An open image of a session. Calls begin in the order in which their messages came; each may take its time.
 * A call that contradicts who owns a slot throws a wire fault.
 */
export interface OpenImage {
  readonly place: ImagePlace;
  want(question: Question<'SLOT_WANT'>): Promise<Answer<'SLOT_WANT'>>;
  full(notice: Notice<'SLOT_FULL'>): void;
  giveBack(notice: Notice<'SLOT_RETURN'>): void;
  flush(): Promise<void>;
  read(question: Question<'IMAGE_READ'>): Promise<Answer<'IMAGE_READ'>>;
  writeMeta(question: Question<'META_WRITE'>): Promise<void>;
  readMeta(question: Question<'META_READ'>): Promise<Answer<'META_READ'>>;
  info(): Promise<Answer<'IMAGE_PROP'>>;
  /** Ends the handle, also when it throws. Resolves to the report. */
  close(question: Question<'IMAGE_CLOSE'>): Promise<string>;
  /** The session has ended: stop, and resolve when nothing of the handle touches the arena any more. Never throws. */
  drop(): Promise<void>;
}
