import { Link } from "@remix-run/react";
import { Fragment } from "react";
import type { Words as WordsShape } from "~/presenters/views";

/** The sentence as text, for tooltips and reports. */
export function plainWords(words: WordsShape): string {
  return words.map((word) => (typeof word === "string" ? word : word.code)).join("");
}

/** A sentence with names in it: prose as it is, names in monospace, linked where they lead somewhere. */
export function Words({ words }: { words: WordsShape }) {
  return (
    <>
      {words.map((word, i) => (
        <Fragment key={i}>{typeof word === "string" ? word : <Name code={word.code} href={word.href} />}</Fragment>
      ))}
    </>
  );
}

function Name({ code, href }: { code: string; href: string | undefined }) {
  if (!href) return <span className="mono">{code}</span>;
  return (
    <Link className="link mono" to={href}>
      {code}
    </Link>
  );
}
