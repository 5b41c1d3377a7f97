/** `npm run agent -- --url ... --token ... --region ...`: builds the agent when its sources changed, then becomes it. */
import path from "node:path";
import { pathToFileURL } from "node:url";
import { ensureAgent } from "./lib/agentBuild.mjs";
import { ensurePackages, requireNode } from "./lib/packages.mjs";
import { root } from "./lib/run.mjs";

requireNode();
await ensurePackages();
await ensureAgent();
process.env.NODE_ENV ||= "production";
await import(pathToFileURL(path.join(root, "build/agent.js")).href);
