/** `npm run build`: Prisma clients and the production bundle, in any case. */
import { ensureBuild } from "./lib/build.mjs";
import { generateClients } from "./lib/generate.mjs";
import { ensurePackages, requireNode } from "./lib/packages.mjs";

requireNode();
await ensurePackages();
generateClients();
await ensureBuild({ force: true });
