import { packageTest } from './package-test.ts';

for (const name of ['digest-export', 'entropy-watch', 'throttle'] as const) packageTest(name);
