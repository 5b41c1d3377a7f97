import { describe, expect, it } from "vitest";
import { EnvironmentError, generateSecrets, readEnv, withSecrets } from "./env.server";

const DATABASE_URL = "postgres://u:p@db.example:5432/sluice";

describe("environment", () => {
  it("has a default for everything that is not a secret", () => {
    expect(readEnv({})).toMatchObject({ PORT: 3030, HOST: "127.0.0.1", SLUICE_DATA_DIR: ".sluice" });
  });

  it("treats an empty value as absent", () => {
    const env = readEnv({ PORT: "", DATABASE_URL: "" });
    expect([env.PORT, env.DATABASE_URL]).toEqual([3030, undefined]);
  });

  it("names every bad variable at once", () => {
    expect(() => readEnv({ PORT: "http", DATABASE_URL: "mysql://x" })).toThrow(/PORT[\s\S]*DATABASE_URL|DATABASE_URL[\s\S]*PORT/);
  });

  it("refuses a database of the user's own without secrets, or with example ones, and prints values that it then accepts", () => {
    for (const ENCRYPTION_KEY of [undefined, "0".repeat(64)]) {
      let message = "";
      try {
        withSecrets(readEnv({ DATABASE_URL, ENCRYPTION_KEY }), null);
      } catch (error) {
        expect(error).toBeInstanceOf(EnvironmentError);
        message = String(error);
      }
      const pasted = /ENCRYPTION_KEY=([0-9a-f]{64})/.exec(message)?.[1];
      expect(withSecrets(readEnv({ DATABASE_URL, ENCRYPTION_KEY: pasted }), null).ENCRYPTION_KEY).toBe(pasted);
    }
  });

  it("prefers a given secret to a remembered one", () => {
    const given = generateSecrets();
    expect(withSecrets(readEnv(given), generateSecrets())).toMatchObject(given);
  });
});
