import { Form, Link } from "@remix-run/react";
import { CircleX } from "lucide-react";
import { FormToken, Submit } from "~/components/ui/forms";
import type { DeploySettingsView } from "~/presenters/deployments/settings.server";

type Settings = DeploySettingsView["settings"];

const BUILD_PATHS: { value: Settings["buildPath"]; label: string; help: string }[] = [
  {
    value: "native_local_bundle",
    label: "The CLI bundles, the server does the rest",
    help: "Needs Node where you deploy from. The upload is small.",
  },
  {
    value: "native",
    label: "The server builds from source",
    help: "The sources are uploaded; an agent with the role builder installs and bundles them.",
  },
];
const READINESS: { value: Settings["readiness"]; label: string; help: string }[] = [
  { value: "min2", label: "Two regions, or the only one", help: "A region that is away does not hold up a deployment." },
  { value: "all-but-one", label: "All regions but one", help: "One region may be missing." },
  { value: "all", label: "All regions", help: "A region that is away fails the deployment." },
];
type SwitchName = "autoPromote" | "holdResponse" | "supersedeQueued" | "processKeepAlive";
const SWITCHES: { name: SwitchName; label: string; help: string }[] = [
  {
    name: "autoPromote",
    label: "Promote automatically",
    help: "A deployment that becomes ready becomes current. Without it every version is promoted by hand.",
  },
  {
    name: "holdResponse",
    label: "Hold the CLI until the end",
    help: "The CLI waits for the end and exits with it. Without it the CLI ends once the upload is taken.",
  },
  {
    name: "supersedeQueued",
    label: "Let newer deployments take over",
    help: "One that is still queued ends when a newer one comes. Deployments by hand are never superseded.",
  },
  {
    name: "processKeepAlive",
    label: "Keep processes between runs",
    help: "Runs start faster; what a module keeps in memory outlives a run. Used where your config does not say.",
  },
];

type Violations = { form: "settings" | "regions"; texts: readonly string[] } | null;

/** How an environment deploys. `violations`: what was wrong with the form that was sent. */
export function DeploySettingsForm({ view, violations }: { view: DeploySettingsView; violations: Violations }) {
  const { settings } = view;
  return (
    <section className="panel" aria-labelledby="deploy-settings">
      <header>
        <h2 id="deploy-settings">How {view.envSlug} deploys</h2>
      </header>
      <Form method="post" className="formgrid" key={JSON.stringify(settings)}>
        <FormToken intent="settings" />
        {violations?.form === "settings" ? <ViolationList texts={violations.texts} /> : null}
        <Choices legend="Build path" name="buildPath" choices={BUILD_PATHS} chosen={settings.buildPath} />
        <Choices legend="Ready when healthy in" name="readiness" choices={READINESS} chosen={settings.readiness} />
        <fieldset className="group">
          <legend>Promotion and queue</legend>
          {SWITCHES.map((item) => (
            <div key={item.name} className="choice">
              <input
                id={item.name}
                type="checkbox"
                className="check"
                name={item.name}
                defaultChecked={settings[item.name]}
                aria-describedby={`${item.name}-help`}
              />
              <label htmlFor={item.name}>{item.label}</label>
              <span className="help" id={`${item.name}-help`}>
                {item.help}
              </span>
            </div>
          ))}
        </fieldset>
        <div className="field">
          <label htmlFor="concurrentBuilds">Builds at once</label>
          <input
            id="concurrentBuilds"
            name="concurrentBuilds"
            className="input num"
            inputMode="numeric"
            style={{ width: 96 }}
            defaultValue={settings.concurrentBuilds}
            required
            maxLength={9}
            aria-describedby="concurrentBuilds-help"
          />
          <span className="help" id="concurrentBuilds-help">
            1 to 50. Further deployments wait in Queued.
          </span>
        </div>
        <div>
          <Submit intent="settings" busy="Saving…" className="btn primary">
            Save deploy settings
          </Submit>
        </div>
      </Form>
    </section>
  );
}

