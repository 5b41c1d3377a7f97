/** Environment variables of an environment: read, set, import, delete. Values are encrypted; secret ones are never shown again. */
import type { Clock } from "../platform/clock";
import { AppError } from "../utils/appError";
import { mintId } from "../utils/ids";
import type { ControlPlaneClient } from "./prisma.server";
import { sealContext, type SecretBox } from "./secretBox.server";

export type ShownVariable = { name: string; value: string; isSecret: boolean; updatedAt: Date };

/** What lists show instead of a secret value. */
export const REDACTED = "<redacted>";
const MAX_VALUE_BYTES = 128 * 1024;
const MAX_NAME = 256;
const MAX_VARIABLES = 1_000;
/** Set by the server for every run; a user's value would break the worker. */
const RESERVED = new Set(["TRIGGER_SECRET_KEY", "TRIGGER_API_URL"]);

/** Throws 400 naming the variable when name or value cannot be used. */
function checkVariable(name: string, value: string): void {
  if (!/^[A-Za-z_][A-Za-z0-9_.-]*$/.test(name) || name.length > MAX_NAME || name === "__proto__") {
    throw new AppError(
      "invalid_variable_name",
      400,
      `"${name.slice(0, 60)}" is not a usable variable name. Start with a letter or _, then letters, digits, _ . or -; at most ${MAX_NAME}.`
    );
  }
  if (RESERVED.has(name)) throw new AppError("reserved_variable", 400, `${name} is set by the server for every run. Choose another name.`);
  if (value.includes("\u0000")) throw new AppError("invalid_variable_value", 400, `The value of ${name} contains a NUL character.`);
  if (Buffer.byteLength(value) > MAX_VALUE_BYTES) {
    throw new AppError("variable_too_large", 400, `The value of ${name} is larger than ${MAX_VALUE_BYTES} bytes.`);
  }
}

export type ImportVariables = {
  envId: string;
  variables: ReadonlyMap<string, string>;
  /** False keeps values that are already there. */
  override: boolean;
  isSecret: boolean;
};

export class EnvironmentVariableStore {
  constructor(private readonly deps: { prisma: ControlPlaneClient; secretBox: SecretBox; clock: Clock }) {}

  /** In order of name, secret values redacted. */
  async list(envId: string): Promise<ShownVariable[]> {
    const rows = await this.deps.prisma.environmentVariable.findMany({
      where: { environmentId: envId },
      orderBy: { key: "asc" },
      take: MAX_VARIABLES,
    });
    return rows.map((row) => this.shown(row));
  }

  /** Throws 404 when it is not set. */
  async get(envId: string, name: string): Promise<ShownVariable> {
    const row = await this.deps.prisma.environmentVariable.findUnique({
      where: { environmentId_key: { environmentId: envId, key: name } },
    });
    if (!row) throw notSet(name);
    return this.shown(row);
  }

  /** Writes all or nothing. Throws 400 for the first bad variable, or when the environment would have more than 1,000. */
  async import(input: ImportVariables): Promise<{ written: number }> {
    const names = [...input.variables.keys()];
    for (const [name, value] of input.variables) checkVariable(name, value);
    return this.deps.prisma.$transaction(async (tx) => {
      await tx.$queryRaw`SELECT 1 FROM environment WHERE id = ${input.envId} FOR UPDATE`;
      const existing = await tx.environmentVariable.findMany({ where: { environmentId: input.envId }, select: { key: true } });
      const known = new Set(existing.map((row) => row.key));
      const fresh = names.filter((name) => !known.has(name));
      if (known.size + fresh.length > MAX_VARIABLES) {
        throw new AppError("too_many_variables", 400, `An environment holds at most ${MAX_VARIABLES} variables. Delete some first.`);
      }
      const now = new Date(this.deps.clock.now());
      const sealed = (name: string) => this.seal(input.envId, name, input.variables.get(name) ?? "");
      await tx.environmentVariable.createMany({
        data: fresh.map((key) => ({
          id: mintId(now.getTime()),
          environmentId: input.envId,
          key,
          valueCipher: sealed(key),
          isSecret: input.isSecret,
          createdAt: now,
          updatedAt: now,
        })),
      });
      const changed = input.override ? names.filter((name) => known.has(name)) : [];
      for (const key of changed) {
        await tx.environmentVariable.update({
          where: { environmentId_key: { environmentId: input.envId, key } },
          // A secret stays one: importing a plain value over it must not make it readable.
          data: { valueCipher: sealed(key), version: { increment: 1 }, updatedAt: now, ...(input.isSecret ? { isSecret: true } : {}) },
        });
      }
      return { written: fresh.length + changed.length };
    });
  }

  /** Throws 404 when it is not set: creating goes through `import`. */
  async update(envId: string, name: string, value: string): Promise<void> {
    checkVariable(name, value);
    const { count } = await this.deps.prisma.environmentVariable.updateMany({
      where: { environmentId: envId, key: name },
      data: { valueCipher: this.seal(envId, name, value), version: { increment: 1 }, updatedAt: new Date(this.deps.clock.now()) },
    });
    if (count === 0) throw notSet(name);
  }

  /** Throws 404 when it is not set. */
  async delete(envId: string, name: string): Promise<void> {
    const { count } = await this.deps.prisma.environmentVariable.deleteMany({ where: { environmentId: envId, key: name } });
    if (count === 0) throw notSet(name);
  }

  private seal(envId: string, name: string, value: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.deps.secretBox.seal(value, sealContext.variable(envId, name)));
  }

  private shown(row: { environmentId: string; key: string; valueCipher: Uint8Array; isSecret: boolean; updatedAt: Date }): ShownVariable {
    const value = row.isSecret ? REDACTED : this.deps.secretBox.open(row.valueCipher, sealContext.variable(row.environmentId, row.key));
    return { name: row.key, value, isSecret: row.isSecret, updatedAt: row.updatedAt };
  }
}

function notSet(name: string): AppError {
  return new AppError("variable_not_found", 404, `Environment variable ${name.slice(0, 100)} not found.`);
}
