/** The simulator has one user. */
export const OWNER = [
  ['ID', 'vast-sim'],
  ['DisplayName', 'vast-sim'],
] as const;
