/** The whole application over real stores, and calls of its page routes as a browser makes them. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import os from "node:os";
import path from "node:path";
import { generateSecrets, readEnv, withSecrets } from "../../app/env.server";
import { csrfToken } from "../../app/api/page.server";
import { setApp, startApp, type App } from "../../app/wiring.server";
import { createTestServices } from "../services";

export const ORIGIN = "http://localhost:3030";
export const PASSWORD = "correct horse battery staple";
const EMAIL = "admin@sluice.local";

type Route = (args: { request: Request; params: Record<string, string | undefined>; context: Record<string, never> }) => unknown;
/** What a route answered: a response, or the value that its page gets. */
export type Answer = { status: number; headers: Headers; data: unknown };
export type Dashboard = {
  app: App;
  browser(): Browser;
  close(): Promise<void>;
};

/** Starts the application as the server does, with a database and a Redis of this test file. */
export async function startDashboard(): Promise<Dashboard> {
  const services = await createTestServices();
  const dataDir = mkdtempSync(path.join(os.tmpdir(), "sluice-dashboard-"));
  const settings = {
    SLUICE_DATA_DIR: dataDir,
    PUBLIC_URL: ORIGIN,
    NODE_ENV: "test",
    ADMIN_EMAIL: EMAIL,
    ADMIN_PASSWORD: PASSWORD,
    LOG_LEVEL: "error",
  };
  const env = withSecrets(readEnv(settings), generateSecrets());
  const server = createServer();
  const started = await startApp({
    env: { ...env, DATABASE_URL: services.databaseUrl, REDIS_URL: services.redisUrl },
    log: services.log,
    server,
  });
  setApp(started.app);
  return {
    app: started.app,
    browser: () => new Browser(),
    close: async () => {
      await started.drain();
      await started.stop();
      server.close();
      rmSync(dataDir, { recursive: true, force: true });
      await services.close();
    },
  };
}

/** Keeps cookies, sends the origin, and fills in the form token like a page does. */
export class Browser {
  readonly cookies = new Map<string, string>();

  get(route: Route, url: string, params: Record<string, string> = {}, signal?: AbortSignal): Promise<Answer> {
    return this.call(route, new Request(ORIGIN + url, { headers: this.headers(), signal }), params);
  }

  /** `headers` override: another origin, for example. A field of null is left out, `csrf` included; a list repeats its name. */
  post(
    route: Route,
    url: string,
    form: { params?: Record<string, string>; fields: Record<string, string | readonly string[] | null>; headers?: Record<string, string> }
  ): Promise<Answer> {
    const headers = { ...this.headers(), origin: ORIGIN, ...form.headers };
    const fields = { csrf: csrfToken(new Request(ORIGIN, { headers })), ...form.fields };
    const body = new URLSearchParams(
      Object.entries(fields).flatMap(([name, value]) => (value === null ? [] : [value].flat().map((one) => [name, one])))
    );
    return this.call(route, new Request(ORIGIN + url, { method: "POST", headers, body }), form.params ?? {});
  }

  private headers(): Record<string, string> {
    return { host: new URL(ORIGIN).host, cookie: [...this.cookies].map(([name, value]) => `${name}=${value}`).join("; ") };
  }

  private async call(route: Route, request: Request, params: Record<string, string>): Promise<Answer> {
    const answer = toAnswer(
      await Promise.resolve(route({ request, params, context: {} })).catch((thrown: unknown) => rethrowErrors(thrown))
    );
    for (const cookie of answer.headers.getSetCookie()) {
      const [pair = ""] = cookie.split(";");
      const at = pair.indexOf("=");
      if (/Max-Age=0/.test(cookie)) this.cookies.delete(pair.slice(0, at));
      else this.cookies.set(pair.slice(0, at), pair.slice(at + 1));
    }
    return answer;
  }
}

function rethrowErrors(thrown: unknown): unknown {
  if (thrown instanceof Error) throw thrown;
  return thrown;
}

type WithInit = { data: unknown; init: ResponseInit | null; type: string };

function toAnswer(value: unknown): Answer {
  if (value instanceof Response) return { status: value.status, headers: value.headers, data: value };
  if (typeof value === "object" && value !== null && "type" in value && value.type === "DataWithResponseInit") {
    const { data, init } = value as WithInit;
    return { status: init?.status ?? 200, headers: new Headers(init?.headers), data };
  }
  return { status: 200, headers: new Headers(), data: value };
}

/** Signs in with the administrator's password. */
export async function signIn(dashboard: Dashboard): Promise<Browser> {
  const browser = dashboard.browser();
  const { action } = await import("../../app/routes/login");
  const answer = await browser.post(action, "/login", { fields: { csrf: null, email: EMAIL, password: PASSWORD } });
  if (answer.status !== 302) throw new Error(`Signing in answered ${answer.status}.`);
  return browser;
}
