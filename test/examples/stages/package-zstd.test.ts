import { packageTest } from './package-test.ts';

packageTest('zstd');
