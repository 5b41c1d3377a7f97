import { describe, expect, it } from "vitest";
import { parseContainerfile } from "./containerfile";

type Parts = { args?: string; commands?: string; stage?: string; second?: boolean };

/** As the CLI writes it, with the certificates of the base stage shortened. */
function nodeFile({ args = "", commands = "", stage = "FROM example/node:24-build AS build", second = true }: Parts): string {
  return `# syntax=docker/dockerfile:1
FROM example/node:24 AS base

ENV DEBIAN_FRONTEND=noninteractive
RUN mkdir -p /usr/local/share && \\
  printf '%s\\n' 'FROM x AS build' > /dev/null

${stage}

USER node
WORKDIR /app

${args}

ENV NODE_ENV=production
COPY --chown=node:node package.json ./
RUN npm i --no-audit --no-fund --no-save --no-package-lock

# Now copy all the files
COPY --chown=node:node . .

${commands}

${second ? "COPY --chown=node:node . .\n" : ""}
RUN mkdir -p node_modules

FROM scratch AS code
COPY --from=build --exclude=node_modules /app /app
FROM build AS indexer
ARG TRIGGER_SECRET_KEY
RUN [ "node", "/app/index.mjs" ]
FROM base AS final
COPY --from=build /app ./
`;
}

describe("16: Containerfile", () => {
  it("finds no commands in a plain one", () => {
    expect(parseContainerfile(nodeFile({}))).toEqual({ commands: [], buildArgs: [] });
  });

  it("finds two commands in order, and nothing of the installation or of other stages", () => {
    const parsed = parseContainerfile(nodeFile({ commands: "RUN npx prisma generate\nRUN echo done > out.txt" }));
    expect(parsed.commands).toEqual(["npx prisma generate", "echo done > out.txt"]);
  });

  it("finds the names of build variables once each", () => {
    const args = "ARG DATABASE_URL\nARG TOKEN\n\nENV DATABASE_URL=$DATABASE_URL\nENV TOKEN=$TOKEN\nARG TOKEN=x";
    expect(parseContainerfile(nodeFile({ args })).buildArgs).toEqual(["DATABASE_URL", "TOKEN"]);
  });

  it("reads a stage made of a custom image, whose own commands are none of ours", () => {
    const stage = "FROM base AS build\n\nRUN apt-get update && \\\n  apt-get install -y ffmpeg && \\\n  rm -rf /var/lib/apt/lists/*";
    expect(parseContainerfile(nodeFile({ stage, commands: "RUN one" })).commands).toEqual(["one"]);
  });

  it("reads the bun variant, which copies once", () => {
    const text = nodeFile({ commands: "RUN bun run generate", second: false })
      .replaceAll("node:node", "bun:bun")
      .replace("RUN npm i --no-audit --no-fund --no-save --no-package-lock", "RUN bun install --production --no-save");
    expect(parseContainerfile(text).commands).toEqual(["bun run generate"]);
  });

  it("reads Windows line ends", () => {
    const text = nodeFile({ args: "ARG A", commands: "RUN one \\\n  two\nRUN three" }).replaceAll("\n", "\r\n");
    expect(parseContainerfile(text)).toEqual({ commands: ["one two", "three"], buildArgs: ["A"] });
  });

  it.each([
    ["continued lines, comments among them", "RUN one && \\\n# why\n  two", "one && two"],
    ["mount flags", "RUN --mount=type=cache,target=/root/.npm --network=none npm run x", "npm run x"],
    ["the array form", `RUN ["node", "it's.js"]`, `'node' 'it'\\''s.js'`],
    ["a shell test", "RUN [ -f x ] && echo y", "[ -f x ] && echo y"],
    ["a here-document", "RUN <<EOF\necho a\nCOPY . .\nEOF", "echo a\nCOPY . ."],
    ["a here-document for a command", "RUN cat <<'END' > x\nRUN no\nEND", "cat <<'END' > x\nRUN no\nEND"],
  ])("reads %s", (_name, commands, expected) => {
    expect(parseContainerfile(nodeFile({ commands })).commands).toEqual([expected]);
  });

  it.each(["", "FROM scratch", "FROM x AS build\nRUN a", "nonsense"])("finds nothing in %j", (text) => {
    expect(parseContainerfile(text)).toEqual({ commands: [], buildArgs: [] });
  });
});
