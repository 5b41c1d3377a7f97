/** The real Chromium, with a fresh profile and none of its own network traffic. */
import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const EXECUTABLES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** Launches it; `npm test` has installed it before. */
export function launchBrowser(): Promise<Browser> {
  const executablePath = EXECUTABLES.find((path) => existsSync(path));
  if (!executablePath) throw new Error(`No Chromium at ${EXECUTABLES.join(", ")}. Install it, for example with apt-get install chromium.`);
  return chromium.launch({ executablePath, headless: true, args: FLAGS });
}
