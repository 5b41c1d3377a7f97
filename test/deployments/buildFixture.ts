/** A whole application over HTTP, uploads that become build jobs, and builders that take them: all real but the workflow. */
import { readdirSync } from "node:fs";
import { mkdir, mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import os from "node:os";
import path from "node:path";
import { createGzip } from "node:zlib";
import tar from "tar-stream";
import { Builder, type BuilderOptions } from "../../agent/build/builder";
import { INSTANCE_NAME_HEADER } from "../../agent/protocol";
import { createDispatcher, type DispatchedRoute } from "../../app/api/dispatch/router.server";
import { silentLogger } from "../../app/platform/logger";
import { createApiFixture } from "./apiFixture";

const ROUTES = path.resolve(import.meta.dirname, "../../app/routes");

export type BuildFixture = Awaited<ReturnType<typeof createBuildFixture>>;
export type JobRow = { state: string; attempt: number; outcome: Record<string, unknown> | null; agent_id: string | null };
/** Content by path; a link has `link:` before its target. */
export type Tree = Record<string, string | Buffer>;

export async function createBuildFixture() {
  const api = await createApiFixture();
  await api.holdOff();
  const { app, sql } = api;
  const http = await serve();
  const url = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  const region = await app.regions.directory.ensure("local");
  const { token } = await app.regions.tokens.create(region.id);
  const root = await mkdtemp(path.join(os.tmpdir(), "sluice-build-"));
  const builders: Builder[] = [];
  const headersOf = (name: string) => ({ authorization: `Bearer ${token}`, [INSTANCE_NAME_HEADER]: name });

  const connect = async (name: string) => {
    const capabilities = {
      platform: "linux",
      arch: "x64",
      nodeAbi: "115",
      node: "20",
      isolation: "L0",
      roles: ["builder"],
      memoryMb: 1024,
    };
    const answer = await fetch(`${url}/engine/v1/worker-actions/connect`, {
      method: "POST",
      headers: headersOf(name),
      body: JSON.stringify({ metadata: { capabilities, slots: 1 } }),
    });
    if (!answer.ok) throw new Error(`connect: ${answer.status} ${await answer.text()}`);
    return headersOf(name);
  };

  /** A deployment in phase building with its first job, made of an archive. */
  const deploy = async (archive: Buffer, over: Record<string, unknown> = {}) => {
    const fromBundle = over.fromBundle ?? true;
    const form = await api.artifact(fromBundle ? "deployment_bundle" : "deployment_context");
    const sent = await api.send(form, archive);
    if (sent.status !== 204) throw new Error(`upload: ${sent.status} ${await sent.text()}`);
    const answer = await api.post({ artifactKey: form.artifactKey, fromBundle, ...over });
    if (answer.status !== 200) throw new Error(`create: ${answer.status} ${JSON.stringify(answer.body)}`);
    const id = answer.body.id.replace("deployment_", "");
    await api.toPhase(id, "building");
    await openJob(id, 1, fromBundle ? "bundle" : "source");
    return id;
  };
  const openJob = (id: string, attempt: number, kind: "source" | "bundle") =>
    sql("INSERT INTO build_job (deployment_id, attempt, kind, state, leader_epoch) VALUES ($1, $2, $3, 'waiting', 0)", [id, attempt, kind]);

  return {
    ...{ api, app, sql, url, root, region, headersOf, connect, deploy, openJob },
    prod: api.prod,
    /** A builder in this process; stopped with the fixture. */
    builder: async (name: string, over: Partial<BuilderOptions> = {}) => {
      const headers = await connect(name);
      const dir = path.join(root, name);
      await mkdir(dir, { recursive: true });
      const builder = new Builder({
        ...{ url, headers, root: dir, uidOf: null, env: npmEnvironment(), log: silentLogger, now: Date.now },
        region: { name: "local", packages: [] },
        runtimes: new Map(),
        ...over,
      });
      builders.push(builder);
      builder.start();
      return { builder, dir };
    },
    job: async (id: string): Promise<JobRow> => {
      const [row] = await sql<JobRow>(
        "SELECT state, attempt, outcome, agent_id FROM build_job WHERE deployment_id = $1 ORDER BY attempt DESC LIMIT 1",
        [id]
      );
      if (!row) throw new Error(`No build of ${id}.`);
      return row;
    },
    /** Waits until the newest attempt is over. */
    ended: async (id: string, deadlineMs = 60_000): Promise<JobRow> => {
      const end = Date.now() + deadlineMs;
      for (;;) {
        const [row] = await sql<JobRow>(
          "SELECT state, attempt, outcome, agent_id FROM build_job WHERE deployment_id = $1 AND ended_at IS NOT NULL ORDER BY attempt DESC LIMIT 1",
          [id]
        );
        if (row) return row;
        if (Date.now() > end) throw new Error(`The build did not end within ${deadlineMs} ms.`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    lines: async (id: string): Promise<string[]> =>
      (await sql<{ body: string }>("SELECT body FROM deployment_event WHERE deployment_id = $1 ORDER BY seq", [id])).map(
        ({ body }) => body
      ),
    deployment: async (id: string) => (await sql<Record<string, unknown>>("SELECT * FROM deployment WHERE id = $1", [id]))[0] ?? {},
    close: async () => {
      await Promise.all(builders.map((builder) => builder.stop()));
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await api.close();
      await rm(root, { recursive: true, force: true });
    },
  };
}

async function serve() {
  const files = readdirSync(ROUTES).filter((file) => /^(api|engine)\./.test(file) && file.endsWith(".ts"));
  const routes = await Promise.all(files.map(async (file) => [file, await routeOf(file)] as const));
  const fallback = () => {
    throw new Error("Only API routes are served.");
  };
  const server = createServer(createDispatcher({ routes: Object.fromEntries(routes), fallback, log: silentLogger }));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

async function routeOf(file: string): Promise<DispatchedRoute> {
  const id = file.replace(/\.ts$/, "");
  const module = (await import(/* @vite-ignore */ path.join(ROUTES, file))) as DispatchedRoute["module"];
  const parts = id.replace(/\._index$/, "").split(".");
  return { id, path: parts.map((part) => (part === "$" ? "*" : part.replace(/^\$/, ":"))).join("/"), module };
}

/** What npm needs on the machine of the tests; a builder gets it from its agent. */
function npmEnvironment(): Record<string, string> {
  const names = Object.keys(process.env).filter((name) =>
    /^(npm_config_registry|node_extra_ca_certs|ssl_cert_file|https?_proxy|no_proxy)$/i.test(name)
  );
  return Object.fromEntries(names.map((name) => [name, process.env[name] ?? ""]));
}

/** A gzipped archive. */
export async function archiveOf(tree: Tree): Promise<Buffer> {
  const pack = tar.pack();
  for (const [name, content] of Object.entries(tree)) {
    if (typeof content === "string" && content.startsWith("link:")) pack.entry({ name, type: "symlink", linkname: content.slice(5) });
    else pack.entry({ name }, content);
  }
  pack.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of pack.pipe(createGzip())) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** The files of a folder as a tree. */
export async function treeOf(dir: string, below = ""): Promise<Tree> {
  const tree: Tree = {};
  for (const entry of await readdir(path.join(dir, below), { withFileTypes: true })) {
    const name = below === "" ? entry.name : `${below}/${entry.name}`;
    if (entry.isDirectory()) Object.assign(tree, await treeOf(dir, name));
    else if (entry.isFile()) tree[name] = await readFile(path.join(dir, name));
  }
  return tree;
}
