/** Where a deployment failed, why, and what to do next. Pure: a reading of what the workflow and the builder kept. */
import type { Step } from "../../deployments/phases";
import type { DeploymentErrorData } from "../../deployments/ports";
import type { Words } from "../views";
import { plainText } from "../../utils/ansi";
import { STEP_TITLES } from "../../utils/deploymentWords";
import type { FailureView } from "./views";

export type FailureFacts = {
  step: Step | null;
  /** `failure_code` of the deployment. */
  code: string | null;
  error: DeploymentErrorData | null;
  /** Of the failed step: one line, and in full. */
  summary: string | null;
  full: string | null;
  envSlug: string;
  /** Newest error line of the failed step's log. */
  lastErrorLine: string | null;
};

// Bounded everywhere: error texts may hold minified code.
const SOURCE_LINE = /((?:\.{0,2}\/)?(?:[\w@.-]{1,80}\/){0,20}[\w@.-]{1,80}\.(?:tsx?|jsx?|mts|mjs|cts|cjs)):(\d{1,6})(?::(\d{1,6}))?/g;
/** A file without a line, relative to the project: a message says which task file was being loaded. */
const NAMED_FILE = /(?<![\w/.@-])((?:[\w@.-]{1,80}\/){1,20}[\w@.-]{1,80}\.(?:tsx?|jsx?|mts|mjs|cts|cjs))(?![\w:]*:\d)/g;
/** Where agents build; what follows is the project's own path. */
const BUILD_FOLDER = /^.*\/builds\/(?:work\/[^/]+\/)?/;
const MISSING_VARIABLE =
  /\b([A-Z][A-Z0-9]{0,40}_[A-Z0-9_]{1,80})\b[^.\n]{0,40}\b(?:is not set|is missing|not defined|is required|is undefined|must be set)/;
/** Dependencies, Node itself, and the entry points that trigger.dev puts around the code. */
const NOT_THEIRS = /node_modules|node:|\/internal\/|managed-(?:index|run)-/;
const LONGEST_TITLE = 300;
const MOST_SEARCHED = 20_000;

/** Never empty: what is not known is said so. */
export function explainFailure(facts: FailureFacts): FailureView {
  const message = plainText(firstLine(facts.error?.message ?? facts.summary ?? facts.lastErrorLine ?? "The deployment failed."));
  const all = [facts.error?.message, facts.error?.stack, facts.error?.stderr, facts.full]
    .filter(Boolean)
    .join("\n")
    .slice(0, MOST_SEARCHED);
  const rule = ruleFor(facts, all);
  const missing = MISSING_VARIABLE.exec(all)?.[1];
  return {
    step: facts.step,
    title: message.slice(0, LONGEST_TITLE),
    where: whereOf(facts, all),
    why: rule.why(facts, all),
    next: rule.next(facts, all),
    full: fullOf(facts),
    missing: missing ? { name: missing, envSlug: facts.envSlug } : null,
  };
}

