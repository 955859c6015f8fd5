import { defineStage } from 'vast-ost/stage';

/** Gives back what it got: all that it costs is the engine's. */
export default defineStage({
  kind: 'transform',
  name: 'vast-ost-stage-noop',
  version: '1.0.0',
  apiVersion: 1,
  encode: (data) => data,
  decode: (data) => data,
});
