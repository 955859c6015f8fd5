import type { XmlChildren } from '../xml/xml-writer.ts';
import { type Checksum, checksumHeader } from './algorithms.ts';

/** The headers that tell a client about a stored checksum. */
export function checksumHeaders(checksum: Checksum | undefined): Record<string, string> {
  if (checksum === undefined) return {};
  return { [checksumHeader(checksum.algorithm)]: checksum.value, 'x-amz-checksum-type': checksum.type };
}

/** The same for XML answers. */
export function checksumElements(checksum: Checksum | undefined, withType: boolean): XmlChildren {
  if (checksum === undefined) return [];
  return [
    [`Checksum${checksum.algorithm}`, checksum.value],
    ['ChecksumType', withType ? checksum.type : undefined],
  ];
}
