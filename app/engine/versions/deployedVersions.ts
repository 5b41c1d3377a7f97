/** What the engine asks about deployed versions; answered from the tables of deployments. */

/** A deployed version that runs may execute on. */
export type DeployedVersion = {
  deploymentId: string;
  /** The worker version. */
  versionId: string;
  version: string;
  /** `sha256:<hex>`; null for a version whose bytes some other means distributes. */
  releaseDigest: string | null;
  /** Names of the regions that hold its release. */
  regions: ReadonlySet<string>;
};

export interface DeployedVersions {
  /** Null while the version's deployment has not ended well; a version just deployed is seen at once. */
  byWorker(versionId: string): Promise<DeployedVersion | null>;
  /** The newest deployed version with this external id. */
  byExternalId(envId: string, externalId: string): Promise<{ versionId: string; version: string } | null>;
  /** True for the name of a region that hands out runs. */
  hasRegion(name: string): Promise<boolean>;
}
