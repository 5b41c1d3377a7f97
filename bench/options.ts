/** What the command line asks for. */

const PARTS = ["runs", "deployments"] as const;
export type PartName = (typeof PARTS)[number];
export type Options = { parts: readonly PartName[]; quick: boolean };

/** Without a name every part, in order. Throws on anything that is neither a part nor `--quick`. */
export function parseOptions(args: readonly string[]): Options {
  const isQuick = args.includes("--quick");
  const names = args.filter((arg) => arg !== "--quick");
  const unknown = names.find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) throw new Error(`${unknown} is no part of the benchmark. There are: ${PARTS.join(", ")}; and --quick.`);
  return { parts: names.length === 0 ? PARTS : PARTS.filter((part) => names.includes(part)), quick: isQuick };
}
