const { VOST_TEST_LANES } = process.env;

/** How many lanes the engines of tests have that do not say so themselves: `VOST_TEST_LANES`. Default: as the engine takes them. */
export const TEST_LANES = VOST_TEST_LANES === undefined ? undefined : Number(VOST_TEST_LANES);