type ChoicesProps = { legend: string; name: string; chosen: string; choices: readonly { value: string; label: string; help: string }[] };

function Choices({ legend, name, chosen, choices }: ChoicesProps) {
  return (
    <fieldset className="group">
      <legend>{legend}</legend>
      {choices.map((choice) => {
        const id = `${name}-${choice.value}`;
        return (
          <div key={choice.value} className="choice">
            <input
              id={id}
              type="radio"
              className="radio"
              name={name}
              value={choice.value}
              defaultChecked={choice.value === chosen}
              aria-describedby={`${id}-help`}
            />
            <label htmlFor={id}>{choice.label}</label>
            <span className="help" id={`${id}-help`}>
              {choice.help}
            </span>
          </div>
        );
      })}
    </fieldset>
  );
}

type RegionsProps = { view: DeploySettingsView; violations: Violations; typed: Readonly<Record<string, string>>; regionsHref: string };

/** Where the next deployments run, and with how many replicas. `typed`: what was refused stays in the fields. */
export function RegionSettingsForm({ view, violations, typed, regionsHref }: RegionsProps) {
  const refused = violations?.form === "regions";
  return (
    <section className="panel" aria-labelledby="region-settings">
      <header>
        <h2 id="region-settings" className="grow">
          Regions and replicas
        </h2>
        <Link className="btn sm" to={regionsHref}>
          View agents
        </Link>
      </header>
      <Form method="post" className="formgrid" key={JSON.stringify(view.regions)}>
        <FormToken intent="regions" />
        {refused ? <ViolationList texts={violations.texts} /> : null}
        <div className="regions-table">
          <table className="inset">
            <caption>Regions of {view.envSlug} with the replicas in each</caption>
            <colgroup>
              <col style={{ width: 44 }} />
              <col />
              <col style={{ width: 130 }} />
            </colgroup>
            <thead>
              <tr>
                <th scope="col">
                  <span className="vh">Use</span>
                </th>
                <th scope="col">Region</th>
                <th scope="col">Replicas</th>
              </tr>
            </thead>
            <tbody>
              {view.regions.map((region) => (
                <RegionRow key={region.regionId} region={region} typed={refused ? typed : null} />
              ))}
            </tbody>
          </table>
        </div>
        <span className="meta muted">1 to 20 replicas a region. A replica waits for runs with its code loaded.</span>
        <div>
          <Submit intent="regions" busy="Saving…" className="btn">
            Save regions
          </Submit>
        </div>
      </Form>
    </section>
  );
}

type RegionRowProps = { region: DeploySettingsView["regions"][number]; typed: Readonly<Record<string, string>> | null };

function RegionRow({ region: { region, replicas, canSchedule }, typed }: RegionRowProps) {
  return (
    <tr>
      <td>
        <input
          type="checkbox"
          className="check"
          name="region"
          value={region}
          defaultChecked={typed ? region in typed : replicas !== null}
          aria-label={`Deploy to ${region}`}
        />
      </td>
      <td className="name">
        {region}
        {canSchedule ? null : <span className="muted"> takes no deployments now</span>}
      </td>
      <td>
        <input
          className="input num"
          name={`replicas:${region}`}
          inputMode="numeric"
          maxLength={12}
          defaultValue={typed?.[region] ?? replicas ?? 1}
          aria-label={`Replicas in ${region}`}
        />
      </td>
    </tr>
  );
}

/** All of them at once, so that one look is enough to correct the form. */
function ViolationList({ texts }: { texts: readonly string[] }) {
  return (
    <div className="banner c-bad" role="alert">
      <CircleX className="i" aria-hidden="true" />
      <div className="grow">
        <b>Nothing was changed.</b>
        <ul className={texts.length > 1 ? "violations" : undefined}>
          {texts.map((text) => (
            <li key={text}>{text}</li>
          ))}
        </ul>
      </div>
    </div>
  );
}
