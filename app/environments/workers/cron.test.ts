import { describe, expect, it } from "vitest";
import { cronProblem, timezoneProblem } from "./cron";

describe("cronProblem", () => {
  it.each(["* * * * *", "*/5 0-6,18 1 JAN-MAR MON", "0 0 L * ?", "15 10 ? * 7", "@daily", " 0 9 * * 1-5 ", "0-30/10 * * * *"])(
    "takes %j",
    (expression) => {
      expect(cronProblem(expression)).toBeNull();
    }
  );

  it.each([
    ["61 * * * *", "minute"],
    ["* 24 * * *", "hour"],
    ["* * 0 * *", "day of month"],
    ["* * * FOO *", "month"],
    ["* * * * 8", "day of week"],
    ["5-1 * * * *", "minute"],
    ["*/0 * * * *", "minute"],
    ["1/2/3 * * * *", "minute"],
    ["1-2-3 * * * *", "minute"],
    ["1, * * * *", "minute"],
    ["* * * *", "five fields"],
    ["0 * * * * *", "five fields"],
    ["", "five fields"],
    ["@never", "five fields"],
    ["* * * * L", "day of week"],
  ])("refuses %j and names the %s", (expression, part) => {
    expect(cronProblem(expression)).toContain(part);
  });
});

describe("timezoneProblem", () => {
  it("knows real zones only", () => {
    expect(timezoneProblem("Europe/Berlin")).toBeNull();
    expect(timezoneProblem("UTC")).toBeNull();
    expect(timezoneProblem("Mars/Phobos")).toContain("not a time zone");
    expect(timezoneProblem("")).not.toBeNull();
  });
});
