/** `npm run generate`: Prisma clients, in any case. */
import { generateClients } from "./lib/generate.mjs";
import { ensurePackages, requireNode } from "./lib/packages.mjs";

requireNode();
await ensurePackages();
generateClients({ force: true });
