import { mergeConfig } from "vitest/config";
import e2e from "./vitest.e2e.config";

/**
 * Deployments under faults, over HTTP: kills in every phase, two deployers, a second machine (a network namespace, so root).
 * Six minutes and more, which is why `npm run faults` runs them and not `npm test`.
 */
const config = mergeConfig(e2e, {});
config.test = { ...config.test, include: ["test/faults/*.test.ts"] };
export default config;
