/**
 * `vast-ost/stage`: what vendors write stages with. docs/stages.md is its manual, and says what may change from one version to the next.
 *
 * @packageDocumentation
 */
export type { ChunkInfo, ImageInfo, ImageTotals, Json, JsonObject, StageContext, StageReport } from './context.ts';
export {
  API_VERSION,
  type Bytes,
  defineStage,
  type Observation,
  type ObserverStage,
  type Placement,
  type Route,
  type RouterStage,
  type TransformStage,
} from './define-stage.ts';
export { StageError, type StageErrorKind } from './stage-error.ts';
export type { SchemaIssue, SchemaResult, StandardSchema } from './standard-schema.ts';
