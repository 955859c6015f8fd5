import { createHash } from 'node:crypto';
import { EngineError } from '../errors.ts';
import type { ObjectStore } from '../vast/store.ts';
import { decodeFooter, INDEX_HEADER, MAX_FOOTER_BYTES } from './index-file.ts';
import type { Manifest } from './manifest.ts';
import { imagePrefix } from './names.ts';
import { indexName } from './needed-objects.ts';

/**
 * The index object of an image from its first byte to its last, every piece compared with the digests that the manifest leads to before it is
 * handed out. Throws `integrity` (VOST_BAD_INDEX) at the first piece that is not what it was; `not-found` when the object is gone or too short.
 */
export async function* verifiedIndex(
  store: ObjectStore,
  imageId: string,
  { index, size }: Pick<Manifest, 'index' | 'size'>,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void> {
  const key = `${imagePrefix(imageId)}${indexName({ index })}`;
  const bad = (what: string): EngineError =>
    new EngineError('VOST_BAD_INDEX', 'integrity', `${store.lsu}/${key} has ${what}`);
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length);
    await store.read(key, offset, bytes, { signal });
    return bytes;
  };
  const found = await store.head(key, { signal });
  if (found === undefined) throw new EngineError('VOST_NOT_FOUND', 'not-found', `${store.lsu}/${key} does not exist`);
  if (found.size !== index.size) throw bad(`${found.size} bytes where the manifest says ${index.size}`);
  if (index.footer > MAX_FOOTER_BYTES || index.footer + INDEX_HEADER.byteLength > index.size)
    throw bad(`a footer of ${index.footer} bytes`);
  const end = index.size - index.footer;
  const footerBytes = await read(end, index.footer);
  const footer = decodeFooter(footerBytes, index.sha256, `${store.lsu}/${key}`);
  if (footer.size !== size) throw bad(`an image size of ${footer.size} where the manifest says ${size}`);
  const header = await read(0, INDEX_HEADER.byteLength);
  if (Buffer.compare(header, INDEX_HEADER) !== 0) throw bad('no index header');
  yield header;
  let at = header.byteLength;
  for (const { position, length, digest, firstOffset } of footer.pages) {
    if (position + length > end || length < digest.byteLength) throw bad('pages that reach into the footer');
    const page = await read(position, length);
    const last = page.subarray(-digest.byteLength);
    const actual = createHash('sha256').update(page.subarray(0, -digest.byteLength)).digest();
    if (Buffer.compare(last, digest) !== 0 || Buffer.compare(actual, digest) !== 0)
      throw bad(`a page, that of the bytes from offset ${firstOffset} on, that is not the one that was written`);
    yield page;
    at = position + length;
  }
  if (at !== end) throw bad('bytes that belong to no page');
  yield footerBytes;
}
