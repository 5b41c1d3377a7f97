/** What a person reads when the server has started: where it is, how to sign in, and a first task in three lines. */
import path from "node:path";
import type { BootstrapResult } from "./auth/bootstrap.server";

type WelcomeInput = BootstrapResult & { origin: string; port: number; dataDir: string };

/** Lines for standard output. The login link is good once; the password is printed by the process that made it, and never again. */
export function welcomeLines({ credentials, admin, origin, dataDir }: WelcomeInput): string[] {
  const { dev } = credentials.environments;
  return [
    "",
    `  Sluice is ready at ${origin}`,
    "",
    `  Sign in (once):    ${credentials.loginUrl}`,
    ...(admin ? [`  Administrator:     ${admin.email}  password ${admin.password}`] : []),
    `  Key of dev:        ${dev.secretKey}`,
    `  Project:           ${credentials.projectRef}`,
    `  All credentials:   ${path.join(dataDir, "credentials.json")}`,
    "",
    "  A first task, in a project with @trigger.dev/sdk:",
    "",
    `    export TRIGGER_API_URL=${origin} TRIGGER_ACCESS_TOKEN=${credentials.personalAccessToken} TRIGGER_SECRET_KEY=${dev.secretKey}`,
    `    npx trigger.dev@4.8.3 dev -p ${credentials.projectRef}`,
    `    curl -X POST ${origin}/api/v1/tasks/hello-world/trigger -H "authorization: Bearer $TRIGGER_SECRET_KEY" -d '{"payload":{"name":"you"}}'`,
    "",
  ];
}
