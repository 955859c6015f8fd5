import { packageTest } from './package-test.ts';

packageTest('encrypt');
