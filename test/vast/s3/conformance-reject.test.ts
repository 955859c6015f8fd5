import t from 'tap';
import { s3Conformance } from './conformance.ts';

await s3Conformance(t, 'reject', 'auto');
