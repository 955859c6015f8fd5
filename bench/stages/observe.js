import { defineStage } from 'vast-ost/stage';

/** Is shown every chunk and looks at none. */
export default defineStage({
  kind: 'observer',
  name: 'vast-ost-stage-observe',
  version: '1.0.0',
  apiVersion: 1,
  observe: () => null,
});
