import t from 'tap';
import { tracingPlan } from '../../src/tracing/environment.ts';

function read(environment: Readonly<Record<string, string>>) {
  const problems: string[] = [];
  return { plan: tracingPlan(environment, (problem) => problems.push(problem)), problems };
}

t.test('off unless somebody wants it', async (t) => {
  const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' };
  const cases: readonly (readonly [Readonly<Record<string, string>>, boolean])[] = [
    [{}, false],
    [{ OTEL_SERVICE_NAME: 'media-1', OTEL_TRACES_SAMPLER: 'always_on' }, false],
    [endpoint, true],
    [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }, true],
    [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
    [{ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, false],
    [{ ...endpoint, OTEL_SDK_DISABLED: 'true' }, false],
    [{ ...endpoint, OTEL_SDK_DISABLED: 'false' }, true],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, false],
  ];
  for (const [environment, on] of cases) {
    const { plan, problems } = read(environment);
    t.equal(plan !== undefined, on, JSON.stringify(environment));
    t.strictSame(problems, []);
  }
});

t.test('defaults are those of the standard', async (t) => {
  t.strictSame(read({ OTEL_TRACES_EXPORTER: 'otlp' }).plan, {
    protocol: 'http/protobuf',
    sampler: 'parentbased_always_on',
    ratio: 1,
    queue: 2048,
    batch: 512,
    delayMs: 5000,
    timeoutMs: 30_000,
  });
});

t.test('what is given counts, the more special first', async (t) => {
  const { plan, problems } = read({
    OTEL_TRACES_EXPORTER: 'none,otlp',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
    OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json',
    OTEL_TRACES_SAMPLER: 'traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.25',
    OTEL_BSP_MAX_QUEUE_SIZE: '100',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '200',
    OTEL_BSP_SCHEDULE_DELAY: '10',
    OTEL_BSP_EXPORT_TIMEOUT: '20',
  });
  t.strictSame(plan, {
    protocol: 'http/json',
    sampler: 'traceidratio',
    ratio: 0.25,
    queue: 100,
    batch: 100,
    delayMs: 10,
    timeoutMs: 20,
  });
  t.strictSame(problems, []);
});

t.test('what makes no sense is told by its name, and passed over', async (t) => {
  const wrong = {
    OTEL_TRACES_EXPORTER: 'otlp,zipkin',
    OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    OTEL_TRACES_SAMPLER: 'jaeger_remote',
    OTEL_TRACES_SAMPLER_ARG: '7',
    OTEL_BSP_MAX_QUEUE_SIZE: '1e12',
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '-1',
    OTEL_BSP_SCHEDULE_DELAY: 'soon',
    OTEL_BSP_EXPORT_TIMEOUT: '0',
  };
  const { plan, problems } = read(wrong);
  t.strictSame(plan, read({ OTEL_TRACES_EXPORTER: 'otlp' }).plan);
  t.equal(problems.length, Object.keys(wrong).length);
  for (const name of Object.keys(wrong))
    t.ok(
      problems.some((problem) => problem.startsWith(name)),
      name,
    );
});
