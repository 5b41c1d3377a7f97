import { Form } from "@remix-run/react";
import { Banner } from "~/components/ui/Banner";
import { CopyButton } from "~/components/ui/CopyButton";
import { Field, FormToken, Submit } from "~/components/ui/forms";
import { Revoke } from "~/components/ui/Revoke";
import { EmptyValue, Time } from "~/components/ui/Time";

export type ShownToken = { id: string; name: string; obfuscated: string; createdAt: number; lastUsedAt: number | null };

/** The only time that a token is seen. */
export function NewTokenBanner({ token }: { token: string }) {
  const text = (
    <span className="secret mt-1">
      <code className="mono select-all">{token}</code>
      <CopyButton text={token} what="token" />
    </span>
  );
  return <Banner kind="ok" title="Copy the token now. It is not shown again." text={text} />;
}

/** One field: what the token is for. */
export function CreateToken({ error }: { error: string | null }) {
  return (
    <section className="panel" aria-labelledby="new-token">
      <header>
        <h2 id="new-token">New token</h2>
      </header>
      <Form method="post" className="formgrid">
        <FormToken intent="create" />
        <Field
          id="token-name"
          name="name"
          label="Name"
          help="Where it is used, for example “laptop” or “CI”."
          required
          maxLength={200}
          error={error}
          autoComplete="off"
        />
        <div>
          <Submit intent="create" busy="Creating…" className="btn primary">
            Create token
          </Submit>
        </div>
      </Form>
    </section>
  );
}

/** Tokens of the person, newest first. */
export function TokensTable({ tokens, asOf }: { tokens: readonly ShownToken[]; asOf: number }) {
  if (tokens.length === 0) return <p className="empty">You have no tokens. Create one for the CLI.</p>;
  return (
    <section className="panel" aria-label="Your tokens">
      <table className="inset">
        <caption>Your personal access tokens, newest first</caption>
        <colgroup>
          <col />
          <col style={{ width: "38%" }} />
          <col className="hide-sm" style={{ width: 110 }} />
          <col className="hide-sm" style={{ width: 110 }} />
          <col style={{ width: 96 }} />
        </colgroup>
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Token</th>
            <th scope="col" className="hide-sm">
              Created
            </th>
            <th scope="col" className="hide-sm">
              Last used
            </th>
            <th scope="col" className="right">
              <span className="vh">Revoke</span>
            </th>
          </tr>
        </thead>
        <tbody>
          {tokens.map((token) => (
            <TokenRow key={token.id} token={token} asOf={asOf} />
          ))}
        </tbody>
      </table>
    </section>
  );
}

function TokenRow({ token, asOf }: { token: ShownToken; asOf: number }) {
  return (
    <tr>
      <td className="name">{token.name}</td>
      <td className="mono soft">{token.obfuscated}</td>
      <td className="num muted hide-sm">
        <Time ms={token.createdAt} nowMs={asOf} />
      </td>
      <td className="num muted hide-sm">{token.lastUsedAt === null ? <EmptyValue /> : <Time ms={token.lastUsedAt} nowMs={asOf} />}</td>
      <td className="right">
        <Revoke
          intent="revoke"
          id={token.id}
          label={`Revoke token ${token.name}`}
          text="Whatever signs in with it is refused at once. This cannot be undone."
        />
      </td>
    </tr>
  );
}
