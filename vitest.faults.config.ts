import { mergeConfig } from "vitest/config";
import e2e from "./vitest.e2e.config.ts";

/**
 * The long tests of deployments: kills in every phase, two deployers, a second machine (a network namespace, so root), the CLI
 * call by call, older CLIs. `npm run faults` runs them and not `npm test`, which has to end within 20 minutes.
 */
const config = mergeConfig(e2e, {});
config.test = { ...config.test, include: ["test/faults/*.test.ts"] };
export default config;
