import { InvalidArgumentError } from 'commander';
import t from 'tap';
import { durationArgument, portArgument, sizeArgument } from '../../src/cli/arguments.ts';
import { EXIT_CODES, exitCodeOf } from '../../src/cli/exit-codes.ts';
import { EngineError, type FailureClass } from '../../src/errors.ts';

t.test('arguments, and what commander is told about wrong ones', async (t) => {
  t.strictSame([sizeArgument('64M'), durationArgument('24h')], [64 * 2 ** 20, 86_400_000]);
  t.strictSame([portArgument('0'), portArgument('65535'), portArgument('080')], [0, 65_535, 80]);
  for (const [parse, texts] of [
    [sizeArgument, ['', 'much', '-1']],
    [durationArgument, ['', '5', '1y']],
    [portArgument, ['', '65536', '-1', '80.5', '1e3', 'http', '000080']],
  ] as const) {
    for (const text of texts) t.throws(() => parse(text), InvalidArgumentError, `${parse.name} ${text}`);
  }
});

t.test('exit codes: one for every class, as documented', async (t) => {
  const expected: Record<FailureClass, number> = {
    internal: 1,
    usage: 2,
    'not-found': 3,
    exists: 4,
    busy: 4,
    access: 5,
    credentials: 5,
    capacity: 6,
    integrity: 7,
    retryable: 8,
    unsupported: 9,
    aborted: 130,
  };
  t.strictSame(EXIT_CODES, expected);
  for (const [failure, code] of Object.entries(expected))
    t.equal(exitCodeOf(new EngineError('VOST_TEST', failure as FailureClass, failure)), code);
  t.equal(exitCodeOf(new Error('a bug')), 1);
  t.equal(exitCodeOf('text'), 1);
  t.equal(exitCodeOf(new DOMException('stopped', 'AbortError')), 130);
});
