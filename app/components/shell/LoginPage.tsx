import { Form } from "@remix-run/react";
import { useEffect, useState, type ReactNode } from "react";
import { Eye, EyeOff } from "lucide-react";
import { Banner } from "~/components/ui/Banner";
import { Field, Submit } from "~/components/ui/forms";
import { Mark } from "~/components/ui/Mark";

type Props = { host: string; version: string; problem: { title: string; text: string } | null; children: ReactNode };

/** Sign in: mark, address, the form, and where the one-time link is. */
export function LoginPage({ host, version, problem, children }: Props) {
  return (
    <main className="login">
      <div className="box">
        <header>
          <Mark size={32} />
          <h1>Sign in to Sluice</h1>
          <p className="muted mono">{host}</p>
        </header>
        {problem ? <Banner kind="bad" title={problem.title} text={problem.text} /> : null}
        {children}
        <div className="alt">
          <b>No password yet?</b>
          <p>
            Open the one-time link that <span className="mono">npm start</span> printed when the server started. It works once, and is also
            in <span className="mono">.sluice/credentials.json</span>.
          </p>
        </div>
      </div>
      <footer className="muted meta num">
        Sluice {version} ·{" "}
        <a href="/readiness" className="link">
          Health
        </a>
      </footer>
    </main>
  );
}

/** Email and password. A browser's own manager fills it in. */
export function LoginForm({ next, email }: { next: string; email: string }) {
  return (
    <Form className="form" method="post">
      <input type="hidden" name="next" value={next} />
      <input type="hidden" name="intent" value="sign-in" />
      <Field
        id="email"
        name="email"
        type="email"
        label="Email"
        autoComplete="username"
        required
        defaultValue={email}
        autoFocus={email === ""}
      />
      <PasswordField />
      <Submit intent="sign-in" busy="Signing in…" className="btn primary tall">
        Sign in
      </Submit>
    </Form>
  );
}

function PasswordField() {
  const [shown, setShown] = useState(false);
  const [alive, setAlive] = useState(false);
  useEffect(() => setAlive(true), []);
  const Icon = shown ? EyeOff : Eye;
  return (
    <div className="field">
      <label htmlFor="password">Password</label>
      <div className="relative">
        <input
          id="password"
          name="password"
          type={shown ? "text" : "password"}
          className="input pr-9"
          autoComplete="current-password"
          required
          maxLength={1024}
        />
        {alive ? (
          <button
            type="button"
            className="btn ghost icon tiny absolute right-1.5 top-1/2 -translate-y-1/2"
            aria-label={shown ? "Hide password" : "Show password"}
            onClick={() => setShown(!shown)}
          >
            <Icon className="i s" aria-hidden="true" />
          </button>
        ) : null}
      </div>
    </div>
  );
}

/** A one-time link is used up by this form, not by opening it: previews and prefetches open links. */
export function LinkForm({ token, next }: { token: string; next: string }) {
  return (
    <Form className="form" method="post" action="/login">
      <input type="hidden" name="token" value={token} />
      <input type="hidden" name="next" value={next} />
      <input type="hidden" name="intent" value="use-link" />
      <p className="soft">This one-time link signs you in. It works once.</p>
      <Submit intent="use-link" busy="Signing in…" className="btn primary tall" autoFocus>
        Sign in
      </Submit>
    </Form>
  );
}
