"use strict";
const sdk = require("@trigger.dev/sdk");
const { runCalls } = require("./calls.cjs");

runCalls(sdk).then((steps) => {
  console.log(JSON.stringify(steps));
  process.exit(0);
});
