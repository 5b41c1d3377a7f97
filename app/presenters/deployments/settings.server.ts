/** The deploy settings of an environment, with every region that it could use. */
import type { DeploySettings } from "../../deployments/ports";
import type { RegionChoice } from "../../deployments/regionSettings.server";
import type { EnvironmentView } from "../../environments/types";
import type { App } from "../../wiring.server";

export type DeploySettingsView = {
  envSlug: string;
  /** Development has no deployments. */
  deployable: boolean;
  settings: DeploySettings;
  regions: RegionChoice[];
  /** The environment whose settings a branch has until it gets its own. */
  inherited: boolean;
};

export async function presentDeploySettings(app: Pick<App, "deployments">, env: EnvironmentView): Promise<DeploySettingsView> {
  const [settings, regions] = await Promise.all([app.deployments.settings.read(env), app.deployments.regionSettings.read(env)]);
  return { envSlug: env.slug, deployable: env.type !== "DEVELOPMENT", settings, regions, inherited: env.parentId !== null };
}
