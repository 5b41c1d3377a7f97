/** Import arrows and cycles: the picture in docs/README.md, enforced. Types may be imported more freely than values. */
import { importsOf, listFiles } from "./sources.mjs";

const BASE = ["platform", "utils"];
/** Domains and the domains whose values each may import. Everything else meets through ports. */
const DOMAINS = {
  environments: [],
  auth: ["environments"],
  runops: ["environments"],
  engine: ["runops", "environments"],
  runs: ["engine", "runops", "environments"],
  mollifier: ["runs", "runops", "environments"],
  telemetry: ["runops", "environments"],
  realtime: ["runops", "environments"],
  schedules: ["runs", "runops", "environments"],
  deployments: ["environments"],
};
const domains = Object.keys(DOMAINS);

/** Values that files of a layer may import; the layer itself is always allowed. */
const VALUES = {
  utils: [],
  platform: ["utils"],
  ...Object.fromEntries(domains.map((domain) => [domain, [...DOMAINS[domain], ...BASE]])),
  env: [...domains, ...BASE],
  wiring: [...domains, "env", ...BASE],
  api: ["wiring", ...domains, ...BASE],
  presenters: ["wiring", "api", ...domains, ...BASE],
  hooks: ["utils"],
  components: ["hooks", "utils"],
  routes: ["presenters", "api", "wiring", "components", "hooks", ...domains, ...BASE],
  root: ["components", "hooks", "utils", "presenters", "api", "wiring", "auth", "platform"],
};
/** Types come from the same height or below, and a port's type from any domain. */
const TYPES = {
  ...Object.fromEntries(Object.entries(VALUES).map(([layer, allowed]) => [layer, [...allowed]])),
  ...Object.fromEntries(domains.map((domain) => [domain, [...domains, ...BASE]])),
  wiring: [...domains, "env", ...BASE],
  hooks: ["components", "presenters", "api", "utils", ...domains],
  components: ["hooks", "presenters", "api", "utils", "routes", ...domains],
};

/** A domain's `env.ts` describes settings; `env.server.ts` is the only one that imports its value. */
function layerOf(file) {
  const [top, second] = file.split("/");
  if (top !== "app" || /\.(test|d)\.tsx?$/.test(file)) return undefined;
  if (second === "env.server.ts") return "env";
  if (second === "wiring.server.ts") return "wiring";
  if (second === "root.tsx") return "root";
  return second && !second.includes(".") ? second : undefined;
}

/** Problems as lines of text. */
export function checkImports() {
  const files = listFiles(".ts", ".tsx").filter((file) => file.startsWith("app/"));
  const graph = new Map(files.map((file) => [file, importsOf(file)]));
  return [...arrows(graph), ...cycles(graph)];
}

function arrows(graph) {
  const problems = [];
  for (const [file, imports] of graph) {
    const from = layerOf(file);
    if (!from) continue;
    if (!VALUES[from]) problems.push(`${file}: app/${from}/ is no layer that scripts/checks/imports.mjs knows`);
    for (const { to, typeOnly, line } of imports) {
      const target = layerOf(to);
      if (!target || target === from) continue;
      const allowed = (typeOnly ? TYPES : VALUES)[from] ?? [];
      if (!allowed.includes(target))
        problems.push(`${file}:${line}: ${from} must not import ${typeOnly ? "types" : "values"} of ${target} (${to})`);
    }
  }
  return problems;
}

/** Cycles of value imports, each once. */
function cycles(graph) {
  const problems = [];
  const done = new Set();
  const trail = [];
  const visit = (file) => {
    const at = trail.indexOf(file);
    if (at >= 0) {
      problems.push(`import cycle: ${[...trail.slice(at), file].join(" -> ")}`);
      return;
    }
    if (done.has(file)) return;
    trail.push(file);
    for (const { to, typeOnly } of graph.get(file) ?? []) if (!typeOnly) visit(to);
    trail.pop();
    done.add(file);
  };
  for (const file of graph.keys()) visit(file);
  return problems;
}
