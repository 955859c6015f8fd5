import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import type { Test } from 'tap';
import { z } from 'zod';

const Value = z.looseObject({
  stringValue: z.string().optional(),
  intValue: z.union([z.number(), z.string()]).optional(),
  doubleValue: z.number().optional(),
});
const Attributes = z.array(z.object({ key: z.string(), value: Value })).default([]);
const SpanRecord = z.looseObject({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes: Attributes,
  events: z.array(z.looseObject({ name: z.string(), attributes: Attributes })).default([]),
  status: z.looseObject({ code: z.number().optional(), message: z.string().optional() }).default({}),
});
/** https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding */
const Export = z.looseObject({
  resourceSpans: z.array(
    z.looseObject({
      resource: z.looseObject({ attributes: Attributes }),
      scopeSpans: z.array(z.looseObject({ spans: z.array(SpanRecord) })),
    }),
  ),
});

export interface Told {
  readonly name: string;
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface SpanTold extends Told {
  readonly trace: string;
  readonly id: string;
  readonly parent: string | undefined;
  readonly began: bigint;
  readonly ended: bigint;
  readonly events: readonly Told[];
  readonly status: { readonly code?: number | undefined; readonly message?: string | undefined };
}

/** Takes spans as OTLP over HTTP, in JSON. */
export class Collector {
  readonly spans: SpanTold[] = [];
  readonly resources: Told['attributes'][] = [];
  /** All that came, as text. */
  written = '';
  readonly url: string;

  private constructor(url: string) {
    this.url = url;
  }

  static async start(t: Test): Promise<Collector> {
    const url = await listen(t, async (request, response) => {
      const body = await json(request);
      collector.written += JSON.stringify(body) + JSON.stringify(request.headers);
      for (const { resource, scopeSpans } of Export.parse(body).resourceSpans) {
        collector.resources.push(valuesOf(resource.attributes));
        for (const { spans } of scopeSpans) collector.spans.push(...spans.map(spanOf));
      }
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
    const collector: Collector = new Collector(url);
    return collector;
  }

  /** For whoever is to tell it: at once, so that tests need not wait. */
  get environment(): Record<string, string> {
    return {
      OTEL_EXPORTER_OTLP_ENDPOINT: this.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
      OTEL_BSP_SCHEDULE_DELAY: '50',
    };
  }

  /** The only one of this name that fits. */
  one(name: string, fits: (span: SpanTold) => boolean = () => true): SpanTold {
    const found = this.spans.filter((span) => span.name === name && fits(span));
    const [span] = found;
    if (span === undefined || found.length > 1)
      throw new Error(`${found.length} spans ${name} among ${this.spans.map((one) => one.name).join(', ')}`);
    return span;
  }

  childrenOf({ id }: SpanTold): SpanTold[] {
    return this.spans.filter(({ parent }) => parent === id);
  }

  /** Everything below a span, itself included. */
  below(root: SpanTold): SpanTold[] {
    return [root, ...this.childrenOf(root).flatMap((child) => this.below(child))];
  }
}

/** A server of any behaviour; resolves to its URL. */
export async function listen(t: Test, listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.teardown(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function spanOf(span: z.output<typeof SpanRecord>): SpanTold {
  return {
    name: span.name,
    attributes: valuesOf(span.attributes),
    trace: span.traceId,
    id: span.spanId,
    parent: span.parentSpanId || undefined,
    began: BigInt(span.startTimeUnixNano),
    ended: BigInt(span.endTimeUnixNano),
    events: span.events.map(({ name, attributes }) => ({ name, attributes: valuesOf(attributes) })),
    status: span.status,
  };
}

function valuesOf(attributes: z.output<typeof Attributes>): Told['attributes'] {
  return Object.fromEntries(
    attributes.map(({ key, value: { stringValue, intValue, doubleValue } }) => [
      key,
      stringValue ?? doubleValue ?? Number(intValue),
    ]),
  );
}
