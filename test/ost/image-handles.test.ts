import { imageHandles } from '../../src/ost/image-handles.ts';
import { handleSuite } from './support/handle-suite.ts';

handleSuite(async () => imageHandles);
