import { CommanderError } from 'commander';
import { EngineError } from '../errors.ts';
import { EXIT_CODES, exitCodeOf } from './exit-codes.ts';
import { interruptSignal } from './interrupt.ts';
import { printJson } from './output.ts';
import { buildProgram } from './program.ts';

/** Run one command line and return its exit code. */
async function main(argv: readonly string[]): Promise<number> {
  const signal = interruptSignal();
  try {
    await buildProgram(signal).parseAsync(argv);
    return 0;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : EXIT_CODES.usage;
    const cause = signal.aborted ? signal.reason : error;
    describe(cause, argv.includes('--json'));
    return exitCodeOf(cause);
  }
}

/** What happened, where, and what to do next. */
function describe(error: unknown, json: boolean): void {
  if (!(error instanceof EngineError)) {
    process.stderr.write(`vast-ost: internal error: ${error instanceof Error ? error.stack : String(error)}\n`);
    return;
  }
  if (json)
    printJson({ error: { code: error.code, failure: error.failure, message: error.message, advice: error.advice } });
  process.stderr.write(`vast-ost: ${error.message} [${error.code}]\n`);
  if (error.advice !== undefined) process.stderr.write(`  ${error.advice}\n`);
}

process.exitCode = await main(process.argv);
// A read of an idle pipe cannot be cancelled and would keep the process alive after an interrupt.
process.stdout.end(() => process.exit());
