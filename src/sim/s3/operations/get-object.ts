import type { Call, Reply } from '../call.ts';
import { checksumHeaders } from '../checksum/reply.ts';
import { checkConditions } from '../http/conditions.ts';
import { httpDate } from '../http/dates.ts';
import { parseRange, sliceSegments } from '../http/ranges.ts';
import { attributeHeaders } from './attributes.ts';
import { lockHeaders } from './object-lock.ts';
import { requestedObject, versionHeader } from './requested-version.ts';

/** GET of an object, whole or one range of it. */
export async function getObject(call: Call): Promise<Reply> {
  const reply = describe(call);
  if (reply.content !== undefined) call.state.blobs.retain(reply.content);
  return reply;
}

/** HEAD: the headers of GET. */
export async function headObject(call: Call): Promise<Reply> {
  const { status, headers } = describe(call);
  return { status, ...(headers === undefined ? {} : { headers }) };
}

function describe(call: Call): Reply {
  const object = requestedObject(call, call.state.bucket(call.bucket));
  const common = { ETag: `"${object.etag}"`, 'Last-Modified': httpDate(object.modified), ...versionHeader(object) };
  const state = checkConditions(
    {
      ifMatch: call.header('if-match'),
      ifNoneMatch: call.header('if-none-match'),
      ifModifiedSince: call.header('if-modified-since'),
      ifUnmodifiedSince: call.header('if-unmodified-since'),
    },
    object,
  );
  if (state === 'not-modified') return { status: 304, headers: common };

  const range = parseRange(call.header('range'), object.size);
  const headers = { ...common, 'Accept-Ranges': 'bytes', ...attributeHeaders(object), ...lockHeaders(object) };
  if (range === undefined) {
    const wanted = call.header('x-amz-checksum-mode')?.toUpperCase() === 'ENABLED';
    return {
      status: 200,
      headers: {
        ...headers,
        'Content-Length': String(object.size),
        ...(wanted && call.settings.checksumMode === 'full' ? checksumHeaders(object.checksum) : {}),
      },
      content: object.segments,
    };
  }
  return {
    status: 206,
    headers: {
      ...headers,
      'Content-Length': String(range.last - range.first + 1),
      'Content-Range': `bytes ${range.first}-${range.last}/${object.size}`,
    },
    content: sliceSegments(object.segments, range),
  };
}
