import { defineConfig } from "vitest/config";
import { shared } from "./vitest.e2e.config.ts";

/**
 * The long tests of deployments: kills in every phase, two deployers, a second machine (a network namespace, so root), the CLI
 * call by call, older CLIs, the demo. `npm run faults` runs them and not `npm test`, which has to end within 20 minutes.
 */
export default defineConfig({ ...shared, test: { ...shared.test, include: ["test/faults/*.test.ts"], fileParallelism: false } });
