/** A process that may become the deployer; a test starts it, kills it, and looks at the rows. Argument: JSON of TestWorkflowOptions. */
import { createTestWorkflow, type TestWorkflowOptions } from "./deploymentWorkflow";

const options = JSON.parse(process.argv[2] ?? "{}") as TestWorkflowOptions;
const { start, stop } = createTestWorkflow(options);
process.once("SIGTERM", () => void stop().then(() => process.exit(0)));
await start();
process.stdout.write("started\n");
