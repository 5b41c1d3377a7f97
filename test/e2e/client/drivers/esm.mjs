import * as sdk from "@trigger.dev/sdk";
import calls from "./calls.cjs";

console.log(JSON.stringify(await calls.runCalls(sdk)));
process.exit(0);
