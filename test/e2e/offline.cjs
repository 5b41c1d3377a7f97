// Preloaded into the CLI by the tests: the two hosts it always asks are unreachable here and cost 7 to 13 s of retries.
"use strict";
const real = globalThis.fetch;
const answers = new Map([
  ["jsonhero.io", { externals: [] }],
  ["npm.antfu.dev", { version: "4.8.3", name: "trigger.dev", distTags: { latest: "4.8.3" } }],
]);
globalThis.fetch = (input, init) => {
  const url = typeof input === "string" ? input : input instanceof URL ? input.href : input.url;
  const answer = answers.get(new URL(url, "http://localhost").hostname);
  if (answer === undefined) return real(input, init);
  return Promise.resolve(new Response(JSON.stringify(answer), { status: 200, headers: { "content-type": "application/json" } }));
};
