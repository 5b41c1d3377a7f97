/**
 * The floor: the least a Node server can do with the same request. Reads the body, parses the JSON, answers; nothing is
 * stored, checked or routed. Everything else in the table is a fraction of this, measured in the same minutes.
 *
 *     node bench/floor.mjs        prints the port that it took
 */
import http from "node:http";

const server = http.createServer((request, response) => {
  let body = "";
  request.setEncoding("utf8");
  request.on("data", (chunk) => {
    body += chunk;
  });
  request.on("end", () => {
    JSON.parse(body);
    response.setHeader("content-type", "application/json");
    response.end('{"id":"run_x"}');
  });
});
server.listen(0, "127.0.0.1", () => {
  process.stdout.write(`${server.address().port}\n`);
});
