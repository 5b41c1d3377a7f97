import { Form } from "@remix-run/react";
import { CircleCheck, CirclePause, Plus, ServerOff } from "lucide-react";
import { Banner } from "~/components/ui/Banner";
import { CopyButton } from "~/components/ui/CopyButton";
import { Field, FormToken, Submit } from "~/components/ui/forms";
import { Revoke } from "~/components/ui/Revoke";
import { EmptyValue, Time } from "~/components/ui/Time";
import type { AgentView, RegionsView, RegionView } from "~/presenters/deployments/regions.server";
import { formatCount, plural } from "~/utils/format";
import { Ago } from "./RegionsOfDeployment";

/** A token that was made right now; it is never seen again. */
export type NewAgentToken = { region: string; token: string };

/** The command that joins a machine, with the token in it. */
export function NewAgentTokenBanner({ made, origin }: { made: NewAgentToken; origin: string }) {
  const command = `npm run agent -- --url ${origin} --token ${made.token} --region ${made.region}`;
  const text = (
    <>
      <span className="secret mt-1">
        <code className="mono select-all">{made.token}</code>
        <CopyButton text={made.token} what="agent token" />
      </span>
      <span className="block mt-2">Run this on the machine that joins {made.region}:</span>
      <span className="secret mt-1">
        <code className="mono select-all">{command}</code>
        <CopyButton text={command} what="command" />
      </span>
    </>
  );
  return <Banner kind="ok" title="Copy the token now. It is not shown again." text={text} />;
}

/** Every region of the installation with its agents and tokens. */
export function RegionsPanels({ view }: { view: RegionsView }) {
  return (
    <>
      {view.regions.map((region) => (
        <RegionPanel key={region.id} region={region} asOf={view.asOf} envSlug={view.envSlug} />
      ))}
    </>
  );
}

function RegionPanel({ region, asOf, envSlug }: { region: RegionView; asOf: number; envSlug: string }) {
  return (
    <section className="panel" aria-label={`Region ${region.name}`} data-region={region.name}>
      <header className="flex-wrap">
        <h2>{region.name}</h2>
        <Connection connected={region.connected} />
        {region.canSchedule ? null : <span className="tag">takes no deployments</span>}
        <span className="grow" />
        <span className="meta muted num">
          {region.wanted === null ? `Not used by ${envSlug}` : `${envSlug} runs ${plural(region.wanted, "replica")} here`}
        </span>
      </header>
      {region.agents.length === 0 ? (
        <p className="soft p-4">No agent has joined {region.name} yet. Create a token and start an agent with it.</p>
      ) : (
        <AgentsTable region={region} asOf={asOf} />
      )}
      <Tokens region={region} asOf={asOf} />
    </section>
  );
}

function Connection({ connected }: { connected: number }) {
  const Icon = connected > 0 ? CircleCheck : ServerOff;
  return (
    <span className={`st c-${connected > 0 ? "ok" : "late"}`}>
      <Icon className="i s" aria-hidden="true" />
      {connected > 0 ? `${plural(connected, "agent")} connected` : "No agent reports"}
    </span>
  );
}

function AgentsTable({ region, asOf }: { region: RegionView; asOf: number }) {
  return (
    <table className="inset two stack agents">
      <caption>Agents of region {region.name}</caption>
      <colgroup>
        <col />
        <col style={{ width: 130 }} />
        <col style={{ width: 190 }} />
        <col style={{ width: 300 }} />
        <col style={{ width: 100 }} />
        <col style={{ width: 110 }} />
      </colgroup>
      <thead>
        <tr>
          <th scope="col">Agent</th>
          <th scope="col">Roles</th>
          <th scope="col">Machine</th>
          <th scope="col">Isolation</th>
          <th scope="col" className="right">
            Slots used
          </th>
          <th scope="col" className="right">
            Heartbeat
          </th>
        </tr>
      </thead>
      <tbody>
        {region.agents.map((agent) => (
          <AgentRow key={agent.id} agent={agent} asOf={asOf} />
        ))}
      </tbody>
    </table>
  );
}

function AgentRow({ agent, asOf }: { agent: AgentView; asOf: number }) {
  const Icon = agent.connected ? CircleCheck : CirclePause;
  return (
    <tr data-agent={agent.name}>
      <td>
        <span className={`st c-${agent.connected ? "ok" : "late"}`}>
          <Icon className="i s" aria-hidden="true" />
          <span className="mono name">{agent.name}</span>
        </span>
        <span className="l2">{agent.connected ? `keeps ${plural(agent.replicas, "replica")}` : "does not report"}</span>
      </td>
      <td className="soft">{agent.roles}</td>
      <td className="soft">
        {agent.machine || <EmptyValue />}
        <span className="l2">{agent.memoryMb === null ? null : `${formatCount(agent.memoryMb)} MB`}</span>
      </td>
      <td className="note" data-label="Isolation">
        {agent.isolation ?? <EmptyValue />}
        <span className="l2">{agent.isolationNote}</span>
      </td>
      <td className="right num slots" data-label="Slots used">
        {agent.used} of {agent.slots}
      </td>
      <td className="right num soft">
        <Ago ms={asOf - agent.seenAt} asOf={asOf} live />
      </td>
    </tr>
  );
}

function Tokens({ region, asOf }: { region: RegionView; asOf: number }) {
  return (
    <div className="formgrid border-t border-line">
      {region.tokens.length === 0 ? null : (
        <table className="inset">
          <caption>Agent tokens of region {region.name}</caption>
          <colgroup>
            <col />
            <col style={{ width: 130 }} />
            <col style={{ width: 96 }} />
          </colgroup>
          <thead>
            <tr>
              <th scope="col">Token</th>
              <th scope="col">Created</th>
              <th scope="col" className="right">
                <span className="vh">Revoke</span>
              </th>
            </tr>
          </thead>
          <tbody>
            {region.tokens.map((token) => (
              <tr key={token.id}>
                <td className="mono soft">{token.obfuscated}</td>
                <td className="num muted">
                  <Time ms={token.createdAt} nowMs={asOf} />
                </td>
                <td className="right">
                  <Revoke
                    intent="revoke-token"
                    id={token.id}
                    label={`Revoke token ${token.obfuscated} of ${region.name}`}
                    text="Agents that use it are refused at once, also in the middle of a run. This cannot be undone."
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <Form method="post">
        <FormToken intent="create-token" />
        <input type="hidden" name="region" value={region.id} />
        <button type="submit" className="btn sm">
          <Plus className="i xs" aria-hidden="true" />
          Create agent token
        </button>
      </Form>
    </div>
  );
}

/** A region begins with its name; agents follow. */
export function NewRegion({ error, typed }: { error: string | null; typed: string }) {
  return (
    <section className="panel" aria-labelledby="new-region">
      <header>
        <h2 id="new-region">New region</h2>
      </header>
      <Form method="post" className="formgrid">
        <FormToken intent="create-region" />
        <Field
          id="region-name"
          name="name"
          label="Name"
          help="Lower-case letters, digits and dashes, for example “eu”. A region is a place; any number of machines may serve it."
          required
          maxLength={80}
          defaultValue={typed}
          error={error}
          autoComplete="off"
          spellCheck={false}
        />
        <div>
          <Submit intent="create-region" busy="Creating…" className="btn">
            Create region
          </Submit>
        </div>
      </Form>
    </section>
  );
}
