import { bridge } from '../bridge/bridge.ts';
import { EngineError } from '../errors.ts';

/** Exit code after a second signal, when clean-up was cut short. */
const EXIT_NOW = 130;

/**
 * Ctrl-C (or SIGTERM) once: the signal fires, the command stops and cleans up after itself. Twice: exit at
 * once; gc names what is left.
 */
export function interruptSignal(): AbortSignal {
  const controller = new AbortController();
  const onSignal = (name: NodeJS.Signals): void => {
    if (controller.signal.aborted) bridge.leave(EXIT_NOW);
    process.stderr.write(`\n${name}: stopping and cleaning up; once more to stop at once\n`);
    controller.abort(new EngineError('VOST_INTERRUPTED', 'aborted', `stopped by ${name}`));
  };
  process.on('SIGINT', onSignal);
  process.on('SIGTERM', onSignal);
  return controller.signal;
}
