import { describe, expect, it } from "vitest";
import { barOf, buildAxis, hasFolds, placeOf } from "./axis";

const MINUTE = 60_000;
const span = { from: 0, to: 31 * MINUTE };
const busy = [
  { from: 0, to: 10_000 },
  { from: 30 * MINUTE, to: 30 * MINUTE + 10_000 },
];

describe("the folded axis", () => {
  it("gives a long idle stretch a fixed width and the rest to the work", () => {
    const axis = buildAxis(span, busy, true);
    expect(axis.folds.map((fold) => fold.label)).toEqual(["29 min 50 s", "50.0 s"]);
    expect(axis.folds.every((fold) => fold.width === 9.5)).toBe(true);
    const widths = axis.pieces.filter((piece) => !piece.folded).map((piece) => Math.round(piece.width * 10) / 10);
    expect(widths).toEqual([40.5, 40.5]);
  });

  it("keeps order and covers the whole track", () => {
    const axis = buildAxis(span, busy, true);
    const places = [0, 5_000, 10_000, 15 * MINUTE, 30 * MINUTE, 31 * MINUTE].map((at) => placeOf(axis, at));
    expect(places[0]).toBe(0);
    expect(places.at(-1)).toBeCloseTo(100);
    expect([...places].sort((a, b) => a - b)).toEqual(places);
  });

  it("leaves short idle stretches and unfolded axes alone", () => {
    expect(hasFolds({ from: 0, to: 3_000 }, [{ from: 2_000, to: 3_000 }])).toBe(false);
    expect(buildAxis(span, busy, false).folds).toEqual([]);
    expect(placeOf(buildAxis(span, busy, false), 15.5 * MINUTE)).toBeCloseTo(50);
  });

  it("does not fold a run that has not worked at all", () => {
    expect(hasFolds({ from: 0, to: MINUTE }, [])).toBe(false);
  });

  it("clamps bars to the axis and lets an open one reach its end", () => {
    const axis = buildAxis({ from: 1_000, to: 2_000 }, [], true);
    expect(barOf(axis, { tone: "run", from: 0, to: 1_500 }, "run()")).toMatchObject({ left: 0, width: 50 });
    expect(barOf(axis, { tone: "run", from: 1_500, to: null }, "run()")).toMatchObject({ left: 50, width: 50, title: "run() 0.50 s" });
  });

  it("survives a run of no length", () => {
    expect(placeOf(buildAxis({ from: 5, to: 5 }, [], true), 5)).toBe(0);
  });
});
