import { describe, expect, it } from "vitest";
import { assignReplicas, type Assignment } from "./assignReplicas";

const runners = (...slots: number[]) => slots.map((count, i) => ({ id: `agent${i}`, slots: count }));
const totals = (plan: readonly Assignment[]) =>
  plan.reduce<Record<string, number>>((sums, one) => ({ ...sums, [one.deploymentId]: (sums[one.deploymentId] ?? 0) + one.replicas }), {});

describe("assignment of replicas", () => {
  it("spreads the replicas of a version over the agents", () => {
    expect(assignReplicas([{ deploymentId: "d", replicas: 3 }], runners(4, 4), [])).toEqual([
      { deploymentId: "d", agentId: "agent0", replicas: 2 },
      { deploymentId: "d", agentId: "agent1", replicas: 1 },
    ]);
  });

  it("leaves what is assigned where it is, also when another agent comes", () => {
    const existing = [{ deploymentId: "d", agentId: "agent0", replicas: 2 }];
    expect(assignReplicas([{ deploymentId: "d", replicas: 2 }], runners(4, 4), existing)).toEqual(existing);
  });

  it("moves the replicas of an agent that has gone, and only those", () => {
    const existing = [
      { deploymentId: "d", agentId: "agent0", replicas: 1 },
      { deploymentId: "d", agentId: "gone", replicas: 2 },
    ];
    expect(assignReplicas([{ deploymentId: "d", replicas: 3 }], runners(4), existing)).toEqual([
      { deploymentId: "d", agentId: "agent0", replicas: 3 },
    ]);
  });

  it("takes replicas away when fewer are wanted, and all of what is not wanted", () => {
    const existing = [
      { deploymentId: "d", agentId: "agent0", replicas: 2 },
      { deploymentId: "d", agentId: "agent1", replicas: 2 },
      { deploymentId: "old", agentId: "agent1", replicas: 1 },
    ];
    expect(totals(assignReplicas([{ deploymentId: "d", replicas: 1 }], runners(4, 4), existing))).toEqual({ d: 1 });
  });

  it("B15 with too few slots the versions at the end get less: a deploying one evicts one that is not current", () => {
    const existing = [
      { deploymentId: "current", agentId: "agent0", replicas: 1 },
      { deploymentId: "old", agentId: "agent0", replicas: 2 },
    ];
    const wanted = ["current", "deploying", "old"].map((deploymentId) => ({ deploymentId, replicas: deploymentId === "old" ? 2 : 1 }));
    expect(totals(assignReplicas(wanted, runners(3), existing))).toEqual({ current: 1, deploying: 1, old: 1 });
    expect(totals(assignReplicas(wanted, runners(2), existing))).toEqual({ current: 1, deploying: 1 });
  });

  it("never gives an agent more than its slots, whatever was assigned before", () => {
    for (let seed = 0; seed < 200; seed++) {
      const number = (salt: number, max: number) => Math.floor(Math.abs(Math.sin(seed * 97 + salt)) * max);
      const agents = runners(number(1, 5), number(2, 5), number(3, 5));
      const wanted = [0, 1, 2, 3].map((i) => ({ deploymentId: `d${i}`, replicas: 1 + number(10 + i, 5) }));
      const existing = wanted.flatMap(({ deploymentId }, i) =>
        agents.map(({ id }, j) => ({ deploymentId, agentId: id, replicas: number(20 + i * 3 + j, 4) }))
      );
      const plan = assignReplicas(wanted, agents, existing);
      for (const agent of agents) {
        const used = plan.filter((one) => one.agentId === agent.id).reduce((sum, one) => sum + one.replicas, 0);
        expect(used).toBeLessThanOrEqual(agent.slots);
      }
      const slots = agents.reduce((sum, agent) => sum + agent.slots, 0);
      const asked = wanted.reduce((sum, one) => sum + one.replicas, 0);
      expect(plan.reduce((sum, one) => sum + one.replicas, 0)).toBe(Math.min(slots, asked));
    }
  });

  it("without agents there is nothing to assign", () => {
    expect(assignReplicas([{ deploymentId: "d", replicas: 1 }], [], [{ deploymentId: "d", agentId: "x", replicas: 1 }])).toEqual([]);
  });
});
