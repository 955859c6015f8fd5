import { registerHooks } from 'node:module';

/** Of the module that stages import: the engine's own one, from sources as from the built program. */
const API = new URL(`../stage-api/index.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href;

let provided = false;

/**
 * Let stages in this thread import `vast-ost/stage` wherever their package lies, and whatever their own `node_modules` have: they
 * always get the interface of the engine that runs them.
 */
export function provideApi(): void {
  if (provided) return;
  provided = true;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === 'vast-ost/stage' ? { url: API, format: 'module', shortCircuit: true } : next(specifier, context),
  });
}
