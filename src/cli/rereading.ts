import type { Logger } from 'pino';

/** Something that was read from files. */
export interface Reloadable {
  /** Read them again. When that fails everything stays as it was. */
  reload(): Promise<void>;
}

/**
 * What SIGHUP does (log rotation, `systemctl reload`): the log file is opened anew, then certificates, passwords and tokens are read again. A file
 * that is wrong is said, and what was read before stays in force.
 */
export function rereading(files: readonly Reloadable[], reopenLog: () => void, log: Logger): () => void {
  let before = Promise.resolve();
  const reread = async (): Promise<void> => {
    let kept = 0;
    for (const file of files) {
      try {
        await file.reload();
      } catch (error) {
        kept += 1;
        log.error({ err: error }, 'what was read before stays in force');
      }
    }
    if (kept === 0) log.info('certificate, password and tokens were read again');
  };
  return () => {
    reopenLog();
    before = before.then(reread);
  };
}
