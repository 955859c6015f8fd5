import { imageIdOf } from '../../image/identity.ts';
import type { Session } from '../session.ts';
import type { WireImageId } from '../wire/groups.ts';
import { identityOfWire } from '../wire-identity.ts';
import type { ImagePlace } from './open-image.ts';

/** Which image a request means. Throws class `usage` for a name that cannot be. */
export function placeOf(
  session: Session,
  { server: number, lsu, id }: { readonly server: bigint; readonly lsu: string; readonly id: WireImageId },
): ImagePlace {
  const server = session.server(number);
  const identity = identityOfWire(id);
  const imageId = imageIdOf(identity);
  const log = session.log.child({ server: server.id, lsu, image: imageId, image_name: identity.basename });
  return { server, lsu, identity, imageId, place: server.placeOf(lsu, imageId), log };
}
