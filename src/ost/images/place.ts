import { imageIdOf } from '../../image/identity.ts';
import type { ImageSubject } from '../../image/image-span.ts';
import type { Session } from '../session.ts';
import type { WireImageId } from '../wire/groups.ts';
import { identityOfWire } from '../wire-identity.ts';
import type { ImagePlace } from './open-image.ts';

/** What the trace of an image names it by. */
export function subjectOf({ peer }: Session, { server, lsu, imageId, identity, job }: ImagePlace): ImageSubject {
  return { server: server.id, lsu, imageId, name: identity.basename, job, hostPid: peer.pid };
}

/** Which image a request means. Throws class `usage` for a name that cannot be. */
export function placeOf(
  session: Session,
  { server: number, lsu, id }: { readonly server: bigint; readonly lsu: string; readonly id: WireImageId },
): ImagePlace {
  const server = session.server(number);
  const identity = identityOfWire(id);
  const imageId = imageIdOf(identity);
  const job = session.jobOf(number);
  const log = session.log.child({
    ...(job === undefined ? {} : { job }),
    server: server.id,
    lsu,
    image: imageId,
    image_name: identity.basename,
  });
  return { server, lsu, identity, imageId, place: server.placeOf(lsu, imageId), job, log };
}
