/** A VAST release, as far as it changes what the API looks like. */
export interface Release {
  readonly major: number;
  readonly minor: number;
  /** As VMS and S3 report it: `5.3.0.1`. */
  readonly software: string;
}

/** Releases that the simulator imitates. */
export const RELEASES = ['5.0', '5.1', '5.2', '5.3', '5.4', '5.5'] as const;
export type ReleaseName = (typeof RELEASES)[number];

/** The release of a name; its third and fourth number are of no consequence. */
export function releaseOf(name: ReleaseName): Release {
  const [major = 0, minor = 0] = name.split('.').map(Number);
  return { major, minor, software: `${name}.0.1` };
}

/** True when the release is `name` or later; a missing name is older than all. */
export function isSince(release: Release, name: ReleaseName | undefined): boolean {
  if (name === undefined) return true;
  const { major, minor } = releaseOf(name);
  return release.major > major || (release.major === major && release.minor >= minor);
}

/**
 * The newest `/api/v<n>/` that a release serves. 5.0 to 5.2 are the map that VAST's Terraform
 * provider (1.7) works by; the later ones are our assumption.
 */
export function newestPathVersion({ minor }: Release): number {
  if (minor === 0) return 4;
  if (minor <= 2) return 5;
  return minor <= 4 ? 6 : 7;
}
