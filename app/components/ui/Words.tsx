import { Link } from "@remix-run/react";
import { Fragment } from "react";
import type { Words as WordsShape } from "~/presenters/views";

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
