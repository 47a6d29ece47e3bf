/** What an election asks for and decides, step by step. */
import { describe, expect, test } from "bun:test";
import { candidatesOf } from "../../../src/election/core/candidates.ts";
import {
  Election,
  type ElectionEffect,
  type ElectionInput,
} from "../../../src/election/core/election.ts";

const DATA = new Uint8Array([1]);
const OTHER = new Uint8Array([2]);

/** The effects in a word each. */
function words(effects: readonly ElectionEffect[]): string[] {
  return effects.map((effect) => {
    if (effect.kind === "leader") return `leader ${effect.leader?.name ?? "none"}`;
    if (effect.kind === "read" || effect.kind === "remove") return `${effect.kind} ${effect.name}`;
    if (effect.kind === "elected") return `elected ${effect.id} ${effect.sequence}`;
    if (effect.kind === "deposed") return `deposed ${effect.id}: ${effect.reason}`;
    return effect.kind === "stand" ? `stand ${effect.id}` : effect.kind;
  });
}

function nameOf(sequence: number): string {
  return `json.info_${String(sequence).padStart(10, "0")}`;
}

class Stage {
  readonly election = new Election();
  step(...inputs: readonly ElectionInput[]): string[] {
    return inputs.flatMap((input) => words(this.election.step(input)));
  }
  list(...sequences: readonly number[]): string[] {
    return this.step({ kind: "listed", names: sequences.map(nameOf) });
  }
  read(sequence: number, data: Uint8Array | undefined = OTHER): string[] {
    return this.step({ kind: "read", name: nameOf(sequence), data });
  }
  /** Connected, with the znode of that number, which is first. */
  static leading(sequence: number): Stage {
    const stage = new Stage();
    stage.step({ kind: "stand", id: "m", data: DATA }, { kind: "sessionConnected" });
    stage.step({ kind: "stood", id: "m", name: nameOf(sequence) });
    stage.list(sequence);
    stage.list(sequence);
    stage.read(sequence, DATA);
    expect(stage.election.isLeading).toBe(true);
    return stage;
  }
}

test("candidates are in order of their number, whatever their label; other nodes are none [semantics 1.2]", () => {
  const names = [nameOf(12), "log_replicas", "info_0000000003", "0000000007", "json.info_x", "a_1"];
  expect(candidatesOf(names).map(({ name }) => name)).toEqual([
    "info_0000000003",
    "0000000007",
    nameOf(12),
  ]);
});

describe("detecting", () => {
  test("the lowest number leads; the next one does when it is gone", () => {
    const stage = new Stage();
    expect(words(stage.election.start())).toEqual(["openSession"]);
    expect(stage.step({ kind: "sessionConnected" })).toEqual(["list"]);
    expect(stage.list(9, 4)).toEqual([`read ${nameOf(4)}`]);
    expect(stage.read(4)).toEqual([`leader ${nameOf(4)}`]);
    expect(stage.step({ kind: "changed" })).toEqual(["list"]);
    expect(stage.list(9, 4, 11)).toEqual([]);
    expect(stage.step({ kind: "changed" })).toEqual(["list"]);
    expect(stage.list(9)).toEqual([`read ${nameOf(9)}`]);
    expect(stage.read(9)).toEqual([`leader ${nameOf(9)}`]);
    expect(stage.step({ kind: "changed" })).toEqual(["list"]);
    expect(stage.list()).toEqual(["leader none"]);
  });

  test("a node that is gone before it is read leads nobody, and is looked for anew [semantics 1.2.2]", () => {
    const stage = new Stage();
    stage.step({ kind: "sessionConnected" });
    stage.list(4);
    expect(stage.step({ kind: "read", name: nameOf(4), data: undefined })).toEqual(["list"]);
  });

  test("a lost connection changes nothing, a session that is over everything [semantics 1.2.3]", () => {
    const stage = new Stage();
    stage.step({ kind: "sessionConnected" });
    stage.list(4);
    stage.read(4);
    expect(stage.step({ kind: "sessionDisconnected" })).toEqual([]);
    expect(stage.step({ kind: "sessionConnected" })).toEqual(["list"]);
    expect(stage.list(4)).toEqual([]);
    expect(stage.step({ kind: "sessionOver", reason: "expired" })).toEqual([
      "leader none",
      "openSession",
    ]);
  });

  test("what failed is asked again after a while, once", () => {
    const stage = new Stage();
    stage.step({ kind: "sessionConnected" });
    expect(stage.step({ kind: "listed", names: undefined })).toEqual(["retryIn"]);
    expect(stage.step({ kind: "retry" })).toEqual(["list"]);
    stage.list(4);
    expect(stage.step({ kind: "readFailed", name: nameOf(4) })).toEqual(["retryIn"]);
    expect(stage.step({ kind: "retry" })).toEqual(["list"]);
    expect(stage.list(4)).toEqual([`read ${nameOf(4)}`]);
  });
});

