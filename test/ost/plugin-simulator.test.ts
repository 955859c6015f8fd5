import { pluginSuite } from './support/plugin-suite.ts';

pluginSuite('simulator');
