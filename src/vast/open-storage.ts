import { resolve } from 'node:path';
import { EngineError } from '../errors.ts';
import { isEndpoint } from './endpoint.ts';
import { FileStorage, type FileStorageOptions } from './nfs/storage.ts';
import type { RetrierOptions } from './retry.ts';
import { type S3ConnectionOptions, S3Storage } from './s3/storage.ts';
import type { Storage } from './store.ts';

export interface OpenStorageOptions extends Omit<RetrierOptions, 'refresh'> {
  /** Everything about S3 but the endpoint, which the URL names. */
  readonly s3?: S3ConnectionOptions;
  /** Everything about a directory but its path. */
  readonly file?: Omit<FileStorageOptions, keyof RetrierOptions>;
}

/**
 * The storage that a URL names: `file:DIR` (a directory or NFS mount) or `s3:http://HOST:PORT`,
 * `s3:https://HOST:PORT`. Nothing is contacted yet.
 * @throws EngineError VOST_BAD_STORAGE_URL (`usage`)
 */
export function openStorage(url: string, options: OpenStorageOptions = {}): Storage {
  const { s3 = {}, file = {}, ...retry } = options;
  if (url.startsWith('file:') && url.length > 'file:'.length) {
    return new FileStorage(resolve(url.slice('file:'.length)), { ...retry, ...file });
  }
  if (url.startsWith('s3:http://') || url.startsWith('s3:https://')) {
    return new S3Storage(endpointOf(url.slice('s3:'.length)), { ...retry, ...s3 });
  }
  throw new EngineError('VOST_BAD_STORAGE_URL', 'usage', 'a storage is file:DIR or s3:http(s)://HOST:PORT');
}

/** The URL is not repeated in errors: somebody may have put a password into it. */
function endpointOf(text: string): URL {
  const endpoint = URL.canParse(text) ? new URL(text) : undefined;
  if (endpoint === undefined || !isEndpoint(endpoint)) {
    throw new EngineError('VOST_BAD_STORAGE_URL', 'usage', 'an S3 endpoint is http(s)://HOST:PORT and nothing more');
  }
  return endpoint;
}
