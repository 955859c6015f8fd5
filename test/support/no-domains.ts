/**
 * Loaded before each file of tests (.taprc). tap puts each test into a domain of errors, for which Node tells JavaScript of every promise
 * made and gone: a third of the processors' time where there are thousands. Without, an error that a test throws where nobody waits for it
 * ends the whole file, which fails; what a test awaits fails the test, as ever.
 */
import asyncHooks, { type AsyncHook } from 'node:async_hooks';
import { syncBuiltinESMExports } from 'node:module';

const nothing: AsyncHook = { enable: () => nothing, disable: () => nothing };
asyncHooks.createHook = () => nothing;
syncBuiltinESMExports();
