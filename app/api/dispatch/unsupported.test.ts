import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { UNSUPPORTED, unservedPath } from "./unsupported";

const page = readFileSync("docs/compatibility.md", "utf8");

test("every unsupported feature stands in docs/compatibility.md with its paths, and no other does", () => {
  const rows = page.slice(page.indexOf("## Refused with 404"), page.indexOf("## Where Sluice differs"));
  const documented = [...rows.matchAll(/^\| ([^|]+?) +\| (`[^|]+?) *\|$/gm)].flatMap(([, feature = "", paths = ""]) =>
    [...paths.matchAll(/`([^`]+)`/g)].map(([, prefix = ""]) => `${feature} ${prefix}`)
  );
  expect(documented.sort()).toEqual(UNSUPPORTED.map(({ feature, prefix }) => `${feature} ${prefix}`).sort());
});

test("a path of such a feature is refused by name and for good; others are unknown", () => {
  expect(unservedPath("/api/v1/sessions/abc/close")).toMatchObject({ status: 404, headers: { "x-should-retry": "false" } });
  expect(unservedPath("/api/v1/sessions").message).toContain("sessions");
  expect(unservedPath("/api/v1/sessionsx").code).toBe("unknown_route");
  expect(unservedPath("/api/v9/anything").message).toContain("/api/v9/anything");
});
