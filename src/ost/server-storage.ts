import type { Logger } from 'pino';
import { readCredentialsFile } from '../config/credentials-file.ts';
import type { ServerSettings, Settings } from '../config/settings.ts';
import { openStorage } from '../vast/open-storage.ts';
import type { RetryEvent } from '../vast/retry.ts';
import type { Storage } from '../vast/store.ts';

/** The storage of a `[server NAME]` section. Nothing is contacted yet. */
export function openServerStorage(server: ServerSettings, { general, performance }: Settings, log: Logger): Storage {
  const caFile = server.s3_ca_file ?? general.s3_ca_file;
  const credentials = server.s3_credentials_file;
  return openStorage(server.store, {
    s3: {
      region: server.s3_region ?? general.s3_region,
      wireIntegrity: performance.wire_integrity,
      ...(caFile === undefined ? {} : { caFile }),
      ...(credentials === undefined ? {} : { credentials: () => readCredentialsFile(credentials) }),
    },
    policy: { budgetMs: performance.retry_seconds * 1000, retries: performance.retry_count },
    onRetry: ({ operation, attempt, delayMs, error }: RetryEvent) => {
      log.warn({ operation, attempt, delay_ms: delayMs, code: error.code, details: error.details }, error.message);
    },
  });
}
