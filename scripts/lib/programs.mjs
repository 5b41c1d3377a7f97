/** Programs that npm cannot install: redis-server, and Chromium for the browser tests. */
import { accessSync, constants } from "node:fs";
import path from "node:path";
import { fail, run, say, succeeds } from "./run.mjs";

const USUAL_PLACES = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin", "/Applications/Google Chrome.app/Contents/MacOS"];

/** Absolute path of the first of `names` that is installed; undefined when none is. */
export function findProgram(...names) {
  const folders = [...(process.env.PATH ?? "").split(path.delimiter).filter(Boolean), ...USUAL_PLACES];
  return folders.flatMap((folder) => names.map((name) => path.join(folder, name))).find(isExecutable);
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** redis-server, installed when absent and possible; else ends the script with what to do. */
export async function ensureRedis() {
  await ensure({
    names: ["redis-server"],
    apt: "redis-server",
    brew: ["install", "redis"],
    why: "keeps the queue index",
    instead: "or set REDIS_URL to a Redis of your own (6.2 or newer)",
  });
}

/** Chromium, for the browser tests. */
export async function ensureChromium() {
  await ensure({
    names: ["chromium", "chromium-browser", "google-chrome", "Google Chrome"],
    apt: "chromium",
    brew: ["install", "--cask", "chromium"],
    why: "runs the browser tests",
    instead: "",
  });
}

async function ensure({ names, apt, brew, why, instead }) {
  if (findProgram(...names)) return;
  const installer = aptInstaller(apt) ?? brewInstaller(brew);
  const name = names[0];
  if (!installer) fail(manual(name, apt, brew, instead));
  say(`${name} is not installed; it ${why}. Installing it: ${installer.shown}`);
  for (const step of installer.steps) {
    const code = await run(step[0], step.slice(1), { env: { ...process.env, DEBIAN_FRONTEND: "noninteractive" } });
    if (code !== 0 && step === installer.steps.at(-1)) fail(`That failed (exit code ${code}).\n${manual(name, apt, brew, instead)}`);
  }
  if (!findProgram(...names)) fail(`It was installed, but ${name} is in none of the usual places. Put it on the PATH and start again.`);
}

/** As root, or with a sudo that asks nothing. A password prompt in the middle of `npm start` would be a surprise. */
function aptInstaller(apt) {
  if (!findProgram("apt-get")) return undefined;
  const prefix = process.getuid?.() === 0 ? [] : findProgram("sudo") && succeeds("sudo", ["-n", "true"]) ? ["sudo", "-n"] : undefined;
  if (!prefix) return undefined;
  const install = [...prefix, "apt-get", "install", "-y", "-qq", "--no-install-recommends", apt];
  return { shown: install.join(" "), steps: [[...prefix, "apt-get", "update", "-qq"], install] };
}

function brewInstaller(brew) {
  return findProgram("brew") ? { shown: ["brew", ...brew].join(" "), steps: [["brew", ...brew]] } : undefined;
}

function manual(name, apt, brew, instead) {
  const lines = [`${name} is not installed, and cannot be installed from here (not root, no sudo without a password).`, "Install it:"];
  lines.push(`  Debian, Ubuntu: sudo apt-get install ${apt}`, `  macOS:          brew ${brew.join(" ")}`);
  if (instead) lines.push(instead.replace(/^or/, "Or") + ".");
  return `${lines.join("\n")}\nThen run this again. Nothing was started.`;
}