describe("standing", () => {
  test("the first one leads when the list that was made later than its znode says so", () => {
    const stage = new Stage();
    expect(stage.step({ kind: "stand", id: "m", data: DATA })).toEqual([]);
    expect(stage.step({ kind: "sessionConnected" })).toEqual(["stand m", "list"]);
    expect(stage.step({ kind: "stood", id: "m", name: nameOf(7) })).toEqual([]);
    // Of the time before: it must not look like a znode that vanished.
    expect(stage.list()).toEqual(["list"]);
    expect(stage.list(7)).toEqual([`read ${nameOf(7)}`]);
    expect(stage.read(7, DATA)).toEqual([`leader ${nameOf(7)}`, "elected m 7"]);
  });

  test("one behind waits, and leads when those before it are gone", () => {
    const stage = new Stage();
    stage.step({ kind: "stand", id: "m", data: DATA }, { kind: "sessionConnected" });
    stage.step({ kind: "stood", id: "m", name: nameOf(7) });
    stage.list(5, 7);
    stage.list(5, 7);
    expect(stage.read(5)).toEqual([`leader ${nameOf(5)}`]);
    stage.step({ kind: "changed" });
    stage.list(7);
    expect(stage.read(7, DATA)).toEqual([`leader ${nameOf(7)}`, "elected m 7"]);
  });

  test("a lost connection leaves a leader leading; the end of its session deposes it first of all", () => {
    const stage = Stage.leading(7);
    expect(stage.step({ kind: "sessionDisconnected" })).toEqual([]);
    expect(stage.election.isLeading).toBe(true);
    expect(stage.step({ kind: "sessionOver", reason: "expired" })).toEqual([
      "deposed m: expired",
      "leader none",
      "openSession",
    ]);
    expect(stage.step({ kind: "sessionConnected" })).toEqual(["list"]);
  });

  test("who was deposed may stand again, as another", () => {
    const stage = Stage.leading(7);
    stage.step({ kind: "sessionOver", reason: "expired" }, { kind: "sessionConnected" });
    expect(stage.step({ kind: "stand", id: "n", data: DATA })).toEqual(["stand n"]);
  });

  test("a znode that somebody removed ends a reign, and a candidacy that waits begins anew [semantics 1.3]", () => {
    const leader = Stage.leading(7);
    leader.step({ kind: "changed" });
    expect(leader.list(9)[0]).toBe("deposed m: its znode was removed");
    const follower = new Stage();
    follower.step({ kind: "stand", id: "m", data: DATA }, { kind: "sessionConnected" });
    follower.step({ kind: "stood", id: "m", name: nameOf(7) });
    follower.list(5, 7);
    follower.list(5, 7);
    follower.read(5);
    follower.step({ kind: "changed" });
    expect(follower.list(5)).toEqual(["stand m"]);
  });

  test("standing whose answer is lost is asked for again, and found only once", () => {
    const stage = new Stage();
    stage.step({ kind: "stand", id: "m", data: DATA }, { kind: "sessionConnected" });
    stage.step({ kind: "sessionDisconnected" });
    expect(stage.step({ kind: "sessionConnected" })).toEqual(["stand m", "list"]);
    stage.step({ kind: "stood", id: "m", name: nameOf(3) });
    expect(stage.step({ kind: "stood", id: "m", name: nameOf(3) })).toEqual([]);
  });

  test("a withdrawn znode is removed, and asked to be until it is gone", () => {
    const stage = Stage.leading(7);
    expect(stage.step({ kind: "withdraw" })).toEqual([`remove ${nameOf(7)}`]);
    expect(stage.election.isLeading).toBe(false);
    expect(stage.step({ kind: "changed" })).toEqual(["list"]);
    expect(stage.list(7)).toEqual([`remove ${nameOf(7)}`, "retryIn"]);
    expect(stage.step({ kind: "retry" })).toEqual(["list"]);
    expect(stage.list(8)).toEqual([`read ${nameOf(8)}`]);
  });

  test("a znode that comes after its candidacy was withdrawn is removed", () => {
    const stage = new Stage();
    stage.step({ kind: "stand", id: "m", data: DATA }, { kind: "sessionConnected" });
    stage.step({ kind: "withdraw" });
    expect(stage.step({ kind: "stood", id: "m", name: nameOf(2) })).toEqual([
      `remove ${nameOf(2)}`,
    ]);
  });
});
