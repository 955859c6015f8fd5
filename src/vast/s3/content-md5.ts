import type { Digests } from './integrity.ts';

interface Exchange {
  readonly request: { headers: Record<string, string>; readonly body?: unknown };
}

/** Any SDK command; its own types would need every command's input and output here. */
interface Decorable {
  readonly middlewareStack: {
    add(middleware: never, options: { step: 'build'; priority: 'low'; name: string }): void;
  };
}

/**
 * The SDK protects some small documents (DeleteObjects, PutObjectRetention) with x-amz-checksum-crc32, which VAST and older servers refuse or
 * ignore; Content-MD5 is understood everywhere. Runs last in the build step: after the SDK's checksum,
 * before the signer.
 */
export function protectByMd5<C extends Decorable>(command: C, digests: Digests): C {
  const middleware =
    (next: (exchange: Exchange) => Promise<unknown>) =>
    async (exchange: Exchange): Promise<unknown> => {
      const { headers, body } = exchange.request;
      for (const name of Object.keys(headers)) {
        if (/^x-amz-(?:checksum-|sdk-checksum-)/i.test(name)) delete headers[name];
      }
      const bytes = typeof body === 'string' ? Buffer.from(body) : (body as Uint8Array);
      headers['content-md5'] = (await digests.md5([bytes])).toString('base64');
      return next(exchange);
    };
  command.middlewareStack.add(middleware as never, { step: 'build', priority: 'low', name: 'vostContentMd5' });
  return command;
}
