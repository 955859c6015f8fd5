/** One check of the kit. */
export interface Check {
  readonly name: string;
  /** Resolves to what was done, for people; rejects when the stage does not stand it. */
  run(): Promise<string>;
}

/** What came of it. */
export interface CheckResult {
  readonly check: string;
  readonly ok: boolean;
  readonly detail: string;
  readonly seconds: number;
}