/** A line of the file that the texts say was loaded, else the first line of the user's own sources; null when there is none. */
export function sourcePlace(text: string): string | null {
  const places = ownPlaces(text);
  for (const [, named = ""] of text.matchAll(NAMED_FILE)) {
    const found = places.find(({ file }) => file === named || file.endsWith(`/${named}`));
    if (found) return named + found.position;
  }
  const [first] = places;
  return first ? first.file.replace(BUILD_FOLDER, "").replace(/^\.\//, "") + first.position : null;
}

/** `position` is `:line` or `:line:column`. */
function ownPlaces(text: string): { file: string; position: string }[] {
  return [...text.matchAll(SOURCE_LINE)].flatMap((match) => {
    const [place = "", file = ""] = match;
    const before = text.slice(Math.max(0, match.index - 80), match.index);
    const isTheirs = !NOT_THEIRS.test(file) && !/(node_modules|node:)\S*$/.test(before);
    return isTheirs ? [{ file, position: place.slice(file.length) }] : [];
  });
}

function whereOf(facts: FailureFacts, all: string): Words {
  const place = sourcePlace(plainLines(all));
  const step = facts.step ? STEP_TITLES[facts.step] : "Before the first phase";
  return place ? [{ code: place }] : [step];
}

type Rule = { applies: (facts: FailureFacts, all: string) => boolean; why: Say; next: Say };
type Say = (facts: FailureFacts, all: string) => Words;
const says =
  (...words: Words): Say =>
  () =>
    words;
const code =
  (...codes: string[]) =>
  (facts: FailureFacts) =>
    facts.code !== null && codes.includes(facts.code);

/** The first that applies speaks. */
const RULES: readonly Rule[] = [
  {
    applies: (_facts, all) => MISSING_VARIABLE.test(all),
    why: ({ envSlug }) => ["The code reads an environment variable while it is loaded, and ", { code: envSlug }, " does not have it."],
    next: ({ envSlug }, all) => {
      const name = MISSING_VARIABLE.exec(all)?.[1] ?? "the variable";
      return ["Add ", { code: name }, ` to ${envSlug}, or read it inside `, { code: "run()" }, ". Then deploy again."];
    },
  },
  {
    applies: (_facts, all) => /ENOSPC|no space left|disk is full/i.test(all),
    why: says("The machine that builds has no disk space left."),
    next: says("Free space on the builder's machine, then redeploy."),
  },
  {
    applies: code("no_worker"),
    why: says("The task files were loaded, but none of them registered a task."),
    next: says("Check ", { code: "dirs" }, " in ", { code: "trigger.config.ts" }, " and that tasks are exported, then deploy again."),
  },
  {
    applies: (facts, all) => facts.step === "building" && /^Worker timed out/m.test(all),
    why: says("The task files were still loading when the time for it was over: one of them waits or computes while it is imported."),
    next: says("Move that work into ", { code: "run()" }, " and deploy again."),
  },
  {
    applies: (facts, all) => facts.step === "building" && /index/i.test(all),
    why: says("A task file could not be loaded, so its tasks could not be read."),
    next: says("Fix the file and deploy again. Dependencies that did not change are not installed again."),
  },
  {
    applies: code("builder_lost"),
    why: says("The agent that built it stopped reporting, again and again."),
    next: says("Look at the agents on the Regions page, then redeploy."),
  },
  {
    applies: code("regions_unhealthy"),
    why: says("Too few regions could start this version. Each region's last message is in the error."),
    next: says("Read the log of Deploying and the Regions page. Everything that was started has been stopped."),
  },
  {
    applies: code("invalid_configuration"),
    why: says("The settings of this environment do not fit together, so nothing was built."),
    next: says("Correct the deploy settings, then redeploy."),
  },
  {
    applies: code("timed_out"),
    why: ({ step }) => [`${step ? STEP_TITLES[step] : "The deployment"} took longer than it may.`],
    next: ({ step }) =>
      step === "queued"
        ? ["Wait for the builds in front, or allow more concurrent builds in the deploy settings. Then redeploy."]
        : ["Read the log for what it waited for, then redeploy."],
  },
  {
    applies: code("internal"),
    why: says("The server failed, not your code. Nothing that you can change in the project caused it."),
    next: says("Redeploy. If it happens again, copy the report and look into the server's log."),
  },
];
const OTHERWISE: Rule = {
  applies: () => true,
  why: ({ step }) => (step === "building" ? ["A command of the build ended with an error."] : ["The phase ended with an error."]),
  next: says("Read the last lines of its log, fix the cause, and deploy again."),
};

function ruleFor(facts: FailureFacts, all: string): Rule {
  return RULES.find((rule) => rule.applies(facts, all)) ?? OTHERWISE;
}

function fullOf({ full, error, summary }: FailureFacts): string {
  const parts = [full ?? summary, error?.stack, error?.stderr && `stderr:\n${error.stderr}`, ...causesOf(error)];
  const distinct = parts.filter(
    (part, i): part is string => Boolean(part) && !parts.slice(0, i).some((other) => other?.includes(part ?? ""))
  );
  return plainLines(distinct.join("\n\n"));
}

function causesOf(error: DeploymentErrorData | null): string[] {
  return (error?.causes ?? []).map((cause) => `caused by ${cause.name}: ${cause.message}${cause.stderr ? `\n${cause.stderr}` : ""}`);
}

function plainLines(text: string): string {
  return text.split("\n").map(plainText).join("\n");
}

function firstLine(text: string): string {
  return text.split("\n").find((line) => line.trim() !== "") ?? text;
}
