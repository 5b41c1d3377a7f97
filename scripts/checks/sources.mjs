/** The files that the checks look at, and their imports. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import ts from "typescript";
import { root } from "../lib/run.mjs";

/** Paths (relative, with forward slashes) of files that git knows or would add, which end with one of `endings`. */
export function listFiles(...endings) {
  const output = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard"], { cwd: root, encoding: "utf8" });
  const files = [...new Set(output.split("\n"))].filter((file) => endings.some((ending) => file.endsWith(ending)));
  return files.filter((file) => existsSync(path.join(root, file))).sort();
}

/** Text of a file. */
export function read(file) {
  return readFileSync(path.join(root, file), "utf8");
}

/** Line number of an offset. */
export function lineAt(text, offset) {
  return text.slice(0, offset).split("\n").length;
}

/** Imports of a TypeScript file that lead to other files of ours: `{to, typeOnly, line}`. */
export function importsOf(file) {
  const source = ts.createSourceFile(file, read(file), ts.ScriptTarget.Latest, false);
  const found = [];
  const add = (specifier, typeOnly, node) => {
    const to = ts.isStringLiteral(specifier) ? resolveImport(file, specifier.text) : undefined;
    if (to) found.push({ to, typeOnly, line: source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1 });
  };
  const visit = (node) => {
    if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node.importClause), node);
    else if (ts.isExportDeclaration(node) && node.moduleSpecifier) add(node.moduleSpecifier, node.isTypeOnly, node);
    else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword && node.arguments[0])
      add(node.arguments[0], false, node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function isTypeOnly(clause) {
  if (!clause) return false;
  if (clause.isTypeOnly) return true;
  const named = clause.namedBindings;
  return (
    !clause.name &&
    !!named &&
    ts.isNamedImports(named) &&
    named.elements.length > 0 &&
    named.elements.every((element) => element.isTypeOnly)
  );
}

function resolveImport(file, specifier) {
  const base = specifier.startsWith("~/")
    ? path.posix.join("app", specifier.slice(2))
    : specifier.startsWith(".")
      ? path.posix.join(path.posix.dirname(file), specifier)
      : undefined;
  if (!base) return undefined;
  const candidates = [base, `${base}.ts`, `${base}.tsx`, `${base}/index.ts`, `${base}/index.tsx`];
  return candidates.find((candidate) => /\.tsx?$/.test(candidate) && existsSync(path.join(root, candidate)));
}
