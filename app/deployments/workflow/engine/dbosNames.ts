/** Names under which workflows are kept. A changed body gets another workflow name beside this one, and the old stays registered. */
export const DBOS_NAMES = {
  application: "sluice",
  schema: "dbos",
  /** One name for whoever is the deployer: what another process left is its own. */
  executor: "deployer",
  applicationVersion: "deploy-1",
  workflow: "deploy-v1",
  queue: "deployments",
  /** All signals come on one topic, so that a wait hears a cancel as well as what it waits for. */
  hints: "hint",
  workflowId: (deploymentId: string) => `deploy:deployment_${deploymentId}`,
} as const;
