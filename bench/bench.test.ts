/** The measuring instruments themselves: a wrong parser would make every figure wrong. */
import { createServer, type Server } from "node:http";
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";
import path from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { Connection, parseAnswer } from "./http";
import { parseOptions } from "./options";
import { cpuMicroseconds, listeningPid, processTree, proportionalBytes, residentBytes } from "./processes";
import { format, meets, renderTable } from "./report";
import { percentile, spread } from "./statistics";
import { closedLoop } from "./runs/trigger";
import { parseWrk } from "./runs/wrk";

describe("parsing wrk", () => {
  const report = (latency: string, extra = "") =>
    `Running 8s test @ http://127.0.0.1:1/\n  1 threads and 64 connections\n  Latency Distribution\n     50%  ${latency}\n     75%    1.00ms\n     90%    1.20ms\n     99%    1.02s \n  582040 requests in 8.00s, 77.15MB read\n${extra}Requests/sec:  72755.31\nTransfer/sec:      9.64MB\n`;

  it("reads throughput, percentiles in every unit, and the count", () => {
    expect(parseWrk(report("801.00us"))).toEqual({ perSecond: 72755.31, p50Ms: 0.801, p99Ms: 1020, requests: 582040 });
    expect(parseWrk(report("1.50m")).p50Ms).toBe(90_000);
  });

  it("fails on answers that are not 2xx, on socket errors, and on what it does not know", () => {
    expect(() => parseWrk(report("1ms", "  Non-2xx or 3xx responses: 4\n"))).toThrow("Non-2xx or 3xx responses: 4");
    expect(() => parseWrk(report("1ms", "  Socket errors: connect 0, read 3, write 0, timeout 0\n"))).toThrow("Socket errors");
    expect(() => parseWrk("usage: wrk")).toThrow("unexpected");
  });
});

describe("the client", () => {
  let server: Server | undefined;
  afterEach(() => server?.close());

  it("reads lengths, chunks, empty answers and answers in pieces", () => {
    expect(parseAnswer(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabcdHTTP"))).toEqual({
      answer: { status: 200, body: "abcd" },
      bytes: 42,
    });
    expect(parseAnswer(Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabcd"))).toBeUndefined();
    expect(parseAnswer(Buffer.from("HTTP/1.1 204 No Content\r\n\r\n"))?.answer).toEqual({ status: 204, body: "" });
    const chunked = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\na\r\n0123456789\r\n0\r\n\r\n";
    expect(parseAnswer(Buffer.from(chunked))).toEqual({ answer: { status: 200, body: "abc0123456789" }, bytes: chunked.length });
    expect(parseAnswer(Buffer.from(chunked.slice(0, -2)))).toBeUndefined();
  });

  it("drives a real server, in order, on one connection, and notices its end", async () => {
    let connections = 0;
    server = createServer((request, response) => {
      request.resume().on("end", () => response.end(JSON.stringify({ url: request.url, key: request.headers["x-key"] })));
    }).on("connection", () => connections++);
    const connection = new Connection(await listen(server), { "x-key": "k" });
    for (const path of ["/a", "/b", "/c"]) {
      expect(await connection.post(path, "{}")).toEqual({ status: 200, body: JSON.stringify({ url: path, key: "k" }) });
    }
    expect(connections).toBe(1);
    server.closeAllConnections();
    await expect(connection.get("/d")).rejects.toThrow();
  });

  it("refuses to count a trigger that was not accepted", async () => {
    server = createServer((request, response) => {
      request.resume().on("end", () => response.writeHead(503).end("{}"));
    });
    await expect(closedLoop({ origin: await listen(server), secretKey: "tr_dev_x" }, 2, 1)).rejects.toThrow("503");
  });

  async function listen(listening: Server): Promise<URL> {
    await new Promise<void>((resolve) => listening.listen(0, "127.0.0.1", resolve));
    const address = listening.address();
    return new URL(`http://127.0.0.1:${address && typeof address === "object" ? address.port : 0}`);
  }
});

describe("processes", () => {
  it("finds who listens on a port, its tree, memory and CPU time", async () => {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, "runs/floor.mjs")], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      const port = await new Promise<number>((resolve) => createInterface(child.stdout).once("line", (line) => resolve(Number(line))));
      expect(listeningPid(port)).toBe(child.pid);
      expect(processTree(process.pid)).toContain(child.pid);
      expect(residentBytes(child.pid ?? 0)).toBeGreaterThan(10_000_000);
      expect(proportionalBytes(child.pid ?? 0)).toBeGreaterThan(5_000_000);
      expect(cpuMicroseconds(child.pid ?? 0)).toBeGreaterThan(0);
      const result = await closedLoop({ origin: new URL(`http://127.0.0.1:${port}`), secretKey: "tr_dev_x" }, 4, 0.3);
      expect(result.requests).toBeGreaterThan(0);
      expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
    } finally {
      child.kill();
    }
  });
});

describe("the command line", () => {
  it("asks for every part, or for those that it names", () => {
    expect(parseOptions([])).toEqual({ parts: ["runs", "deployments"], quick: false });
    expect(parseOptions(["--quick"])).toEqual({ parts: ["runs", "deployments"], quick: true });
    expect(parseOptions(["deployments", "--quick"])).toEqual({ parts: ["deployments"], quick: true });
    expect(() => parseOptions(["deploys"])).toThrow("deploys is no part of the benchmark. There are: runs, deployments");
    expect(() => parseOptions(["--quickly"])).toThrow("--quickly");
  });
});

describe("the table", () => {
  it("takes medians that were measured", () => {
    expect(spread([5, 1, 3])).toEqual({ median: 3, min: 1, max: 5 });
    expect(spread([4, 1, 2, 3]).median).toBe(2);
    expect(percentile([1, 2, 3, 4], 0.5)).toBe(3);
    expect(percentile([], 0.5)).toBeNaN();
  });

  it("says which goals are met", () => {
    const rows = [
      { name: "fast enough", unit: "/s", values: [12_000, 14_000, 13_000], goal: { kind: "at-least" as const, value: 12_345 } },
      { name: "too slow", unit: "ms", values: [40], goal: { kind: "at-most" as const, value: 30 } },
      { name: "only shown", unit: "", values: [0.1234] },
    ];
    expect(rows.map(meets)).toEqual([true, false, undefined]);
    const table = renderTable(rows);
    expect(table).toContain("| fast enough | 13,000 | (12,000 to 14,000) | /s   | at least 12,345 | met    |");
    expect(table).toMatch(/too slow .* 40\.0 .* MISSED/);
    expect(new Set(table.split("\n").map((line) => line.length)).size).toBe(1);
    expect([format(Number.NaN), format(0.17), format(3.14159), format(45.67)]).toEqual(["–", "0.170", "3.14", "45.7"]);
  });
});
