import { Form } from "@remix-run/react";
import { Banner, type BannerKind } from "~/components/ui/Banner";
import { FormToken, Submit } from "~/components/ui/forms";
import { Mark } from "~/components/ui/Mark";

type State = "pending" | "approved" | "denied" | "expired";
type Props = { state: State; email: string; host: string; askedAt: string; expiresAt: string };

const DECIDED: Record<Exclude<State, "pending">, { kind: BannerKind; title: string; text: string }> = {
  approved: {
    kind: "ok",
    title: "The CLI is signed in.",
    text: "Go back to your terminal. You can close this page; the token is listed under Access tokens.",
  },
  denied: { kind: "hold", title: "The login was denied.", text: "The CLI got no token. You can close this page." },
  expired: {
    kind: "bad",
    title: "This login request has expired.",
    text: "It was open for ten minutes. Run the CLI's login command again.",
  },
};

/** What the CLI asks for, and both answers. The safe one has the focus. */
export function ApprovalPage({ state, email, host, askedAt, expiresAt }: Props) {
  return (
    <main className="login">
      <div className="box wide">
        <header>
          <Mark size={32} />
          <h1>{state === "pending" ? "Sign the CLI in as you?" : "CLI login"}</h1>
          <p className="muted mono">{host}</p>
        </header>
        {state === "pending" ? <Question email={email} askedAt={askedAt} expiresAt={expiresAt} /> : <Banner {...DECIDED[state]} />}
      </div>
    </main>
  );
}

function Question({ email, askedAt, expiresAt }: Pick<Props, "email" | "askedAt" | "expiresAt">) {
  return (
    <div className="form">
      <p>
        A <span className="mono">trigger.dev</span> CLI asked at <b className="num">{askedAt}</b> for a personal access token of{" "}
        <b>{email}</b>.
      </p>
      <ul className="soft list-disc pl-5">
        <li>It can register and run your tasks, and read and trigger runs in all your projects.</li>
        <li>It stays valid until you revoke it under Access tokens.</li>
      </ul>
      <p className="soft">
        Approve only if you started this login yourself. The request is open until <span className="num">{expiresAt}</span> and works once.
      </p>
      <div className="row justify-end">
        <Form method="post">
          <FormToken intent="deny" />
          <button type="submit" className="btn tall" autoFocus>
            Deny login
          </button>
        </Form>
        <Form method="post">
          <FormToken intent="approve" />
          <Submit intent="approve" busy="Approving…" className="btn primary tall">
            Approve login
          </Submit>
        </Form>
      </div>
    </div>
  );
}
